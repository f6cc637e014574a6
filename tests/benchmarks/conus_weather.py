"""What a day beyond the prior's record costs with a weather store and without one, in all and by tile.

``python -m tests.benchmarks.conus_weather PRIOR MODEL [--domain NAME]`` makes a store of 62 days for the domain, or
uses one that an earlier call made (``--weather FOLDER``), then one day, all cells seen, three ways: without weather
(the trees of the climatology), with the store, and on the prior's last own day (the same trees as with the store).
Prints CPU seconds as JSON, of the pixels by tile (nine of them) and of the day published, the least of ``--tries``;
``PRIOR`` is of ``mirror``.
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
from downscaler.ground.coarse_day import CoarseDay
from downscaler.ground.grid import Domain
from downscaler.ground.prior import Prior
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
MADE = 3
STEP = 0.125  # degrees, as NLDAS-2


def store(folder: Path, domain: Domain, last: dt.date, told: dict[str, Any], *, held: int = HELD) -> Path:
    """A store of ``held`` days of made-up weather up to ``last``; tells what the last of them cost, and its bytes.

    The first and the last ``MADE`` are made; those between are records of the first ones' numbers.
    """
    rng, (west, south, east, north) = np.random.default_rng(0), _box(domain)
    axes = {"lat": np.arange(south, north, STEP), "lon": np.arange(west, east, STEP)}
    with netCDF4.Dataset(folder / "days.nc", "w") as data:
        for name, values in axes.items():
            data.createDimension(name, values.size)
            data.createVariable(name, "f8", (name,))[:] = values
        data.createDimension("time", held)
        when = data.createVariable("time", "f8", ("time",))
        when.units = f"days since {last - dt.timedelta(days=held - 1)}"
        when[:] = np.arange(held)
        shape = (held, axes["lat"].size, axes["lon"].size)
        wet = rng.random(shape) < 0.3
        for name, units, fields in (("pr", "mm day-1", wet * rng.exponential(6.0, shape)), ("tas", "K", 285.0)):
            variable = data.createVariable(name, "f4", ("time", "lat", "lon"))
            variable.units = units
            variable[:] = fields
    path = folder / "weather"
    build_weather(path, domain)
    source = open_weather_source("netcdf", folder / "days.nc")
    made = add_days(path, source, source.days[:MADE])
    for number, day in enumerate(source.days[MADE:-MADE]):
        again = replace(made[number % MADE], date=day)
        (path / "days" / again.name).write_text(again.text())
    add_days(path, source, source.days[-MADE:-1])
    begun, size = time.process_time(), _bytes(path)
    add_days(path, source, source.days[-1:])
    told["extended by a day"] = {"cpu": round(time.process_time() - begun, 3), "bytes": _bytes(path) - size}
    source.close()
    return path


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
        path = store(folder, domain, late.date, found)

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
