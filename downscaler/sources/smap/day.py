"""SMAP retrievals of one day on a domain, from one daily granule or several half orbits."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from downscaler import product
from downscaler.errors import (
    GranuleError,
    GranuleGridError,
    GranuleLayoutError,
    GranuleMissingError,
    GranuleNameError,
    GranuleUnreadableError,
    NoRetrievalError,
    broken_as,
)
from downscaler.ground.coarse_day import CoarseDay
from downscaler.ground.grid import Domain, EaseGrid
from downscaler.sources.smap.composite import MERGE_RULE, NAMES, Retrievals, merge
from downscaler.sources.smap.flags import FLAG_FILL
from downscaler.sources.smap.granule import Granule, open_granules, opened
from downscaler.sources.smap.names import HALF_ORBIT_LENGTH, GranuleName
from downscaler.sources.smap.placement import longitudes
from downscaler.sources.smap.retrievals import only_on, read_group

_LOG = logging.getLogger(__name__)

_ATTRIBUTES: dict[str, dict[str, str]] = {
    "soil_moisture": {"units": "m3 m-3", "standard_name": "volume_fraction_of_condensed_water_in_soil"},
    "soil_moisture_error": {"units": "m3 m-3", "long_name": "retrieval error as SMAP states it"},
    "recommended": {"long_name": "retrieval attempted, successful, recommended and within its valid range"},
    "retrieval_qual_flag": {"long_name": "SMAP's retrieval quality word; 65534 without an observation"},
    "surface_flag": {"long_name": "SMAP's surface condition word; 0 without an observation"},
    "observation_time": {"long_name": "time of the observation, UTC"},
    "overpass": {"long_name": "0 none, 1 AM (descending), 2 PM (ascending)"},
}


@dataclass
class _Pass:
    """One group's retrievals on the domain and the granule they come from."""

    granule: Granule
    overpass: int
    retrievals: Retrievals
    cells_with_value: int


def read_day(
    paths: Sequence[Path], domain: Domain, *, date: dt.date | None = None, allow_empty: bool = False
) -> CoarseDay:
    """Open a day's granules on a domain: one daily granule, or the half orbits that cross it.

    A granule that a newer release of the same scene supersedes is left out and named in the newer one's record.
    AM and PM are merged thus: recommended AM retrieval, else recommended PM, else unrecommended AM, else
    unrecommended PM; never averaged. Of half orbits that overlap, the recommended one nearest to 06:00 (ascending:
    18:00) local solar time holds. Of half orbits, only what was observed on the UTC day counts. ``date`` picks the
    day; without it the granules must be of one day. With ``allow_empty`` a day on which nothing is recommended is
    returned too, with what SMAP flagged on it.

    Raises GranuleMissingError (no paths, or none of the date), GranuleUnreadableError, GranuleLayoutError,
    GranuleNameError, GranuleGridError (also for granules of several products) and NoRetrievalError when nothing in
    the domain is recommended.
    """
    with broken_as(GranuleUnreadableError, "A granule is damaged", ", ".join(Path(p).name for p in paths[:3])):
        return _read_day(paths, domain, date, allow_empty=allow_empty)


def _read_day(paths: Sequence[Path], domain: Domain, date: dt.date | None, *, allow_empty: bool) -> CoarseDay:
    granules, superseded = current([granule for p in paths for granule in open_granules(Path(p))])
    day, granules = _of_day(granules, date)
    grid = _one_grid(granules)
    window = domain.window(grid)
    passes = [p for granule in granules for p in _read(granule, domain, day)]
    merged = merge([(p.overpass, p.retrievals) for p in passes], longitudes(grid, window))
    if not allow_empty and not merged.recommended.any():
        raise _nothing(passes, merged, domain, day)
    used = [g for g in granules if any(p.granule is g and (p.retrievals.overpass > 0).any() for p in passes)]
    return CoarseDay(
        date=day,
        grid=grid,
        domain=domain,
        data=_dataset(merged, domain, grid),
        inputs=tuple(g.record(tuple(superseded.get(g.path, ()))) for g in used),
        simulated=any(g.simulated for g in used),
    )


def read_smap(
    granules: str | Path | Sequence[str | Path], domain: Domain | str, *, date: dt.date | None = None
) -> CoarseDay:
    """SMAP's retrievals of one day on a domain.

    Args:
        granules: one file, or several of the day (half orbits), as NSIDC delivers them: SPL3SMP_E and SPL2SMP_E
            (9 km), SPL3SMP and SPL2SMP (36 km).
        domain: a preset's name, ``west,south,east,north`` in degrees, or a ``Domain`` such as ``prior.domain``.
        date: the UTC day; without it the granules must be of one day.

    Returns:
        The day; its ``data`` has ``soil_moisture`` (m3 m-3), ``recommended`` and what else ``CoarseDay`` tells, on
        (y, x) of the 9 or 36 km EASE-Grid 2.0.

    Raises:
        DomainError: no such domain.
        GranuleError: no file, a file that cannot be read, or files that do not go together.
        NoRetrievalError: nothing in the domain is recommended.
    """
    files = [granules] if isinstance(granules, (str, Path)) else list(granules)
    where = product.domain(domain) if isinstance(domain, str) else domain
    return read_day([Path(file) for file in files], where, date=date)


def current(granules: Sequence[Granule]) -> tuple[list[Granule], dict[Path, list[str]]]:
    """The newest release of each scene, and for each of those the names of the files that it supersedes."""
    newest: dict[tuple[str, str, int, str], Granule] = {}
    superseded: dict[Path, list[str]] = {}
    for granule in sorted(granules, key=lambda g: (g.name.scene, g.name.release, g.path.name)):
        older = newest.get(granule.name.scene)
        newest[granule.name.scene] = granule
        if older is not None and older.path != granule.path:
            superseded[granule.path] = [*superseded.pop(older.path, []), older.path.name]
            _LOG.warning("%s is superseded by %s and is left out", older.path.name, granule.path.name)
    return list(newest.values()), superseded


