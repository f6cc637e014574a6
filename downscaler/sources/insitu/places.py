"""Where stations are that their files do not place: ``sites.csv`` beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from downscaler.errors import StationError
from downscaler.sources.insitu.delimited import degrees_of, number_of, read_table

SITES = "sites.csv"
_FROM_THE_SUN = 4.0  # hours that a clock may be from the sun; the west of China has 3.2
SITES_COLUMNS = "site,lat,lon,utc_offset,variable,depth (m; hours ahead of UTC)"


@dataclass(frozen=True, kw_only=True)
class Site:
    """What ``sites.csv`` tells of a station: degrees, hours ahead of UTC, and depths (m) of its variables."""

    lat: float
    lon: float
    utc_offset: float | None = None
    network: str | None = None
    depths: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def site_of(path: Path, site: str) -> Site:
    """What ``sites.csv`` beside a file, or in a folder up to three above, tells of a station.

    Its columns are site, lat and lon; utc_offset (hours), network, variable, depth (m, or depth_from and depth_to)
    where needed, with a line for each variable. Raises StationError where there is no such file or line.
    """
    found = next((file for folder in path.resolve().parents[:4] if (file := _sites_in(folder)) is not None), None)
    known = _sites(found, found.stat().st_mtime_ns) if found is not None else {}
    if site not in known:
        raise StationError(
            f"{path.name} does not say where its station is, and no {SITES} does",
            value=site,
            allowed=f"a file {SITES} beside it: {SITES_COLUMNS}",
            remedy=f"Write {SITES} with a line for {site}.",
        )
    return known[site]


def _sites_in(folder: Path) -> Path | None:
    """The file of sites in a folder, however its name's letters are written."""
    return next((file for file in sorted(folder.glob("*.[cC][sS][vV]")) if file.name.lower() == SITES), None)


@lru_cache(maxsize=16)
def _sites(path: Path, _changed: int) -> dict[str, Site]:
    sites: dict[str, Site] = {}
    table = read_table(path)
    lacking = [name for name in ("site", "lat", "lon") if name not in table.columns]
    if lacking:
        raise StationError(
            f"{path} has no column {', '.join(lacking)}", value=", ".join(table.columns), allowed=SITES_COLUMNS
        )
    for row in table.rows():
        lat, lon = (degrees_of(row.get(name, "")) for name in ("lat", "lon"))
        if lat is None or lon is None or not (abs(lat) <= 90 and abs(lon) <= 180):
            raise StationError(f"A line of {path} has no place", value=dict(row), allowed="lat and lon in degrees")
        known = sites.get(row["site"], Site(lat=lat, lon=lon))
        if (lat, lon) != (known.lat, known.lon):
            raise _torn(path, row["site"], f"{known.lat:g}, {known.lon:g} and {lat:g}, {lon:g}")
        depth = depth_of(row)
        named = {row["variable"].lower(): depth} if row.get("variable") and depth else {}
        number = number_of(row.get("utc_offset", ""))
        offset = _offset(number, path, row, lon) if number is not None else None
        if None not in (offset, known.utc_offset) and offset != known.utc_offset:
            raise _torn(path, row["site"], f"utc_offset {known.utc_offset:g} and {offset:g}")
        sites[row["site"]] = Site(
            lat=lat,
            lon=lon,
            utc_offset=known.utc_offset if offset is None else offset,
            network=row.get("network") or known.network,
            depths={**known.depths, **named},
        )
    return sites


def _torn(path: Path, site: str, told: str) -> StationError:
    return StationError(f"Lines of {path} contradict each other", value=f"{site}: {told}", allowed="one place a site")


def _offset(hours: float, path: Path, row: Mapping[str, str], lon: float) -> float | None:
    if np.isnan(hours):
        return None
    if not -14 <= hours <= 14:
        raise StationError(f"A line of {path} has no utc_offset", value=dict(row), allowed="-14 to 14 hours")
    check_offset(hours, lon, path)
    return hours


def check_offset(hours: float, lon: float, path: Path) -> None:
    """Raise StationError where no clock at a longitude is so far from UTC, as with another sign; 0 is UTC itself."""
    if hours and abs((hours - lon / 15.0 + 12.0) % 24.0 - 12.0) > _FROM_THE_SUN:
        raise StationError(
            f"The time zone that {path.name} tells is not that of its place",
            value=f"{hours:+g} hours at longitude {lon:g}",
            allowed="hours ahead of UTC, such as -6 at longitude -97",
        )


def local_offset(site: Site, name: str, path: Path) -> float:
    """Hours that a station's local standard time is ahead of UTC; raises StationError where they are not told."""
    if site.utc_offset is None:
        raise StationError(
            f"{path.name} is in local time, and sites.csv tells no utc_offset of {name}",
            allowed="utc_offset in hours, such as -6 for Central Standard Time",
        )
    return site.utc_offset


def depth_of(row: Mapping[str, str]) -> tuple[float, float] | None:
    """Depths from and to in m, from columns depth (m), depth_cm, or depth_from and depth_to; None without any."""
    if row.get("depth_from") and row.get("depth_to"):
        found = [number_of(row["depth_from"]), number_of(row["depth_to"])]
    elif row.get("depth_cm"):
        centimetres = number_of(row["depth_cm"])
        found = [None if centimetres is None else centimetres / 100.0] * 2
    else:
        found = [number_of(row.get("depth") or row.get("depth_m") or "")] * 2
    first, last = found
    return (first, last) if first is not None and last is not None and 0 <= first <= last < 100 else None
