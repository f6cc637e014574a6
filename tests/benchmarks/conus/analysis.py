"""What an analysed day of a continent costs beside a SMAP-conserving one: CPU seconds and peak memory.

``python -m tests.benchmarks.conus.analysis PRIOR MODEL --weather FOLDER [--domain NAME] [--threads N]`` publishes one
day beyond the record both ways, every cell with a value, weather from a store of ``HELD`` days (made, or one that an
earlier call made), SMAP's passes of the 29 days before in tilted swaths on two days of five. ``PRIOR`` is of
``mirror`` with at least 60 days, so that its cells have a response. As in a daily run land and levels are kept, and so
is the coarse weather of all days but the last; ``coarse, first day`` is the analysis' coarse part where none is. Both
products are made as by a process that makes only that one; ``analysis after the conserving day`` finds the trees'
weather of the day, as where one run makes both. Reading of granules is left out.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from catalog.publish.day import publish
from downscaler.day import analysis
from downscaler.day.downscale import tiles
from downscaler.day.inputs import Inputs
from downscaler.ground.coarse_day import CoarseDay
from downscaler.ground.grid import Domain
from downscaler.ground.prior import Prior
from downscaler.method.coarse.analysis import WINDOW
from downscaler.method.hybrid import Model
from downscaler.method.tile import levels
from downscaler.product import analysis_of
from downscaler.stores.model import load_model
from downscaler.stores.prior import kept, open_prior
from downscaler.stores.weather import Weather, open_weather
from tests.benchmarks.conus.day import a_day, counted, cpu, peak
from tests.benchmarks.conus.mirror import PARTS
from tests.benchmarks.conus.weather import store

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "helpers"))
from big_catalog import run_record

BEYOND, HELD = 160, 92  # days after the prior's last one, and days of weather up to then
_SWATH, _TILT = 40, 3  # SMAP cells across, and rows in which a swath shifts by one
_ERROR = 0.03  # m3 m-3


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What all days are made of."""

    prior: Prior
    model: Model
    domain: Domain
    weather: Weather
    own: CoarseDay
    scratch: Path
    threads: int

    def seen(self, date: dt.date, *, whole: bool) -> CoarseDay:
        """What SMAP sees of a day: all, or its swaths."""
        data = self.own.data.copy(deep=True)
        values = data["soil_moisture"].values
        noise = np.random.default_rng(date.toordinal()).normal(0.0, _ERROR, values.shape)
        row, column = np.indices(values.shape)
        swath = whole | np.isin((date.toordinal() + (column + row // _TILT) // _SWATH) % 5, (0, 2))
        values[:] = np.where(swath, np.clip(values + noise, 0.02, 0.6), np.nan)
        data["recommended"].values[:] &= np.isfinite(values)
        data["observation_time"].values[:] = np.datetime64(date) + np.timedelta64(12 * 3600, "s")
        return replace(self.own, date=date, data=data)

    def coarse(self, date: dt.date, before: list[CoarseDay]) -> CoarseDay:
        """The analysis' coarse field, as a new process makes it."""
        levels._levels_of.cache_clear()
        domain = analysis_of(self.domain)
        inputs = Inputs(domain=domain, records=(), prior=self.prior, model=self.model)
        today = replace(self.seen(date, whole=True), domain=domain)
        weather, keeping = self.weather.upto(date), kept.keeping(self.prior, domain)
        return analysis.analyse_day(date, today, before, inputs, weather=weather, keeping=keeping).day

    def published(self, day: CoarseDay) -> int:
        """Publish a day; the number of its cells with a value."""
        counts: list[int] = []
        keep, weather = kept.keeping(self.prior, day.domain), self.weather.upto(day.date)
        with TemporaryDirectory(dir=self.scratch) as folder:
            made = tiles(day, self.prior, self.model, weather=weather, keeping=keep, threads=self.threads)
            publish(folder, run_record(day.domain, day.date), day.domain, counted(made, counts))
        return sum(counts)


def measure(bench: Bench, last: dt.date, *, first: bool) -> dict[str, Any]:
    """CPU seconds of each way; with ``first`` those of a domain's first day too."""
    found: dict[str, Any] = {}

    def timed(name: str, work: Callable[[], Any], *, new: bool = True) -> Any:
        if new:
            kept._keeping.cache_clear()  # the day's weather is read again, as by another process
        begun, wall = cpu(), time.perf_counter()
        made = work()
        found[name] = {"cpu": round(cpu() - begun, 2), "wall": round(time.perf_counter() - wall, 2), "peak": peak()}
        print(json.dumps({name: found[name]}), flush=True)
        return made

    def window(date: dt.date) -> list[CoarseDay]:
        domain = analysis_of(bench.domain)
        days = (date - dt.timedelta(days=age) for age in range(WINDOW - 1, 0, -1))
        return [replace(bench.seen(day, whole=False), domain=domain) for day in days]

    conserving, before = bench.seen(last, whole=True), window(last)
    shelf = kept.keeping(bench.prior, bench.domain).coarse
    assert isinstance(shelf, kept.KeptDays)
    if first:
        timed("land, first day", lambda: bench.published(conserving))
        shutil.rmtree(shelf.folder, ignore_errors=True)
        eve = last - dt.timedelta(days=1)
        timed("coarse, first day", lambda: bench.coarse(eve, window(eve)))
    for file in shelf.folder.glob(f"*-{last}-*"):
        file.unlink()
    found["cells"] = timed("conserving day", lambda: bench.published(conserving))
    day = timed("coarse", lambda: bench.coarse(last, before))
    found["cells of the analysis"] = timed("pixels of the analysis", lambda: bench.published(day))
    timed("conserving day again", lambda: bench.published(conserving))
    timed("pixels after the conserving day", lambda: bench.published(day), new=False)
    least = min(found[name]["cpu"] for name in ("conserving day", "conserving day again"))
    for name in ("pixels of the analysis", "pixels after the conserving day"):
        found[f"coarse and {name} / conserving"] = round((found["coarse"]["cpu"] + found[name]["cpu"]) / least, 3)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prior", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--weather", type=Path, required=True, help="folder for the store; one that is there is used")
    parser.add_argument("--domain", choices=PARTS, help="a part of the prior; unset, all of it")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--kept", action="store_true", help="an earlier call has kept land and coarse weather")
    given = parser.parse_args()
    prior = open_prior(given.prior)
    domain = PARTS[given.domain] if given.domain else prior.domain
    own = a_day(prior, domain, 1.0)
    last = own.date + dt.timedelta(days=BEYOND)
    given.weather.mkdir(parents=True, exist_ok=True)
    path = given.weather / "weather"
    if not path.is_dir():
        store(given.weather, prior, domain, last, {}, count=HELD)
    bench = Bench(
        prior=prior,
        model=load_model(given.model),
        domain=domain,
        weather=open_weather(path),
        own=own,
        scratch=given.weather,
        threads=given.threads,
    )
    print(json.dumps({"domain": domain.name, **measure(bench, last, first=not given.kept)}, indent=1))


if __name__ == "__main__":
    main()
