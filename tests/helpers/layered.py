"""A small run of ParFlow-CLM's form with soil moisture of three layers, whose deeper ones follow the surface."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from downscaler.derived.rootzone import exponential_filter
from downscaler.ground.grid import Domain
from downscaler.simulation.sample import sample_lattice


def write_layers(path: Path, domain: Domain, days: int = 220, start: str = "2023-06-01") -> Path:
    """Noise that falls and rises like soil moisture; layers are filters of it, with a constant by cell."""
    lattice, rng = sample_lattice(domain, 2), np.random.default_rng(6)
    shape = (days, lattice.shape.y, lattice.shape.x)
    rain = np.where(rng.random((days, 1, 1)) < 0.2, rng.exponential(0.1, (days, 1, 1)), 0.0)
    surface = np.empty(shape, np.float32)
    top = rng.uniform(0.15, 0.25, shape[1:])
    for day in range(days):
        top = 0.1 + (top - 0.1) * 0.85 + np.minimum(rain[day], 0.15) * rng.uniform(0.8, 1.2, shape[1:])
        top = np.minimum(top, 0.42)
        surface[day] = top
    level, noise = rng.uniform(-0.02, 0.02, shape[1:]), 0.002 * rng.standard_normal(shape)
    layers = {
        "soil_moisture_layer2": exponential_filter(surface, 8.0) + level + noise,
        "soil_moisture_layer3": 0.1 + 0.5 * exponential_filter(surface, 40.0) + level + 2 * noise,
    }
    told = {"units": "m3 m-3", "grid_mapping": "crs"}
    static = {"porosity": 0.45, "residual_saturation": 0.1, "van_genuchten_alpha": 1.5, "van_genuchten_n": 1.6}
    units = {"porosity": "m3 m-3", "van_genuchten_alpha": "m-1"}
    data = xr.Dataset(
        {
            "soil_moisture": (("time", "y", "x"), surface, told),
            **{name: (("time", "y", "x"), values.astype(np.float32), told) for name, values in layers.items()},
            **{
                name: (("y", "x"), np.full(shape[1:], value, np.float32), {"units": units.get(name, "1")})
                for name, value in static.items()
            },
            "crs": ((), 0, {"proj4": lattice.crs}),
        },
        coords={
            "time": np.datetime64(start, "ns") + np.arange(days) * np.timedelta64(1, "D"),
            "y": lattice.y,
            "x": lattice.x,
        },
        attrs={"title": "layers", "vadose_simulated": "true"},
    )
    data.to_netcdf(path)
    return path
