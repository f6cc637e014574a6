"""Readings of the simulated networks: each sensor has a gain, an offset and a noise of its own."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from downscaler.simulation.files.stations import Series, Station, write_archive
from downscaler.simulation.noise import Stream
from downscaler.simulation.pieces import Site
from downscaler.simulation.scene import COVER_NAMES
from downscaler.simulation.weather import STEPS

_SENSORS = ((0.05, "Simulated-Probe-05"), (0.2, "Simulated-Probe-20"))
_HOURS = 24 // STEPS


def write_readings(
    folder: Path, sites: Sequence[Site], truth: NDArray[np.float64], start: dt.date, seed: int
) -> Path | None:
    """Writes the archive of all stations; some readings are spikes and are flagged so. None where there is no station.

    Args:
        folder: where to.
        sites: the stations.
        truth: soil moisture of the two layers at the end of each step [readings, 2, sites], m3 m-3.
        start: day of the first reading.
        seed: of the sensors' errors.
    """
    if not sites:
        return None
    random = Stream(seed=seed, name="stations").generator()
    stations = _stations(sites, random)
    shape = (len(_SENSORS), len(stations))
    gain, offset = random.normal(1.0, 0.12, shape), random.normal(0.0, 0.02, shape)
    read = [np.clip(offset + gain * true + random.normal(0.0, 0.006, shape), 0.01, 0.6) for true in truth]
    readings = np.stack(read)
    spikes = random.random(readings.shape) < 0.01
    readings = np.where(spikes, np.clip(readings * 2.0, 0.0, 0.95), readings)
    times = np.datetime64(start, "h") + np.arange(1, len(readings) + 1) * np.timedelta64(_HOURS, "h")
    series = [
        Series(
            station=station,
            depth=depth,
            sensor=sensor,
            times=times,
            values=readings[:, level, number],
            flags=["D06" if spike else "G" for spike in spikes[:, level, number]],
        )
        for number, station in enumerate(stations)
        for level, (depth, sensor) in enumerate(_SENSORS)
    ]
    first, last = (str(t)[:10].replace("-", "") for t in times[[0, -1]])
    path = folder / f"Data_simulated_sample_{first}_{last}.zip"
    write_archive(path, series)
    return path


def _stations(sites: Sequence[Site], random: np.random.Generator) -> list[Station]:
    """Stations with names and coordinates; those that were chosen by chance stand off the cell's centre."""
    counts: Counter[str] = Counter()
    made = []
    for site in sites:
        counts[site.network] += 1
        north, east = (0.0, 0.0) if site.placed else (random.uniform(-0.004, 0.004), random.uniform(-0.004, 0.004))
        made.append(
            Station(
                network=site.network,
                name=site.name or f"Site-{counts[site.network]:03d}",
                latitude=site.latitude + north,
                longitude=site.longitude + east,
                elevation=site.elevation,
                land_cover=COVER_NAMES[site.land_cover],
                saturation=site.saturation,
                clay=site.clay,
                sand=site.sand,
            )
        )
    return made
