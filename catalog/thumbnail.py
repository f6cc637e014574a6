"""The picture of a day: dry brown to wet blue, with a colour bar, and a stamp where the data are simulated."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.enums import Resampling

from downscaler import product
from downscaler.grid import CRS, Domain
from downscaler.records import RunRecord

RANGE = (0.0, 0.5)  # m3/m3; the same on every day, so that pictures can be compared
MISSING = "#c9c7c3"
_ANCHORS = ("#5b3413", "#97632b", "#c99a5b", "#ead9a8", "#dfeccb", "#8fcbb9", "#3a94bd", "#1f5aa6", "#10225e")
COLOURS = LinearSegmentedColormap.from_list("vadose_soil_moisture", _ANCHORS, N=256)
_PIXELS, _DPI = 900, 120
_INK = "#222222"


def colormap() -> dict[str, list[int]]:
    """The 256 colours as the render extension wants them: index -> red, green, blue, alpha."""
    return {str(i): [round(255 * part) for part in COLOURS(i)] for i in range(256)}


def draw(raster: Path, domain: Domain, run: RunRecord) -> bytes:
    """A PNG of the soil moisture in a COG ([y, x], m3/m3, NaN grey), at most about 900 pixels on the longer side.

    Reads an overview, so memory does not grow with the domain; the same inputs give the same bytes.
    """
    values = _overview(raster)
    figure, axes = _frame(domain)
    bounds = domain.geobox().extent.boundingbox
    extent = (bounds.left, bounds.right, bounds.bottom, bounds.top)
    axes.set_facecolor(MISSING)
    image = axes.imshow(
        np.ma.masked_invalid(values), cmap=COLOURS, vmin=RANGE[0], vmax=RANGE[1], extent=extent, interpolation="nearest"
    )
    axes.set_aspect(_true_aspect(domain))
    _label_degrees(axes, domain)
    _annotate(figure, axes, image, domain, run)
    if run.simulated:
        _stamp(axes)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, bbox_inches="tight", pad_inches=0.12, metadata={"Software": None})
    return buffer.getvalue()


def _overview(raster: Path) -> NDArray[np.float32]:
    with rasterio.open(raster) as file:
        step = max(1, math.ceil(max(file.height, file.width) / _PIXELS))
        shape = (math.ceil(file.height / step), math.ceil(file.width / step))
        values: NDArray[np.float32] = file.read(1, out_shape=shape, resampling=Resampling.average)
        return values


def _middle_latitude(domain: Domain) -> float:
    box = domain.geobox().extent.boundingbox
    to_degrees = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    return float(to_degrees.transform((box.left + box.right) / 2, (box.bottom + box.top) / 2)[1])


def _true_aspect(domain: Domain) -> float:
    """Height of a cell over its width on the ground: (cos 30° / cos latitude)², as EASE-Grid 2.0 is true at 30°."""
    return (math.cos(math.radians(30)) / math.cos(math.radians(_middle_latitude(domain)))) ** 2


def _frame(domain: Domain) -> tuple[Figure, Any]:
    """A figure in the map's own shape, with room for titles and the colour bar."""
    shape = domain.shape()
    ratio = shape.y / shape.x * _true_aspect(domain)
    longer = _PIXELS / _DPI
    width, height = (longer, longer * ratio) if ratio <= 1 else (longer / ratio, longer)
    figure = Figure(figsize=(max(width, 4.5), height + 1.2), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _label_degrees(axes: Any, domain: Domain) -> None:
    """Longitudes below and latitudes at the left; both are straight lines on this grid."""
    box = domain.geobox().extent.boundingbox
    to_degrees = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    to_metres = Transformer.from_crs("EPSG:4326", CRS, always_xy=True)
    (west, east), (south, north) = to_degrees.transform([box.left, box.right], [box.bottom, box.top])
    lons, lats = _round_values(west, east), _round_values(south, north)
    axes.set_xticks(
        [to_metres.transform(lon, 0.0)[0] for lon in lons], [f"{abs(v):g}°{'W' if v < 0 else 'E'}" for v in lons]
    )
    axes.set_yticks(
        [to_metres.transform(0.0, lat)[1] for lat in lats], [f"{abs(v):g}°{'N' if v >= 0 else 'S'}" for v in lats]
    )
    axes.tick_params(labelsize=7, colors=_INK, length=3)
    for spine in axes.spines.values():
        spine.set_color("#555555")
        spine.set_linewidth(0.6)


def _round_values(low: float, high: float) -> list[float]:
    """Three to six round numbers inside an interval."""
    step = next(s for s in (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 45) if (high - low) / s <= 6)
    return [round(i * step, 2) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _annotate(figure: Figure, axes: Any, image: Any, domain: Domain, run: RunRecord) -> None:
    axes.set_title(f"{domain.title}", loc="left", fontsize=10, color=_INK, fontweight="bold", pad=6)
    axes.set_title(f"{run.date:%Y-%m-%d}", loc="right", fontsize=10, color=_INK, pad=6)
    bar = figure.colorbar(image, ax=axes, orientation="horizontal", fraction=0.04, pad=0.08, aspect=38, extend="max")
    bar.set_label(f"{product.SOIL_MOISTURE.title} (m³ m⁻³), 1 km²", fontsize=8, color=_INK)
    bar.ax.tick_params(labelsize=7, colors=_INK, length=2)
    bar.outline.set_linewidth(0.4)
    bar.ax.text(0, -3.0, "dry", transform=bar.ax.transAxes, fontsize=7, color=_ANCHORS[1], ha="left", va="top")
    bar.ax.text(1, -3.0, "wet", transform=bar.ax.transAxes, fontsize=7, color=_ANCHORS[-2], ha="right", va="top")
    figure.text(0.985, 0.0, "grey: no value", fontsize=6, color="#666666", ha="right", va="bottom")


def _stamp(axes: Any) -> None:
    axes.text(
        0.985,
        0.975,
        product.SIMULATED_LABEL.upper(),
        transform=axes.transAxes,
        fontsize=9,
        fontweight="bold",
        color="white",
        ha="right",
        va="top",
        bbox={"facecolor": "#b3261e", "edgecolor": "none", "boxstyle": "round,pad=0.35", "alpha": 0.92},
    )
