"""The counties of CONUS: weights once, a day's statistics, and a zone's ten-year series.

``python -m tests.benchmarks.bench_zones`` prints CPU seconds and the most memory held. ``... publish CATALOG`` makes a
CONUS day of noise, and ``... day CATALOG`` then the series of all counties from it, files and all.
"""

from __future__ import annotations

import datetime as dt
import resource
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))

from publishing import publish_day

from downscaler import product
from downscaler.derived.zones import SpatialErrors, zone_statistics, zone_weights
from downscaler.sources.us_places import us_layer
from downscaler.sources.zones import Layer
from downscaler.stores.zones import SCHEMA, YearOfZones, read_zone, write_year, year_file
from flows.derived.zones import make_zones

OUTSIDE = ("02", "15", "60", "66", "69", "72", "78")  # FIPS codes of states and territories beyond CONUS


def counties() -> Layer:
    """Those that the extra `places` brings."""
    layer = us_layer("counties")
    return replace(layer, zones=tuple(zone for zone in layer.zones if zone.id[:2] not in OUTSIDE))


def series(folder: Path, layer: Layer) -> float:
    """Seconds to read one zone's ten years; one year is written, and stands for the others."""
    dates = [dt.date(2015, 1, 1) + dt.timedelta(days=n) for n in range(365)]
    number = len(layer.zones)
    columns = {
        "zone": [zone.id for zone in layer.zones] * 365,
        "name": [zone.name for zone in layer.zones] * 365,
        "date": np.repeat(np.array(dates, "datetime64[D]"), number),
    }
    noise = np.random.default_rng(0).random(number * 365).astype(np.float32)
    table = pa.table({n: pa.array(columns.get(n, noise), SCHEMA.field(n).type) for n in SCHEMA.names}, schema=SCHEMA)
    first = year_file(folder, "counties", 2015)
    write_year(first, [table], YearOfZones())
    for year in range(2016, 2025):
        shutil.copy(first, year_file(folder, "counties", year))
    began = time.process_time()
    assert read_zone(folder, "counties", "40015").num_rows == 3650
    return time.process_time() - began


def published(what: str, catalog: Path) -> None:
    """Publish a day, or make its series in a process of its own: seconds, CPU seconds and memory."""
    date, domain = dt.date(2024, 5, 20), product.analysis_of(product.CONUS)
    if what == "publish":
        publish_day(catalog, date, domain)
        return
    wall, began = time.monotonic(), time.process_time()
    done = make_zones(str(catalog), domain, counties(), catalog.parent / "zones", [date])
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{done.zones} counties of a published day: {time.monotonic() - wall:.1f} s, "
          f"{time.process_time() - began:.1f} CPU s, {most:.2f} GB")  # fmt: skip


def main() -> None:
    """Measure and print."""
    layer, shape = counties(), product.CONUS.shape()
    began = time.process_time()
    weights = zone_weights([zone.geometry for zone in layer.zones], product.CONUS)
    print(f"weights of {len(layer.zones)} polygons, {weights.matrix.nnz / 1e6:.1f} million cells: "
          f"{time.process_time() - began:.1f} CPU s", flush=True)  # fmt: skip
    theta = np.random.default_rng(0).uniform(0.1, 0.4, (shape.y, shape.x)).astype(np.float32)
    common, reach = product.ERROR_SPACE
    began = time.process_time()
    zone_statistics(weights, theta, np.full_like(theta, 0.04), SpatialErrors(common=common, reach=reach))
    print(f"a day's statistics: {time.process_time() - began:.1f} CPU s", flush=True)
    print(f"most memory held: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        print(f"a zone's ten years: {series(Path(folder), layer):.2f} CPU s")


if __name__ == "__main__":
    if sys.argv[1:]:
        published(sys.argv[1], Path(sys.argv[2]))
    else:
        main()
