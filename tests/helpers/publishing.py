"""Published days whose numbers follow from a seed: small catalogues for what is made from them."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from catalog.publish.day import publish
from downscaler import product
from downscaler.ground.grid import Domain
from downscaler.ground.tiles import Tile
from downscaler.product import Flag
from downscaler.records import InputRecord, RunRecord

PLACE = product.LITTLE_WASHITA


def day_fields(domain: Domain, date: dt.date, seed: int = 0) -> dict[str, np.ndarray]:
    """Soil moisture with an empty corner, its uncertainty, interval and flags, [y, x]."""
    shape, rng = (domain.shape().y, domain.shape().x), np.random.default_rng([seed, date.toordinal()])
    theta = rng.uniform(0.1, 0.4, shape)
    theta[: int(rng.integers(1, 20)), :10] = np.nan
    empty = np.isnan(theta)
    sigma = np.where(empty, np.nan, rng.uniform(0.02, 0.06, shape))
    flag = np.where(empty, int(Flag.FILL), rng.choice([0, int(Flag.URBAN), int(Flag.CLIPPED)], shape))
    fields = {
        "soil_moisture": theta,
        "uncertainty": sigma,
        "lower": np.clip(theta - 1.6 * sigma, 0, 1),
        "upper": np.clip(theta + 1.6 * sigma, 0, 1),
        "quality_flag": flag.astype(np.uint16),
        "observation_time": np.where(empty, np.nan, 700.0),
        "smap_age": np.where(empty, np.nan, 1.0),
        "smap_share": np.where(empty, np.nan, 0.5),
    }
    return {variable.name: fields[variable.name] for variable in product.variables_of(domain.name)}


def publish_day(
    root: Path,
    date: dt.date,
    domain: Domain = PLACE,
    *,
    seed: int = 0,
    grid: str | None = None,
    more: Mapping[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """Publish a day and give what it was made of; another seed is another granule.

    ``grid`` is SMAP's, where the day is to tell it; ``more`` are fields in the stead of those from the seed.
    """
    morning = dt.datetime.combine(date, dt.time(12), tzinfo=dt.UTC)
    granule = hashlib.sha256(f"{date} {seed}".encode()).hexdigest()
    run = RunRecord(
        date=date,
        domain_name=domain.name,
        inputs=(InputRecord(kind="granule", name=f"g{date:%Y%m%d}.h5", version=f"R{seed}", sha256=granule, size=1),),
        observed=(morning, morning + dt.timedelta(minutes=8)),
        simulated=True,
        caveats=("Made of noise.",),
        parameters={} if grid is None else {"smap_grid": grid},
    )
    fields = day_fields(domain, date, seed) | dict(more or {})
    tiles = (
        Tile(window=window, fields={name: values[window.index] for name, values in fields.items()})
        for window in domain.blocks()
    )
    publish(root, run, domain, tiles)
    return fields
