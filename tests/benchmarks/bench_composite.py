"""How long a composite takes beside reading its days, and how the errors of a catalogue's days correlate in time.

``python -m tests.benchmarks.bench_composite time [SIDE]`` makes seven days of SIDE x SIDE M36 cells in a temporary
catalogue, with ``conus`` for SIDE of all CONUS; ``... memory CATALOG TRUTH DOMAIN`` compares published days with a
simulated truth (``vadose demo`` makes one).
"""

from __future__ import annotations

import datetime as dt
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import xarray as xr

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))

from publishing import publish_day

from catalog.items.assets import FileFacts
from catalog.naming import DayName
from catalog.reading.days import items
from catalog.reading.rasters import read_rasters
from catalog.reading.stack import open_stack, source_of, stacked_days, windows
from catalog.store.base import open_store
from downscaler import product
from downscaler.derived.composite import error_autocorrelation
from downscaler.ground.grid import Domain, Span, Window
from flows.derived.composites import READ, CompositeJob
from flows.derived.make import make_item

MONDAY = dt.date(2024, 5, 20)


def measure(side: str) -> None:
    """CPU seconds of reading a week, of reading and composing it, and of the whole with its files."""
    window = product.CONUS.m36
    if side != "conus":
        window = Window(rows=Span(start=100, stop=100 + int(side)), columns=Span(start=200, stop=200 + int(side)))
    domain = Domain(name="bench", title="Bench", m36=window)
    product.DOMAINS[domain.name] = domain
    with tempfile.TemporaryDirectory() as folder:
        dates = [MONDAY + dt.timedelta(days=n) for n in range(7)]
        for date in dates:
            publish_day(Path(folder), date, domain)
        days = stacked_days(folder, source_of(folder, domain), dates, READ)
        with open_stack(open_store(folder), domain, days, READ) as read:
            began = time.process_time()
            for part in windows(domain):
                read(part)
            reading = time.process_time() - began
        job = CompositeJob(catalog=folder, domain=domain.name, length="weekly")
        began = time.process_time()
        for _ in job.tiles(days, domain, MONDAY):
            pass
        composing = time.process_time() - began
        began = time.process_time()
        make_item(MONDAY, job)
        whole = time.process_time() - began
        size = sum(FileFacts.of(path).size for path in Path(folder).rglob("*.tif")) / 1e6
    pixels = domain.shape().y * domain.shape().x / 1e6
    print(f"{pixels:.2f} million pixels, {size:.0f} MB; CPU seconds: reading {reading:.2f}")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"with composing {composing:.2f} ({composing / reading:.2f} x), published {whole:.2f}; {most:.2f} GB")


def memory(catalog: str, truth: str, domain_name: str) -> None:
    """Autocorrelation of (value - truth) / uncertainty by lag, of each kind of day there is."""
    ground = product.domain(domain_name)
    with xr.open_dataset(truth) as file:
        known = file["soil_moisture"].load()
    for domain in (ground, product.analysis_of(ground)):
        dates = [DayName.of_item(item).date for item in items(catalog, domain)]
        if not dates:
            continue
        shape = (domain.shape().y, domain.shape().x)
        errors = np.full(((max(dates) - min(dates)).days + 1, *shape), np.nan)
        for date in dates:
            day = read_rasters(catalog, domain, date, ("soil_moisture", "uncertainty"))
            error = day["soil_moisture"] - known.sel(time=str(date)).values.squeeze()
            errors[(date - min(dates)).days] = error / day["uncertainty"]
        found = error_autocorrelation(errors, min(10, len(errors) - 1))
        print(domain.name, len(dates), "days:", " ".join(f"{value:.2f}" for value in found))


if __name__ == "__main__":
    if sys.argv[1:2] == ["memory"]:
        memory(*sys.argv[2:5])
    else:
        measure(sys.argv[2] if sys.argv[2:] else "16")
