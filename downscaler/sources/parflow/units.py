"""What units of weather mean in mm a day and K, and whether numbers can be that. Pure functions.

A unit is converted where it is told and refused where it is another; only ParFlow's own forcing, whose unit its manual
fixes, may leave it out. What no weather can be is refused whatever the unit told.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from downscaler.errors import PriorSchemaError

_DAY, _HOURS = 86400.0, 24.0
# Spelling without blanks, in lower case, "**" and "^" left out -> factor and offset to mm day-1, K, m h-1.
_SECOND = ("mms-1", "mm/s", "mm/sec", "kgm-2s-1", "kg/m2/s", "kg/(m2s)")
_HOUR = ("mmh-1", "mm/h", "mm/hr", "mmhr-1", "mm/hour", "mmhour-1", "kgm-2h-1", "kg/m2/h")
_PER_DAY = ("mmday-1", "mmd-1", "mm/day", "mm/d", "kgm-2day-1", "kgm-2d-1", "kg/m2/day", "kg/m2/d")
_CONVERSIONS: dict[str, dict[str, tuple[float, float]]] = {
    "precipitation": {
        **dict.fromkeys(_PER_DAY, (1.0, 0.0)),
        **dict.fromkeys(_HOUR, (_HOURS, 0.0)),
        **dict.fromkeys(_SECOND, (_DAY, 0.0)),
    },
    "air_temperature": {
        **dict.fromkeys(("k", "kelvin", "degk"), (1.0, 0.0)),
        **dict.fromkeys(
            ("c", "°c", "degc", "deg_c", "celsius", "degreesc", "degreec", "degrees_celsius"), (1.0, 273.15)
        ),
    },
}
ALLOWED = {"precipitation": "mm day-1, mm h-1, mm s-1 (or kg m-2 of these)", "air_temperature": "K, degC"}
RAIN = (-0.1, 2000.0)  # mm a day; packed rain may stand a little below zero, and no day on record had more
TEMPERATURE = (180.0, 340.0)  # K
TRACE = 0.01  # mm a day; a record whose wettest cell and day stays below is in another unit: mm s-1 reads so
_GROUND: dict[str, tuple[float, float]] = {
    "elevation": (-1000.0, 9000.0),  # m
    "slope_x": (-100.0, 100.0),
    "slope_y": (-100.0, 100.0),
    "permeability": (0.0, 1e6),  # m h-1
    "van_genuchten_alpha": (0.0, 1e4),  # m-1
    "van_genuchten_n": (0.0, 100.0),
    "residual_saturation": (0.0, 1.0),
    "sand_fraction": (-1e-3, 1.001),
    "clay_fraction": (-1e-3, 1.001),
}


@dataclass(frozen=True)
class Conversion:
    """``value * factor + offset`` is in mm day-1 or K."""

    factor: float = 1.0
    offset: float = 0.0

    def __call__(self, values: NDArray[Any]) -> NDArray[Any]:
        """The values in the product's unit, in their own precision."""
        if self == Conversion():
            return values
        return np.asarray(values * values.dtype.type(self.factor) + values.dtype.type(self.offset))


def spelled(units: object) -> str:
    """A unit as the tables have it."""
    return re.sub(r"\s+|\*\*|\^", "", str(units)).lower()


def conversion(name: str, units: object, where: str) -> Conversion:
    """How a weather field told in ``units`` becomes mm day-1 or K; raises PriorSchemaError for another unit."""
    known = _CONVERSIONS[name].get(spelled(units))
    if known is None:
        raise PriorSchemaError(
            f"{name.replace('_', ' ').capitalize()} of {where} is in another unit than can be converted",
            value=repr(units),
            allowed=ALLOWED[name],
            remedy="Convert the file; units are never guessed.",
        )
    return Conversion(*known)


def check_weather(name: str, values: NDArray[Any], where: str) -> None:
    """Raise PriorSchemaError when values cannot be daily rain in mm, or air temperature in K."""
    known = values[np.isfinite(values)]
    if known.size == 0 or name not in _CONVERSIONS:
        return
    low, high = float(known.min()), float(known.max())
    least, most = RAIN if name == "precipitation" else TEMPERATURE
    if low < least or high > most:
        raise PriorSchemaError(
            f"{name.replace('_', ' ').capitalize()} of {where} cannot be in {'mm day-1' if least < 0 else 'K'}",
            value=f"{low:g} to {high:g}",
            allowed=f"{max(least, 0.0):g} to {most:g}",
            remedy="Check the unit that is told (mm s-1, mm h-1, mm day-1: factors 86,400 and 24) and the fill value.",
        )


def check_ground(name: str, values: NDArray[Any], where: str) -> None:
    """Raise PriorSchemaError when values cannot be of a static field, as fill that is not declared, or per cent."""
    known = values[np.isfinite(values)]
    least, most = _GROUND.get(name, (-np.inf, np.inf))
    if known.size and not (known.min() >= least and known.max() <= most):
        raise PriorSchemaError(
            f"{name.replace('_', ' ').capitalize()} of {where} has values that cannot be",
            value=f"{float(known.min()):g} to {float(known.max()):g}",
            allowed=f"{least:g} to {most:g}",
            remedy="Check its unit, and declare its fill value (the attribute _FillValue).",
        )


def check_not_traces(highest: float, where: str) -> None:
    """Raise PriorSchemaError when the wettest day of a record has less rain than any gauge would show, but some."""
    if 0 < highest < TRACE:
        raise PriorSchemaError(
            f"Precipitation of {where} is too little to be in mm day-1",
            value=f"at most {highest:g} in any cell on any day",
            allowed=f"a wettest day of {TRACE:g} mm or more, or no rain at all",
            remedy="Tell the unit it really has (mm s-1?): the attribute units, or [units] in prior.toml.",
        )
