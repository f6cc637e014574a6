"""The retrievals of one group of a granule, decoded onto a window of its grid."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from downscaler.errors import GranuleLayoutError
from downscaler.ground.grid import Window
from downscaler.product import THETA_MAX, THETA_MIN
from downscaler.sources.smap.composite import Retrievals
from downscaler.sources.smap.flags import FLAG_FILL, FLOAT_FILL, masked, recommended, successful, surface_bits
from downscaler.sources.smap.granule import Granule
from downscaler.sources.smap.layout import Group, find, text_of
from downscaler.sources.smap.placement import Placement, place
from downscaler.sources.smap.times import from_seconds, from_text

_FRACTIONS = ("", "cm3/cm3", "cm3cm-3", "m3/m3", "m3m-3", "mm3/mm3", "1", "-", "n/a", "none", "fraction", "unitless")


def read_group(file: Any, granule: Granule, group: Group, window: Window) -> tuple[Retrievals, int]:
    """Decode one group on a window of the granule's grid; only the window is read from whole-grid arrays.

    Returns the retrievals and the number of cells in which the file has a soil moisture value, successful or not.
    Raises GranuleGridError and GranuleLayoutError.
    """
    placement = place(file, granule, group, window)
    value, valid = values(file, granule, group, placement)
    qual = words(file, granule, group, placement, "retrieval_qual_flag")
    surface = words(file, granule, group, placement, "surface_flag")
    error_set = find(file, group, "soil_moisture_error")
    error = np.full(value.shape, np.nan)
    if error_set is not None:
        error = masked(placement.take(error_set, FLOAT_FILL), _attribute(error_set, "_FillValue", FLOAT_FILL))
    time = _times(file, group, placement)
    success = successful(qual)
    observed = ~np.isnat(time) | np.isfinite(value)
    retrievals = Retrievals(
        soil_moisture=np.where(success, value, np.nan),
        soil_moisture_error=np.where(success, error, np.nan),
        recommended=recommended(qual, value, valid_min=valid[0], valid_max=valid[1]),
        retrieval_qual_flag=qual,
        surface_flag=np.where(observed, surface_bits(surface), np.uint16(0)),
        observation_time=time,
        overpass=np.where(observed, group.overpass, 0).astype(np.int8),
    )
    return retrievals, int(np.isfinite(value).sum())


def values(
    file: Any, granule: Granule, group: Group, placement: Placement
) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Soil moisture of the window, m3 m-3 with NaN for fill, and the valid range that the variable declares.

    No declaration makes a value valid that no soil can have.
    """
    dataset = find(file, group, "soil_moisture")
    if dataset.dtype.kind != "f":
        raise GranuleLayoutError(
            f"{granule.path.name}: soil_moisture in {group.title} is not a floating-point variable",
            value=dataset.dtype,
            allowed="float32 or float64",
        )
    if (_attribute(dataset, "scale_factor", 1.0), _attribute(dataset, "add_offset", 0.0)) != (1.0, 0.0):
        raise GranuleLayoutError(
            f"{granule.path.name}: soil_moisture in {group.title} is packed",
            value=f"scale_factor {_attribute(dataset, 'scale_factor', 1.0):g}",
            allowed="values in m3 m-3 as they are",
            remedy="Ask the service for another format, or unpack it.",
        )
    units = text_of(dataset.attrs.get("units", ""))
    if re.sub(r"[\s^*.]", "", units).lower() not in _FRACTIONS:
        raise GranuleLayoutError(
            f"{granule.path.name}: soil_moisture in {group.title} is in another unit",
            value=repr(units),
            allowed="cm**3/cm**3, or m3 m-3",
            remedy="Download the granule as NSIDC has it.",
        )
    value = masked(placement.take(dataset, FLOAT_FILL), _attribute(dataset, "_FillValue", FLOAT_FILL))
    lowest, highest = _attribute(dataset, "valid_min", THETA_MIN), _attribute(dataset, "valid_max", THETA_MAX)
    return value, (max(lowest, THETA_MIN), min(highest, THETA_MAX))


def words(file: Any, granule: Granule, group: Group, placement: Placement, name: str) -> NDArray[np.uint16]:
    """A flag variable of the window as uint16; 65534 throughout where the granule has none."""
    dataset = find(file, group, name)
    if dataset is None:
        return np.full(tuple(placement.window.shape.yx), FLAG_FILL, dtype=np.uint16)
    taken = placement.take(dataset, FLAG_FILL) if dataset.dtype.kind in "uif" else None
    if taken is not None and taken.dtype.kind == "f":  # a service's way to have NaN for fill
        taken = np.where(np.isfinite(taken), taken, FLAG_FILL)
        taken = taken if bool((taken == np.rint(taken)).all()) else None
    if taken is None:
        raise GranuleLayoutError(
            f"{granule.path.name}: {name} in {group.title} is not an integer variable",
            value=dataset.dtype,
            allowed="uint16",
        )
    word = taken.astype(np.int64)
    fill = _attribute(dataset, "_FillValue", FLAG_FILL)
    unknown = (word == fill) | (word < 0) | (word >= FLAG_FILL)
    return np.where(unknown, FLAG_FILL, word).astype(np.uint16)


def only_on(retrievals: Retrievals, date: dt.date, *, one_day: bool) -> Retrievals:
    """The same, emptied where the observation is of another UTC day.

    A cell without a time is kept only where the whole half orbit lies on ``one_day``: of one that spans midnight
    nothing tells its day, and it would be published on both.
    """
    time = retrievals.observation_time
    keep = (time.astype("datetime64[D]") == np.datetime64(date)) | (np.isnat(time) & one_day)
    empty: dict[str, Any] = {
        "soil_moisture": np.nan,
        "soil_moisture_error": np.nan,
        "recommended": False,
        "retrieval_qual_flag": np.uint16(FLAG_FILL),
        "surface_flag": np.uint16(0),
        "observation_time": np.datetime64("NaT", "s"),
        "overpass": np.int8(0),
    }
    return replace(
        retrievals, **{f.name: np.where(keep, getattr(retrievals, f.name), empty[f.name]) for f in fields(Retrievals)}
    )


def _times(file: Any, group: Group, placement: Placement) -> NDArray[np.datetime64]:
    """Observation times from the count of seconds, from the text where there is no count; NaT without either."""
    seconds, text = (find(file, group, name) for name in ("tb_time_seconds", "tb_time_utc"))
    if seconds is not None:
        time = from_seconds(placement.take(seconds, FLOAT_FILL).astype(np.float64))
        if text is None or not np.isnat(time).all():
            return time
    if text is not None and text.dtype.kind in "SO":
        return from_text(placement.take(text, b""))
    return np.full(tuple(placement.window.shape.yx), np.datetime64("NaT", "s"))


def _attribute(dataset: Any, name: str, default: float) -> float:
    """A numeric attribute of a variable, in the variable's own precision and as a text too, or the default."""
    given = dataset.attrs.get(name, default)
    try:
        number = float(given if isinstance(given, (bytes, str)) else np.asarray(given).item())
    except (TypeError, ValueError):
        return default
    return default if np.isnan(number) else number
