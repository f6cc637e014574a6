"""Draw docs/images/demo.png from the catalogue of ``make demo``: SMAP, the product, and the simulated truth.

``python docs/picture.py build/demo``; the day is the one with the most published cells.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pystac
import rioxarray
import xarray as xr

from catalog.rasters.layers import COLOURS
from catalog.rasters.thumbnail import RANGE
from downscaler.ground.blocks import block_mean


def main(demo: Path) -> None:
    """Three panels of one day, stamped as simulated."""
    catalog = pystac.Catalog.from_file(str(demo / "catalog" / "catalog.json"))
    days = catalog.get_child("vadose-sm-1km_demo").get_items(recursive=True)
    item = max(days, key=lambda day: float(day.properties["vadose:published_percent"]))
    field = rioxarray.open_rasterio(item.assets["soil_moisture"].get_absolute_href()).squeeze().values
    with xr.open_dataset(demo / "sample" / "truth" / "truth.nc") as file:
        truth = file["soil_moisture"].sel(time=item.datetime.strftime("%Y-%m-%d")).squeeze().values
    smap = np.kron(block_mean(np.nan_to_num(field), np.isfinite(field), 9), np.ones((9, 9)))
    figure, axes = plt.subplots(1, 3, figsize=(9.6, 3.7), layout="constrained", dpi=100)
    titles = ("SMAP retrieval, 9 km", "vadose, 1 km", "truth, 1 km")
    for panel, values, title in zip(axes, (smap, field, truth), titles, strict=True):
        shown = np.where(np.isfinite(field), values, np.nan)
        mesh = panel.imshow(shown, cmap=COLOURS, vmin=RANGE[0], vmax=RANGE[1], interpolation="nearest")
        panel.set(title=title, xticks=[], yticks=[])
    figure.colorbar(mesh, ax=axes, label="soil moisture, m³ m⁻³", shrink=0.85)
    figure.suptitle(f"Simulated sample, {item.datetime:%d %B %Y}: 180 x 180 km", fontsize=11)
    figure.savefig(Path(__file__).parent / "images" / "demo.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/demo"))
