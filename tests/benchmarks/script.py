"""A day as a script would make it: the domain in memory, xarray, rioxarray, pandas, DMatrix, one raster after another.

``python -m tests.benchmarks.script PRIOR MODEL [--domain NAME]`` makes the six layers of the day that
``tests.benchmarks.conus`` makes, as COGs, and prints CPU seconds and peak memory. Fields come through xarray's own
reader, SMAP by ``reproject_match``, trees are those of the reference: 200 for the mean and 66 x 2 for the bounds, grown
beforehand. ``--lean`` gives the script the model's own, smaller trees. Features and area of applicability are our code,
which is faster than what one would write in an afternoon; block means are kept by a shift.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import rioxarray  # noqa: F401  (the accessor ``rio``)
import xarray as xr
import xgboost as xgb
from rasterio.enums import Resampling

from downscaler.ground.blocks import block_mean, spread_blocks
from downscaler.ground.coarse_day import CoarseDay
from downscaler.ground.grid import CRS, M09, Domain
from downscaler.ground.prior import Prior
from downscaler.method.features import Ground
from downscaler.method.forcing import forcing_until
from downscaler.method.hybrid import Branch
from downscaler.stores.model import load_model
from downscaler.stores.prior import open_prior
from tests.benchmarks.conus import a_day, cpu, peak, raw_boosters
from tests.benchmarks.mirror import PARTS

_SAMPLE = 60_000
_NOT_NEEDED = ("response_", "sensitivity_m36", "soil_moisture_climatology")
_COG = {"driver": "COG", "compress": "DEFLATE"}


def on_grid(values: np.ndarray, domain: Domain, like: xr.DataArray, how: Resampling) -> np.ndarray:
    """A coarse field on the 1 km grid by rioxarray."""
    box = domain.geobox(M09)
    y, x = (np.asarray(box.coords[name].values) for name in ("y", "x"))
    coarse = xr.DataArray(values, dims=("y", "x"), coords={"y": y, "x": x}).rio.write_crs(CRS).rio.write_nodata(np.nan)
    return np.asarray(coarse.rio.reproject_match(like, resampling=how).values)


def opened(prior: Prior, domain: Domain) -> xr.Dataset:
    """What a day needs of the domain, by xarray's own reader, in memory: statics, statistics, all days of weather."""
    data = xr.open_zarr(prior.path, consolidated=False)
    data = data.drop_vars([name for name in data if name == "soil_moisture" or name.startswith(_NOT_NEEDED)])
    place = domain.window().relative_to(prior.domain.window())
    data = data.isel(place.slices).drop_dims("harmonic", errors="ignore").load()
    data["active"] = data["active"].astype(bool)
    return data


def table_of(
    ground: Ground, data: xr.Dataset, day: CoarseDay, branch: Branch, surface: np.ndarray, coarse: np.ndarray
) -> pd.DataFrame:
    """A row for each published cell."""
    fields = ground.fields | ground.day(coarse, day.date, forcing_until(data, day.date))
    columns = {name: np.asarray(fields[name]).ravel() for name in branch.features}
    table = pd.DataFrame(columns | {"level": (surface + fields["quantile_pattern"]).ravel()})
    return table[ground.active.ravel() & np.isfinite(spread_blocks(coarse, 9)).ravel()]


def main() -> None:
    """Measure the script and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prior", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--domain", choices=PARTS)
    parser.add_argument("--lean", action="store_true", help="with the model's own trees")
    given = parser.parse_args()
    prior, model = open_prior(given.prior), load_model(given.model)
    domain = PARTS[given.domain] if given.domain else prior.domain
    day, branch = a_day(prior, domain, 1.0), model.branch(M09, forcing=True)

    begun, clock = cpu(), time.perf_counter()
    data = opened(prior, domain)
    ground = Ground(data, M09)
    like = xr.zeros_like(data["elevation"]).rio.write_crs(CRS)
    coarse = np.where(day.data["recommended"].values, day.data["soil_moisture"].values, np.nan)
    surface = on_grid(coarse, domain, like, Resampling.bilinear)
    table = table_of(ground, data, day, branch, surface, coarse)
    predictors = table[list(branch.features)]
    spent, wall = cpu() - begun, time.perf_counter() - clock

    if given.lean:
        mean, bounds = branch.mean, branch.bounds
    else:  # grown beforehand by who owns the script
        rows = predictors.to_numpy()[:: max(1, len(table) // _SAMPLE)][:_SAMPLE]
        mean, bounds = raw_boosters(rows, branch.mean.inplace_predict(rows), threads=1)
        for booster in (mean, bounds):
            booster.feature_names = list(branch.features)

    begun, clock = cpu(), time.perf_counter()
    matrix = xgb.DMatrix(predictors)
    correction, edges = mean.predict(matrix), bounds.predict(matrix)
    area = branch.applicability
    strange = area.dissimilarity(predictors.to_numpy()) > area.threshold  # type: ignore[union-attr]
    level = table["level"].to_numpy()
    made: dict[str, Any] = {"soil_moisture": level + correction, "lower": level + edges[:, 0]}
    made |= {"upper": level + edges[:, 1], "uncertainty": (edges[:, 1] - edges[:, 0]) / 3.29, "outside": strange}
    minutes = np.where(np.isfinite(coarse), 720.0, np.nan)
    made["observation_time"] = on_grid(minutes, domain, like, Resampling.nearest).ravel()[table.index]
    with TemporaryDirectory(dir=given.prior.parent) as folder:
        for name, values in made.items():
            whole = np.full(like.size, np.nan, np.float32)
            whole[table.index] = values
            field = whole.reshape(like.shape)
            if name == "soil_moisture":
                use = np.isfinite(field)
                field = field + spread_blocks(coarse - block_mean(np.nan_to_num(field), use, 9), 9).astype(np.float32)
            like.copy(data=field).rio.write_nodata(np.nan).rio.to_raster(Path(folder) / f"{name}.tif", **_COG)
    spent, wall = spent + cpu() - begun, wall + time.perf_counter() - clock
    told = {"cpu": round(spent, 2), "wall": round(wall, 2), "peak": peak(), "cells": len(table), "lean": given.lean}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
