"""What a day beyond the prior's record costs with a weather store and without one, in all and by tile.

``python -m tests.benchmarks.conus_weather PRIOR MODEL [--domain NAME]`` makes a store of 62 days for the domain, the
prior's own weather moved in date, or uses one that an earlier call made (``--weather FOLDER``). Then it makes one day,
all cells seen, three ways: without weather (the trees of the climatology), with the store, and on the prior's last own
day (the same trees as with the store). Prints CPU seconds as JSON, of the pixels by tile (nine of them) and of the day
published, the least of ``--tries``; ``PRIOR`` is of ``mirror``.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import netCDF4
import numpy as np

from catalog.publish.day import publish
from downscaler.ground.blocks import Floats
from downscaler.ground.coarse_day import CoarseDay
from downscaler.ground.grid import M01, Domain, LonLat
from downscaler.ground.prior import Prior
from downscaler.method.forcing import RAIN, WARMTH
from downscaler.method.hybrid import Model
from downscaler.method.tile.predict import predict
from downscaler.method.tile.weather import DaysOfWeather
from downscaler.product import QUALITY_FLAG, Flag
from downscaler.sources.weather import open_weather_source
from downscaler.stores.model import load_model
from downscaler.stores.prior import kept, open_prior
from downscaler.stores.weather import add_days, build_weather, open_weather
from tests.benchmarks.conus import a_day
from tests.benchmarks.mirror import PARTS

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))
from big_catalog import run_record

BEYOND, HELD = 100, 62  # days after the prior's last one, and days of weather up to then
STEP = 0.125  # degrees, as NLDAS-2
ACROSS, LATER = 6.0, 3  # degrees, days


def store(
    folder: Path, prior: Prior, domain: Domain, last: dt.date, told: dict[str, Any], *, count: int = HELD
) -> Path:
    """A store of ``count`` days up to ``last``: the prior's own, moved in date, in cells of ``STEP`` degrees.

    Weather comes ``LATER`` days later every ``ACROSS`` degrees to the east: a mirrored basin is dry everywhere at once,
    and no source's day is taken that has no rain on a continent. Tells what the last day cost, and its bytes.
    """
    west, south, east, north = _box(domain)
    axes = {"lat": np.arange(south, north, STEP), "lon": np.arange(west, east, STEP)}
    late = np.floor((axes["lon"] - axes["lon"][0]) / ACROSS).astype(int) * LATER
    taken = (np.arange(count)[:, None] - count - late) % len(prior.data["time"])  # a short record repeats
    with netCDF4.Dataset(folder / "days.nc", "w") as data:
        for name, values in axes.items():
            data.createDimension(name, values.size)
            data.createVariable(name, "f8", (name,))[:] = values
        data.createDimension("time", count)
        when = data.createVariable("time", "f8", ("time",))
        when.units = f"days since {last - dt.timedelta(days=count - 1)}"
        when[:] = np.arange(count)
        for name, units, field in (("pr", "mm day-1", RAIN), ("tas", "K", WARMTH)):
            variable = data.createVariable(name, "f4", ("time", "lat", "lon"))
            variable.units = units
            held = _sampled(prior, domain, field, axes["lat"], axes["lon"])
            for column, days in enumerate(taken.T):
                variable[:, :, column] = held[days, :, column]
    path = folder / "weather"
    build_weather(path, domain)
    source = open_weather_source("netcdf", folder / "days.nc")
    begun = time.process_time()
    add_days(path, source, source.days[:-1], said=_refused)
    told["all days but one"] = {"cpu": round(time.process_time() - begun, 3), "days": count - 1}
    begun, size = time.process_time(), _bytes(path)
    add_days(path, source, source.days[-1:], said=_refused)
    told["extended by a day"] = {"cpu": round(time.process_time() - begun, 3), "bytes": _bytes(path) - size}
    source.close()
    return path


def _refused(day: dt.date, why: str) -> None:
    raise SystemExit(f"{day}: {why}")


def _sampled(prior: Prior, domain: Domain, name: str, lat: Floats, lon: Floats) -> Floats:
    """A prior's daily field at points [t, lat, lon]: the value of the cell around each, a day's mean where none is."""
    window = domain.window(M01)
    places = [M01.cell_at(LonLat(lon=lon[0], lat=each)).y for each in lat]
    rows = np.clip(places, window.rows.start, window.rows.stop - 1) - window.rows.start
    places = [M01.cell_at(LonLat(lon=each, lat=lat[0])).x for each in lon]
    columns = np.clip(places, window.columns.start, window.columns.stop - 1) - window.columns.start
    found = np.full((len(prior.data["time"]), lat.size, lon.size), np.nan)
    for span in domain.blocks():
        high = np.flatnonzero((rows >= span.rows.start) & (rows < span.rows.stop))
        wide = np.flatnonzero((columns >= span.columns.start) & (columns < span.columns.stop))
        held = prior.window(domain, span, (name,))[name].values
        found[np.ix_(np.arange(len(found)), high, wide)] = held[
            :, rows[high, None] - span.rows.start, columns[None, wide] - span.columns.start
        ]
    mean = np.nanmean(found, axis=(1, 2), keepdims=True)
    return np.where(np.isfinite(found), found, mean)


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _box(domain: Domain) -> tuple[float, float, float, float]:
    """The domain's bounds in degrees, widened by one."""
    west, south, east, north = domain.geobox().extent.to_crs("EPSG:4326").boundingbox.bbox
    return west - 1, south - 1, east + 1, north + 1


