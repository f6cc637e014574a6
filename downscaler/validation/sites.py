"""Sites: product cells that hold stations, and their readings around each of SMAP's observations."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from downscaler.ground.cells import Indices, cells_of
from downscaler.ground.grid import Domain, EaseGrid
from downscaler.sources.insitu.series import Sensor, Series

Floats = NDArray[np.float64]
DEEPEST = 0.10  # m, the deepest end of a sensor that counts
WINDOW_HOURS = 3.0  # around SMAP's observation
_MINUTE = np.timedelta64(60, "s")


@dataclass(frozen=True, kw_only=True)
class Site:
    """One product cell with the sensors that count for it: the shallowest of each of its stations.

    ``networks`` and ``stations`` are joined by ``+`` where several stand in the cell; ``row`` and ``column`` count from
    the domain's upper left corner; ``neighbours`` are the stations in its SMAP cell, its own among them.
    """

    network: str
    station: str
    row: int
    column: int
    lat: float
    lon: float
    sensors: tuple[Sensor, ...]
    neighbours: int = 1

    @property
    def name(self) -> str:
        """Network and station."""
        return f"{self.network} {self.station}"

    def told(self, name: str) -> object:
        """What the first sensor that tells it tells of the ground: ``land_cover``, ``clay`` or ``sand``."""
        return next((value for s in self.sensors if (value := getattr(s, name)) is not None), None)


def sites_of(sensors: Iterable[Sensor], domain: Domain, coarse: EaseGrid) -> list[Site]:
    """Sites of all sensors inside a domain, ordered by row and column.

    Of each station only the sensors at its least depth count; stations in one product cell are one site.

    Args:
        sensors: of any number of networks.
        domain: of the product.
        coarse: SMAP's grid, for the number of stations in its cells.
    """
    shallow: dict[tuple[str, str], list[Sensor]] = {}
    for sensor in sensors:
        held = shallow.setdefault((sensor.network, sensor.station), [])
        if not held or sensor.depth_to < held[0].depth_to:
            held[:] = [sensor]
        elif sensor.depth_to == held[0].depth_to and sensor not in held:
            held.append(sensor)
    stations = list(shallow.values())
    lon, lat = ([held[0].lon for held in stations], [held[0].lat for held in stations])
    rows, columns, inside = cells_of(domain, lon, lat)
    coarse_rows, coarse_columns, _ = cells_of(domain, lon, lat, coarse)
    crowd = pd.Series(list(zip(coarse_rows, coarse_columns, strict=True)))[inside].value_counts()
    cells: dict[tuple[int, int], list[int]] = {}
    for number in np.flatnonzero(inside):
        cells.setdefault((int(rows[number]), int(columns[number])), []).append(int(number))
    made = []
    for (row, column), numbers in sorted(cells.items()):
        members = [stations[number] for number in numbers]
        first = numbers[0]
        made.append(
            Site(
                network="+".join(dict.fromkeys(held[0].network for held in members)),
                station="+".join(held[0].station for held in members),
                row=row,
                column=column,
                lat=float(np.mean([held[0].lat for held in members])),
                lon=float(np.mean([held[0].lon for held in members])),
                sensors=tuple(sensor for held in members for sensor in held),
                neighbours=int(crowd[(coarse_rows[first], coarse_columns[first])]),
            )
        )
    return made


def cells(sites: Sequence[Site]) -> tuple[Indices, Indices]:
    """Rows and columns of sites [sites]."""
    return np.array([s.row for s in sites], dtype=np.intp), np.array([s.column for s in sites], dtype=np.intp)


@dataclass
class Gathered:
    """Station values on the product's days, summed up sensor by sensor so that readings need not be held.

    Args:
        sites: rows of the table.
        dates: its columns.
        observed: minutes from 00:00 UTC of the day to SMAP's observation [days, sites], NaN where there is none.
        window: half the window around the observation, h; of daily means that of the observation's local day counts.
    """

    sites: Sequence[Site]
    dates: Sequence[dt.date]
    observed: Floats
    window: float = WINDOW_HOURS
    _total: Floats = field(init=False)
    _count: Floats = field(init=False)
    _site: Mapping[tuple[object, ...], int] = field(init=False)
    _share: Mapping[tuple[object, ...], float] = field(init=False)

    def __post_init__(self) -> None:
        shape = (len(self.sites), len(self.dates))
        self._total, self._count = np.zeros(shape), np.zeros(shape)
        self._site = {_key(sensor): number for number, site in enumerate(self.sites) for sensor in site.sensors}
        told = Counter((s.network, s.station) for site in self.sites for s in site.sensors)
        # a station counts once, whatever the number of its sensors
        self._share = {_key(s): 1.0 / told[s.network, s.station] for site in self.sites for s in site.sensors}

    def add(self, series: Series) -> bool:
        """Count a sensor's good readings; False where the sensor is of no site (too deep, or outside)."""
        site = self._site.get(_key(series.sensor))
        if site is None:
            return False
        time, value = series.time[series.good], series.value[series.good]
        days = np.array(self.dates, dtype="datetime64[D]")
        minutes = self.observed[:, site]
        seen = np.isfinite(minutes)
        if series.daily:
            # 18:00 in CONUS is often the next day in UTC, and a network's day is local
            local = np.floor((np.where(seen, minutes, 720.0) / 60 + series.sensor.lon / 15) / 24).astype(int)
            wanted = days + np.where(seen, local, 0)
            low, high = (np.searchsorted(time.astype("datetime64[D]"), wanted, side=side) for side in ("left", "right"))
        else:
            half = np.timedelta64(round(self.window * 3600), "s")
            centre = days.astype("datetime64[s]") + np.where(seen, minutes, 0).astype(int) * _MINUTE
            low = np.searchsorted(time, centre - half, side="left")
            high = np.where(seen, np.searchsorted(time, centre + half, side="right"), low)
        mean = _means(value, low, high)
        known, share = np.isfinite(mean), self._share[_key(series.sensor)]
        self._total[site, known] += share * mean[known]
        self._count[site, known] += share
        return True

    def values(self) -> Floats:
        """Mean over the stations of each site [sites, days], m3 m-3, NaN without a good reading."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.where(self._count > 0, self._total / self._count, np.nan))


def _key(sensor: Sensor) -> tuple[object, ...]:
    """What a sensor is known by: a table of readings does not tell land cover and texture."""
    place = (round(sensor.lat, 6), round(sensor.lon, 6))
    return (sensor.network, sensor.station, sensor.name, sensor.depth_from, sensor.depth_to, *place)


def _means(value: Floats, low: Indices, high: Indices) -> Floats:
    """Means of value[low:high] for many pairs at once; NaN where the slice is empty."""
    total = np.concatenate([[0.0], np.cumsum(value)])
    count = high - low
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(count > 0, (total[high] - total[low]) / count, np.nan))