def _middle_day(granule: Granule) -> dt.date:
    """UTC day of a half orbit's middle: one that begins just before midnight belongs to the next day."""
    if granule.name.start is None:
        return granule.name.date
    end = granule.observed[1] if granule.observed else granule.name.start + HALF_ORBIT_LENGTH
    return (granule.name.start + (end - granule.name.start) / 2).date()


def _of_day(granules: list[Granule], date: dt.date | None) -> tuple[dt.date, list[Granule]]:
    """The day to read and the granules that can hold it."""
    if not granules:
        raise GranuleMissingError("No granule is given", remedy="Give at least one SMAP file.")
    days = sorted({_middle_day(g) for g in granules})
    if date is None:
        if len(days) > 1:
            raise GranuleError(
                "The granules are of different days",
                value=", ".join(map(str, days)),
                allowed="granules of one day",
                remedy="Name the date.",
            )
        return days[0], granules
    chosen = [g for g in granules if g.name.covers(date)]
    mislabelled = [g for g in granules if g.name.start is None and _named_of(g.path, date)]
    if not chosen and mislabelled:  # a fault of the file, not a day without SMAP
        raise GranuleLayoutError(
            f"{mislabelled[0].path.name} is of another day than its name says",
            value=", ".join(map(str, days)),
            allowed=f"{date}",
            remedy="Download the granule again, or give the file the name of its day.",
        )
    if not chosen:
        raise GranuleMissingError(f"No granule given is of {date}", value=", ".join(map(str, days)), allowed=str(date))
    return date, chosen


def _named_of(path: Path, date: dt.date) -> bool:
    """Whether the name of a daily granule's file says that it is of a day."""
    try:
        return GranuleName.parse(path).covers(date)
    except GranuleNameError:
        return False


def _one_grid(granules: list[Granule]) -> EaseGrid:
    """The grid of the granules, which must be of one product."""
    products = sorted({g.name.short_name for g in granules})
    if len(products) > 1:
        raise GranuleGridError(
            "The granules of a day must belong to one product",
            value=", ".join(products),
            allowed="one of them",
            remedy="Remove the others.",
        )
    return granules[0].grid


def _read(granule: Granule, domain: Domain, date: dt.date) -> list[_Pass]:
    """All groups of one granule on the domain."""
    passes = []
    with opened(granule.path) as file:
        for group in granule.groups:
            retrievals, cells = read_group(file, granule, group, domain.window(granule.grid))
            if granule.name.half_orbit:
                retrievals = only_on(retrievals, date, one_day=_is_of_one_day(granule, date))
            else:
                _check_times(retrievals.observation_time, granule, date)
            passes.append(_Pass(granule, group.overpass, retrievals, cells))
    return passes


def _check_times(times: NDArray[np.datetime64], granule: Granule, date: dt.date) -> None:
    """Refuse a daily granule whose observations are of other days than it says: its date or their unit is wrong."""
    known = times[~np.isnat(times)].astype("datetime64[D]")
    off = np.abs((known - np.datetime64(date)).astype(int))
    if known.size and off.min() > 1:
        raise GranuleLayoutError(
            f"The observations of {granule.path.name} are of other days than {date}",
            value=f"{known.min()} to {known.max()}",
            allowed=f"{date}, a day before or after",
            remedy="Download the granule again; its tb_time_seconds or its date is wrong.",
        )


def _is_of_one_day(granule: Granule, date: dt.date) -> bool:
    """Whether all of a half orbit is of one UTC day, by the extent that it states, else by the longest there is."""
    begin = granule.observed[0] if granule.observed else granule.name.start
    if begin is None:
        return granule.name.date == date
    end = granule.observed[1] if granule.observed else begin + HALF_ORBIT_LENGTH
    return begin.date() == end.date() == date


def _nothing(passes: list[_Pass], merged: Retrievals, domain: Domain, date: dt.date) -> NoRetrievalError:
    """The error for a day without a recommended retrieval: how far it came, in counts."""
    per_pass = "; ".join(
        f"{p.granule.path.name} {NAMES[p.overpass]}: {p.cells_with_value} with a value, "
        f"{int((p.retrievals.retrieval_qual_flag == FLAG_FILL).sum())} with a quality flag of fill ({FLAG_FILL})"
        for p in passes
    )
    return NoRetrievalError(
        f"SMAP has no recommended retrieval in domain {domain.name!r} on {date}",
        value=f"{merged.recommended.size} cells, {int((merged.rank == 1).sum())} retrieved but not recommended, "
        f"0 recommended ({per_pass})",
        allowed="at least one cell with bits 0 to 2 of retrieval_qual_flag clear and a value in its valid range",
        remedy="SMAP observes a place every 2-3 days: try the day before or after.",
    )


def _dataset(merged: Retrievals, domain: Domain, grid: EaseGrid) -> xr.Dataset:
    """The merged fields with the coordinates of the grid's own cell centres."""
    coords = domain.geobox(grid).coordinates
    dims = ("y", "x")
    return xr.Dataset(
        {name: (dims, np.asarray(getattr(merged, name)), attrs) for name, attrs in _ATTRIBUTES.items()},
        coords={name: (name, coords[name].values, {"units": "m", "axis": name.upper()}) for name in dims},
        attrs={"grid": grid.name, "crs": "EPSG:6933", "merge_rule": MERGE_RULE},
    )
