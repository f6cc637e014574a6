"""The root zone against sensors in the ground, on genuine ParFlow-CLM layers: what ``vadose validate --layer`` tells.

``python -m tests.benchmarks.bench_sensors PRIOR TRUTH WORK``: a root zone learned from the prior store PRIOR carries
down analyses of another season, whose prior store is TRUTH: its own surface with errors as analyses have them (0.023
m3 m-3, with their memory). Root zones of the last 60 days are judged by 40 sensors at 20 cm that read TRUTH's second
layer, each with an offset (standard deviation 0.02) and noise (0.006). WORK keeps catalogue and readings.
"""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

import numpy as np
from pyproj import Transformer

from catalog.publish.day import publish
from downscaler import product
from downscaler.derived.composite import ErrorMemory
from downscaler.derived.drought import error_series
from downscaler.derived.learned import learn_root_zone
from downscaler.ground.grid import CRS, Domain
from downscaler.ground.tiles import Tile
from downscaler.records import InputRecord, RunRecord
from downscaler.sources.insitu import table
from downscaler.sources.insitu.series import Sensor, Series
from downscaler.stores.prior import open_prior
from flows.derived.make import make_items
from flows.derived.rootzone import RootZoneJob
from flows.studies.deeper import validate_layer
from flows.studies.validation_job import ValidationJob

ERROR, SITES, DAYS, JUDGED = 0.023, 40, 180, 60


def publish_analysis(root: Path, ground: Domain, date: dt.date, theta: np.ndarray) -> None:
    """An analysis of a value and a constant error."""
    domain, noon = product.analysis_of(ground), dt.datetime.combine(date, dt.time(12), tzinfo=dt.UTC)
    empty = ~np.isfinite(theta)
    sigma = np.where(empty, np.nan, ERROR)
    fields = {
        "soil_moisture": np.clip(theta, 0, 1),
        "uncertainty": sigma,
        "lower": np.clip(theta - 1.645 * sigma, 0, 1),
        "upper": np.clip(theta + 1.645 * sigma, 0, 1),
        "quality_flag": np.where(empty, int(product.Flag.FILL), 0).astype(np.uint16),
        "observation_time": np.where(empty, np.nan, 700.0),
        "smap_age": np.where(empty, np.nan, 1.0),
        "smap_share": np.where(empty, np.nan, 0.5),
    }
    run = RunRecord(
        date=date,
        domain_name=domain.name,
        inputs=(InputRecord(kind="granule", name=f"{date}.h5", version="1", sha256="0" * 64, size=1),),
        observed=(noon, noon),
        simulated=True,
        caveats=("The surface of a ParFlow-CLM run with errors.",),
    )
    tiles = (Tile(window=w, fields={n: v[w.index] for n, v in fields.items()}) for w in domain.blocks())
    publish(root, run, domain, tiles)


def sensors(ground: Domain, dates: list[dt.date], layer: np.ndarray, known: np.ndarray) -> list[Series]:
    """Hourly readings of the layer [day, y, x] in random known cells."""
    rng, axes = np.random.default_rng(5), ground.geobox().coords
    to_degrees = Transformer.from_crs(CRS, 4326, always_xy=True)
    hours = np.concatenate([np.datetime64(day, "s") + np.arange(0, 24, 3) * np.timedelta64(3600, "s") for day in dates])
    found = []
    for number, cell in enumerate(rng.choice(np.flatnonzero(known), SITES, replace=False)):
        row, column = np.unravel_index(cell, known.shape)
        lon, lat = to_degrees.transform(axes["x"].values[column], axes["y"].values[row])
        place = {"depth_from": 0.2, "depth_to": 0.2, "lat": lat, "lon": lon}
        sensor = Sensor(network="SIM", station=f"S{number:02d}", name="probe", **place)
        value = np.repeat(layer[:, row, column], 8) + rng.normal(0, 0.02) + rng.normal(0, 0.006, hours.size)
        found.append(Series(sensor=sensor, time=hours, value=value, flag=np.full(hours.size, "G", "U3")))
    return found


def main(prior: str, truth: str, work: str) -> None:
    """Make and judge."""
    folder, data = Path(work), open_prior(truth)
    ground, known = data.domain, data.data["active"].values.astype(bool)
    dates = [day.item() for day in data.data["time"].values.astype("datetime64[D]")[:DAYS]]
    names = ("soil_moisture", "soil_moisture_layer2")
    surface, layer = (data.data[name][: len(dates)].values.astype(float) for name in names)
    memory, shape = ErrorMemory.of("analysis_x"), surface.shape[1:]
    errors = error_series(np.full((len(dates), known.sum()), ERROR), memory.lasting, memory.days, 1, seed=3)[0]
    for number, date in enumerate(dates):
        theta = np.full(shape, np.nan)
        theta[known] = surface[number][known] + errors[number]
        publish_analysis(folder / "catalog", ground, date, theta)
    learn_root_zone(open_prior(prior), folder / "rootzone.h5")
    job = RootZoneJob(catalog=str(folder / "catalog"), domain=ground.name, learned=folder / "rootzone.h5")
    made = make_items(job, dates[-JUDGED], dates[-1], today=dates[-1] + dt.timedelta(days=9))
    print(len(dates), "analyses;", sum(one.status == "published" for one in made), "root zones", flush=True)
    last = sensors(ground, dates[-JUDGED:], layer[-JUDGED:], known & np.isfinite(layer).all(axis=0))
    assert len(list(table.write(folder / "readings.parquet", last))) == SITES
    asked = ValidationJob(
        domain=ground.name,
        catalog=job.catalog,
        stations=(str(folder / "readings.parquet"),),
        out=folder / "out",
        prior=Path(prior),
    )
    found = validate_layer(asked, "layer2")
    print(found["pairs"], "pairs at", found["sites"], "sites; inside the 90 % interval", round(found["coverage"], 3))
    for name, figures in found["estimates"].items():
        shown = {metric: figures[metric] for metric in ("bias", "rmsd", "ubrmsd", "r")}
        told = (f"{m} {e['value']:.4f} [{e['low']:.4f}, {e['high']:.4f}]" for m, e in shown.items())
        print(f"  {name:9}", "  ".join(told))


if __name__ == "__main__":
    main(*sys.argv[1:4])
