"""SMAP L4 (SPL4SMGP): a land surface model that assimilates SMAP, for days on which SMAP itself is silent.

Every three hours a field of the 9 km grid, complete over land. A day is the mean of its eight fields; with fewer there
is no day. The product has no error and no quality flag of its own: its accuracy requirement stands for the error, and
snow and frozen ground are told from its own fields by the thresholds of SMAP's retrievals.

Source: Reichle et al. (2019, doi:10.1029/2019MS001729), whose requirement is an unbiased RMSE of 0.04 m3 m-3; NASA's
description of SMAP_L4_SM_gph granules (group Geophysical_Data, times at the middle of each three hours). No genuine
granule was at hand.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from downscaler.errors import GranuleLayoutError, GranuleMissingError, GranuleNameError, NoRetrievalError
from downscaler.ground.coarse_day import CoarseDay
from downscaler.ground.grid import M09, Domain, Window
from downscaler.product import THETA_MIN
from downscaler.records import InputRecord
from downscaler.sources.smap.flags import FLAG_FILL, FLOAT_FILL, Retrieval, Surface, masked
from downscaler.sources.smap.granule import Granule, is_simulated, opened
from downscaler.sources.smap.layout import Group, find, text_of
from downscaler.sources.smap.names import MODELLED, GranuleName
from downscaler.sources.smap.placement import place
from downscaler.sources.smap.stack import moments_of, product_of
from downscaler.sources.smap.times import from_seconds

GROUP = "Geophysical_Data"
FIELDS_A_DAY = 8
ERROR = 0.04  # m3 m-3, the product's accuracy requirement (unbiased RMSE)
FREEZING = 273.15  # K, of the top soil layer
_APART = np.timedelta64(90, "m")  # of a field's own time from its name's: a time may be the middle or an end
SNOW = 0.05  # share of the land under snow from which SMAP's own flag is set
THETA_MAX = 0.9  # m3 m-3, the variable's own valid_max
_COUNTED = "seconds since 2000-01-01"  # from noon of that day, as SMAP has it
_AGREES = dt.timedelta(minutes=15)
_NAMES = {"soil_moisture": "sm_surface", "latitude": "cell_lat", "longitude": "cell_lon", "EASE_row_index": "-"}
_VALUE, _TEMPERATURE, _SNOW = "sm_surface", "soil_temp_layer1", "land_fraction_snow_covered"
RULE = "Mean of the eight three-hourly fields of the UTC day; cells under snow or frozen are left out."


@dataclass(frozen=True, kw_only=True)
class Field:
    """One three-hourly field: the file and group that hold it, and the middle of its three hours (UTC)."""

    granule: Granule
    group: Group
    moment: dt.datetime


def is_level4(file: Any) -> bool:
    """Whether an opened HDF5 file has the product's surface soil moisture."""
    return any(find(file, group, "soil_moisture") is not None for group in _groups(file))


def open_fields(path: Path) -> list[Field]:
    """The fields of a file: one, or those that a service stacked.

    Raises GranuleMissingError, GranuleUnreadableError, GranuleLayoutError (no surface soil moisture) or
    GranuleNameError (nothing tells its time).
    """
    with opened(path) as file:
        group = next((g for g in _groups(file) if find(file, g, "soil_moisture") is not None), None)
        if group is None:
            raise GranuleLayoutError(
                f"{path.name} has no surface soil moisture of {MODELLED[0]}",
                value=", ".join(sorted(file)[:20]),
                allowed=f"{GROUP}/{_VALUE}",
            )
        simulated = is_simulated(file)
        if find(file, group, "soil_moisture").ndim == 3:
            told = product_of(path, text_of(file.attrs.get("title", "")))
            if told is None or told[0] not in MODELLED:
                raise GranuleNameError(
                    "A stack of fields does not say that it is SMAP L4", value=path.name, allowed=MODELLED[0]
                )
            moments = moments_of(file, path.name)
            names = [_name(moment, f"subset-{told[1]}", 0) for moment in moments]
            groups = [group.at(step) for step in range(len(moments))]
        else:
            names, groups = [_named(path, file)], [group]
    return [
        Field(granule=_granule(path, name, group, simulated=simulated), group=group, moment=name.start)
        for name, group in zip(names, groups, strict=True)
        if name.start is not None
    ]


def _groups(file: Any) -> Iterator[Group]:
    if GROUP in file:
        yield Group(path=GROUP, suffix="", overpass=0, names=_NAMES)
    yield Group(path="/", suffix="", overpass=0, prefix=f"{GROUP}_", names=_NAMES)


