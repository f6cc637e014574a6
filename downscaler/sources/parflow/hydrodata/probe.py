"""One value from HydroFrame: the smallest request that tells whether client, PIN and service work."""

from __future__ import annotations

import datetime as dt

from downscaler.sources.parflow.hydrodata import client
from downscaler.sources.parflow.hydrodata.datasets import run_of


def one_value(dataset: str = "conus1_baseline_mod") -> tuple[dt.date, float]:
    """First day of a run and its soil moisture in the middle cell, as the service gives it (unit not looked at).

    Raises CredentialsError without a PIN, LoginError when it is refused, AcquisitionError and its kin otherwise.
    """
    run = run_of(dataset)
    i, j = run.parent.shape.x // 2, run.parent.shape.y // 2
    options = {
        "dataset": run.dataset,
        "variable": "soil_moisture",
        "temporal_resolution": "daily",
        "grid": run.grid,
        "date_start": run.first.isoformat(),
        "date_end": (run.first + dt.timedelta(days=1)).isoformat(),
        "grid_bounds": [i, j, i + 1, j + 1],
    }
    return run.first, float(client.array(options).reshape(-1)[-1])
