"""Units of HydroFrame's data, inferred from the values; labels are hints only. Pure functions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from downscaler.errors import PriorSchemaError

Array = NDArray[np.float64]
THICKNESS = 0.1  # m, the top layer of both lattices
_WATER = 1000.0  # kg m-3
_DRIEST, _WETTEST = 0.02, 1.02  # plausible saturations of a month's median cell
_ROUNDING = 1e-3


def daily_means(values: Array, steps: int = 24) -> Array:
    """Means over each day of [step, j, i] with ``steps`` a day; raises PriorSchemaError for a day cut short."""
    if values.shape[0] % steps:
        raise PriorSchemaError("Hourly states do not form whole days", value=values.shape[0], allowed=f"n x {steps}")
    return np.asarray(values.reshape(-1, steps, *values.shape[1:]).mean(axis=1))


def top_layer(values: Array, layers: int, *, leading: int) -> Array:
    """The top layer of [.., z, j, i] (z from the bottom) or of [.., j, i], with ``leading`` axes before z.

    Raises PriorSchemaError for other shapes.
    """
    if values.ndim == leading + 2:
        return values
    if values.ndim == leading + 3 and values.shape[leading] in (1, layers):
        return np.asarray(np.take(values, -1, axis=leading))
    raise PriorSchemaError(
        "An array has another shape than documented",
        value=values.shape,
        allowed=f"{'time, ' if leading else ''}(z of 1 or {layers},) y, x",
    )


def from_saturation(saturation: Array, porosity: Array) -> Array:
    """Volumetric soil moisture (m3 m-3): saturation (1) times porosity (m3 m-3), [day, j, i] and [j, i].

    Raises PriorSchemaError for values that are no saturation.
    """
    low, high = _range(saturation)
    if low < -_ROUNDING or high > 1.0 + _ROUNDING:
        raise PriorSchemaError(
            "Saturation is not a fraction between 0 and 1", value=f"{low:g} to {high:g}", allowed="0 to 1"
        )
    return np.asarray(np.clip(saturation, 0.0, 1.0) * porosity)


def as_fraction(values: Array, label: str, porosity: Array) -> tuple[Array, str | None]:
    """Soil moisture (m3 m-3) of a field that may be a volume fraction or water in the layer (kg m-2), and a note.

    Both readings differ by a factor of 100 for a layer of 0.1 m, so only one of them lies within the pores: that one
    holds, whatever the label says; the note tells where they disagree. Raises PriorSchemaError when neither does.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        share = values / porosity
    known = share[np.isfinite(share) & (share > 0)]
    if known.size == 0:
        return values, None
    median, high = float(np.median(known)), float(known.max())
    water = _WATER * THICKNESS
    for unit, factor in (("m3 m-3", 1.0), ("kg m-2", 1.0 / water)):
        if _DRIEST <= median * factor <= _WETTEST and high * factor <= _WETTEST:
            told = "kg m-2" if "kg" in label.lower() else "m3 m-3"
            note = f"Soil moisture is labelled {label or 'nothing'}; its values are {unit} and are read as that."
            return values * factor, note if told != unit or not label else None
    raise PriorSchemaError(
        "Soil moisture fits neither a volume fraction nor kg m-2 of a layer of 0.1 m",
        value=f"median {median:.4g} and at most {high:.4g} of the pore space, labelled {label!r}",
        allowed=f"{_DRIEST} to {_WETTEST} of the pore space, or 100 times that",
    )


def check_temperature(values: Array, label: str) -> Array:
    """Air temperature in K; raises PriorSchemaError when label or values say otherwise."""
    low, high = _range(values)
    if label.lower() not in ("k", "kelvin") or low < 180.0 or high > 340.0:
        raise PriorSchemaError(
            "Air temperature is not in K", value=f"{low:g} to {high:g}, labelled {label!r}", allowed="180 to 340, K"
        )
    return values


def check_precipitation(values: Array, label: str) -> Array:
    """Daily precipitation in mm; raises PriorSchemaError when label or values say otherwise."""
    low, high = _range(values)
    spelled = label.lower().replace(" ", "")
    if spelled not in ("mm", "mm/d", "mm/day", "kg/m2") or low < -_ROUNDING or high > 2000.0:
        raise PriorSchemaError(
            "Precipitation is not in mm a day",
            value=f"{low:g} to {high:g}, labelled {label!r}",
            allowed="0 to 2000, mm",
        )
    return np.asarray(np.maximum(values, 0.0))


def _range(values: Array) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    return (float(known.min()), float(known.max())) if known.size else (1.0, 1.0)