def by_tile(made: Callable[[], Any]) -> tuple[float, list[float], bool]:
    """CPU seconds of a day until its first tile is asked for and of each tile, and whether weather was used."""
    begun, spent, told = time.process_time(), [], True
    tiles = iter(made())
    before = time.process_time()
    for tile in tiles:
        now = time.process_time()
        spent.append(now - before)
        before = now
        flags = tile.fields[QUALITY_FLAG.name]
        told &= not (flags & Flag.WITHOUT_WEATHER).any()
    return time.process_time() - begun, spent, told


def measure(prior: Prior, model: Model, domain: Domain, folder: Path, tries: int) -> dict[str, Any]:
    """CPU seconds of the three ways, the least of some tries in turn; land was kept before."""
    found: dict[str, Any] = {}
    own = a_day(prior, domain, 1.0)
    late = replace(own, date=own.date + dt.timedelta(days=BEYOND))
    path = folder / "weather"
    if not path.is_dir():
        path = store(folder, prior, domain, late.date, found)

    def days(day: CoarseDay, weather: Callable[[], DaysOfWeather | None]) -> Callable[[], Any]:
        return lambda: predict(model, prior, day, weather=weather(), keeping=kept.keeping(prior, domain))

    ways = {
        "without": days(late, lambda: None),
        "with": days(late, lambda: open_weather(path).upto(late.date)),
        "own": days(own, lambda: None),
    }
    by_tile(ways["without"])  # fills what is kept of the land
    for _ in range(tries):
        for name, way in ways.items():
            kept._keeping.cache_clear()  # the weather is read again, as on another day
            total, tiles, used = by_tile(way)
            assert used == (name != "without")
            if total < found.get(name, {"cpu": np.inf})["cpu"]:
                found[name] = {"cpu": round(total, 3), "tiles": [round(each, 3) for each in tiles[:9]]}
    for name in ["without", "with"] * tries:
        kept._keeping.cache_clear()
        begun = time.process_time()
        with TemporaryDirectory(dir=folder) as catalog:
            publish(catalog, run_record(domain, late.date), domain, ways[name]())
        spent = round(time.process_time() - begun, 3)
        found[name]["published"] = min(spent, found[name].get("published", spent))
    begun = time.process_time()
    open_weather(path).upto(late.date)
    found["opening"] = round(time.process_time() - begun, 3)
    for name in ("without", "own"):
        found[f"with / {name}"] = round(found["with"]["cpu"] / found[name]["cpu"], 3)
    found["published, with / without"] = round(found["with"]["published"] / found["without"]["published"], 3)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prior", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--domain", choices=PARTS, help="a part of the prior; unset, all of it")
    parser.add_argument("--tries", type=int, default=1)
    parser.add_argument("--weather", type=Path, help="folder for the store; one that is there is used")
    given = parser.parse_args()
    prior = open_prior(given.prior)
    domain = PARTS[given.domain] if given.domain else prior.domain
    with TemporaryDirectory() as scratch:
        folder = given.weather or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        found = measure(prior, load_model(given.model), domain, folder, given.tries)
    print(json.dumps({"domain": domain.name, **found}, indent=1))


if __name__ == "__main__":
    main()
