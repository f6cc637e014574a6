"""A day as a script would make it: the whole domain in memory, xarray, pandas, DMatrix, rasters one after the other.

``python -m tests.benchmarks.script PRIOR MODEL [--domain NAME]`` makes soil moisture, its 90 % interval and the flag of
the area of applicability of the day that ``tests.benchmarks.conus`` makes, as COGs, and prints CPU seconds and peak
memory. Features are those of the model; SMAP's surface is a bilinear resampling; block means are kept by a shift.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import rasterio
import xgboost as xgb

from downscaler.ground.blocks import block_mean, spread_blocks
from downscaler.ground.grid import M09
from downscaler.method.conserve import bilinear
from downscaler.method.features import Ground
from downscaler.method.forcing import forcing_until
from downscaler.stores.model import load_model
from downscaler.stores.prior import open_prior
from tests.benchmarks.conus import a_day, cpu, peak
from tests.benchmarks.mirror import PARTS


def main() -> None:
    """Measure the script and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prior", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--domain", choices=PARTS)
    given = parser.parse_args()
    prior, model = open_prior(given.prior), load_model(given.model)
    domain = PARTS[given.domain] if given.domain else prior.domain
    day = a_day(prior, domain, 1.0)
    begun = cpu()
    window = domain.window()
    data = prior.window(domain, window.relative_to(window)).load()
    ground, branch = Ground(data, M09), model.branch(M09, forcing=True)
    coarse = np.where(day.data["recommended"].values, day.data["soil_moisture"].values, np.nan)
    fields = ground.fields | ground.day(coarse, day.date, forcing_until(data, day.date))
    table = pd.DataFrame({name: fields[name].ravel() for name in branch.features})
    table = table[ground.active.ravel() & np.isfinite(spread_blocks(coarse, 9)).ravel()]
    matrix = xgb.DMatrix(table)
    correction, bounds = branch.mean.predict(matrix), branch.bounds.predict(matrix)
    strange = branch.applicability.dissimilarity(table.to_numpy()) > branch.applicability.threshold
    level = bilinear(coarse, 9).ravel()[table.index] + table["quantile_pattern"].to_numpy()
    made = {"soil_moisture": level + correction, "lower": level + bounds[:, 0], "upper": level + bounds[:, 1]}
    made["outside"] = strange.astype(np.float32)
    shape = ground.active.shape
    box = domain.geobox()
    with TemporaryDirectory(dir=given.prior.parent) as folder:
        for name, values in made.items():
            whole = np.full(shape[0] * shape[1], np.nan, np.float32)
            whole[table.index] = values
            field = whole.reshape(shape)
            if name == "soil_moisture":
                use = np.isfinite(field)
                field = field + spread_blocks(coarse - block_mean(np.nan_to_num(field), use, 9), 9).astype(np.float32)
            profile = {"driver": "COG", "height": shape[0], "width": shape[1], "count": 1, "dtype": "float32"}
            profile |= {"crs": str(box.crs), "transform": box.transform, "nodata": np.nan, "compress": "DEFLATE"}
            with rasterio.open(Path(folder) / f"{name}.tif", "w", **profile) as file:
                file.write(field, 1)
    print(json.dumps({"cpu": cpu() - begun, "peak": peak(), "cells": len(table)}))


if __name__ == "__main__":
    main()