def _named(path: Path, file: Any) -> GranuleName:
    """A field's name; of a file under another name its own time tells the day, as seconds since J2000."""
    try:
        name = GranuleName.parse(path)
    except GranuleNameError:
        name = None
    moment = _own_time(file)
    if name is not None and name.modelled and name.start is not None:
        told = np.datetime64(name.start.replace(tzinfo=None))
        if not np.isnat(moment) and abs(moment - told) > _APART:
            raise GranuleNameError(
                "The file holds another field than its name states",
                value=f"{path.name}: {moment.astype('datetime64[m]')}",
                allowed=f"{told.astype('datetime64[m]')}",
                remedy="Download it again, or give it back its name.",
            )
        return name
    if np.isnat(moment):
        raise GranuleNameError(
            "Neither the name nor a variable time tells the hours of an SMAP L4 field",
            value=path.name,
            allowed="SMAP_L4_SM_gph_YYYYMMDDThhmmss_Vvnnnn_nnn.h5",
        )
    rounded = moment.astype("datetime64[s]").item().replace(tzinfo=dt.UTC) + dt.timedelta(minutes=1)
    return _name(rounded.replace(minute=rounded.minute // 10 * 10, second=0), "unknown", 0)


def _own_time(file: Any) -> np.datetime64:
    """What a file's variable time tells, NaT where there is none or it counts otherwise than SMAP does."""
    time = file.get("time")
    if time is None or time.dtype.kind not in "iuf" or not time.size:
        return np.datetime64("NaT")
    if not text_of(time.attrs.get("units", _COUNTED)).startswith(_COUNTED):
        return np.datetime64("NaT")
    return np.datetime64(from_seconds(np.atleast_1d(np.asarray(time[...], dtype=float)))[0])


def _name(moment: dt.datetime, crid: str, counter: int) -> GranuleName:
    return GranuleName(short_name=MODELLED[0], date=moment.date(), crid=crid, counter=counter, start=moment)


def _granule(path: Path, name: GranuleName, group: Group, *, simulated: bool) -> Granule:
    return Granule(
        path=path,
        name=name,
        layout="modelled",
        groups=(group,),
        collection_version=None,
        doi=None,
        title="SMAP L4 Global 3-hourly 9 km Surface Soil Moisture (model with SMAP assimilated)",
        observed=None,
        simulated=simulated,
    )


def read_level4(paths: Sequence[Path], domain: Domain, date: dt.date) -> CoarseDay:
    """A UTC day of SMAP L4 on a domain, as the mean of its eight fields.

    ``data`` is as of SMAP's own days, and ``modelled`` (bool) is true wherever there is a value; no cell has an
    observation time or an overpass.

    Raises GranuleMissingError unless all eight fields are there, the errors of ``open_fields``, GranuleGridError, and
    NoRetrievalError where nothing in the domain is land free of snow and frost.
    """
    fields = _of_day([field for path in dict.fromkeys(paths) for field in open_fields(Path(path))], date)
    window = domain.window(M09)
    values, temperatures, snow = (np.stack(part) for part in zip(*(_read(f, window) for f in fields), strict=True))
    mean, warm, white = (_mean_of_all(part) for part in (values, temperatures, snow))
    known = np.isfinite(mean) & (mean >= THETA_MIN) & (mean <= THETA_MAX)
    frozen, snowed = warm < FREEZING, white > SNOW
    usable = known & (warm >= FREEZING) & ~snowed
    if not usable.any():
        raise NoRetrievalError(
            f"{MODELLED[0]} has no land free of snow and frost in domain {domain.name!r} on {date}",
            value=f"{mean.size} cells, {int(known.sum())} with a value",
        )
    granules = list(dict.fromkeys(field.granule for field in fields))
    return CoarseDay(
        date=date,
        grid=M09,
        domain=domain,
        data=_dataset(np.where(known, mean, np.nan), usable, frozen & known, snowed & known, domain),
        inputs=_records(granules),
        simulated=any(granule.simulated for granule in granules),
    )


def _of_day(fields: Sequence[Field], date: dt.date) -> list[Field]:
    """The newest release of each of the day's eight fields; raises GranuleMissingError unless all are there."""
    newest: dict[dt.datetime, Field] = {}
    for field in sorted(fields, key=lambda f: f.granule.name.release):
        if field.moment.date() == date:
            middle = field.moment.replace(hour=field.moment.hour // 3 * 3 + 1, minute=30, second=0, microsecond=0)
            if abs(field.moment - middle) > _AGREES:
                raise GranuleNameError(
                    f"A field is not of {MODELLED[0]}'s hours",
                    value=f"{field.granule.path.name}: {field.moment:%H:%M}",
                    allowed="01:30, 04:30, ... 22:30 UTC",
                )
            newest[middle] = field
    if len(newest) != FIELDS_A_DAY:
        hours = ", ".join(f"{moment:%H:%M}" for moment in sorted(newest))
        raise GranuleMissingError(
            f"{MODELLED[0]} of {date} is not complete",
            value=f"{len(newest)} of {FIELDS_A_DAY} fields" + (f" ({hours})" if newest else ""),
            allowed=f"{FIELDS_A_DAY} fields, 01:30 to 22:30 UTC",
            remedy="Add the missing files; a part of a day is not averaged.",
        )
    return [newest[moment] for moment in sorted(newest)]


def _read(field: Field, window: Window) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Soil moisture (m3 m-3), temperature of the top layer (K) and share under snow; NaN where there is none."""
    with opened(field.granule.path) as file:
        placement = place(file, field.granule, field.group, window)
        found = []
        for name in (_VALUE, _TEMPERATURE, _SNOW):
            dataset = find(file, field.group, name)
            if dataset is None and name == _SNOW:  # snow lies on frozen soil, but for a few days
                found.append(np.zeros(tuple(window.shape.yx)))
                continue
            if dataset is None:
                raise GranuleLayoutError(
                    f"{field.granule.path.name} lacks {name}: frozen land cannot be told",
                    allowed=", ".join((_VALUE, _TEMPERATURE, _SNOW)),
                    remedy="Download the file with these variables.",
                )
            _require_unit(name, dataset, field)
            found.append(masked(placement.take(dataset, FLOAT_FILL).astype(np.float64)))
    return found[0], found[1], found[2]


def _require_unit(name: str, dataset: Any, field: Field) -> None:
    told = text_of(dataset.attrs.get("units", "")).lower().replace(" ", "").replace("^", "")
    allowed = {
        _VALUE: ("", "m3m-3", "m3/m3"),
        _TEMPERATURE: ("", "k", "kelvin"),
        _SNOW: ("", "1", "dimensionless", "-"),
    }
    if told not in allowed[name]:
        raise GranuleLayoutError(
            f"{name} of {field.granule.path.name} is in another unit",
            value=told,
            allowed=[u for u in allowed[name] if u],
        )


def _mean_of_all(stack: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the first axis where all of it is known, else NaN."""
    whole = np.isfinite(stack).all(axis=0)
    return np.where(whole, np.where(whole, stack, 0.0).mean(axis=0), np.nan)


def _records(granules: Sequence[Granule]) -> tuple[InputRecord, ...]:
    """Each file once, whatever fields of it were used."""
    by_file = {granule.path: granule for granule in granules}
    return tuple(granule.record() for _, granule in sorted(by_file.items()))


def _dataset(
    mean: NDArray[np.float64],
    usable: NDArray[np.bool_],
    frozen: NDArray[np.bool_],
    snowed: NDArray[np.bool_],
    domain: Domain,
) -> xr.Dataset:
    surface = np.where(snowed, Surface.SNOW_OR_ICE, 0) | np.where(frozen, Surface.FROZEN_MODEL, 0)
    known = np.isfinite(mean)
    qual = np.where(known, np.where(usable, 0, int(Retrieval.NOT_RECOMMENDED)), FLAG_FILL)
    fields: dict[str, Any] = {
        "soil_moisture": mean,
        "soil_moisture_error": np.where(known, ERROR, np.nan),
        "recommended": usable,
        "retrieval_qual_flag": qual.astype(np.uint16),
        "surface_flag": surface.astype(np.uint16),
        "observation_time": np.full(mean.shape, np.datetime64("NaT", "s")),
        "overpass": np.zeros(mean.shape, np.int8),
        "modelled": known,
    }
    coords = domain.geobox(M09).coordinates
    return xr.Dataset(
        {name: (("y", "x"), values) for name, values in fields.items()},
        coords={name: (name, coords[name].values, {"units": "m", "axis": name.upper()}) for name in ("y", "x")},
        attrs={"grid": M09.name, "crs": "EPSG:6933", "merge_rule": RULE},
    )


def check_level4(path: Path, wanted: GranuleName) -> None:
    """Raise GranuleLayoutError unless a downloaded file is the field that its name in the archive says."""
    moments = [field.moment for field in open_fields(path)]
    if moments != [wanted.start]:
        raise GranuleLayoutError(
            "The file is a different granule than its name states", value=", ".join(map(str, moments))
        )
