"""The picture of a day: dry brown to wet blue, with a colour bar, and a stamp where the data are simulated."""

from __future__ import annotations

import io
import math
import textwrap
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.enums import Resampling

from downscaler import product
from downscaler.ground.grid import CRS, Domain
from downscaler.records import RunRecord

if TYPE_CHECKING:  # the drawing library takes half a second to load, and a day draws when all else is done
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

RANGE = (0.0, 0.5)  # m3/m3; the same on every day, so that pictures can be compared
MISSING = "#c9c7c3"
_ANCHORS = ("#5b3413", "#97632b", "#c99a5b", "#ead9a8", "#dfeccb", "#8fcbb9", "#3a94bd", "#1f5aa6", "#10225e")
_PIXELS, _DPI = 800, 120
_INK, _GREY_INK = "#222222", "#666666"


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a variable is drawn: colours, range, the bar's label, the words at its ends.

    ``anchors`` are colours, evenly spaced or with their places from 0 to 1.
    """

    name: str
    anchors: tuple[str, ...] | tuple[tuple[float, str], ...]
    range: tuple[float, float]
    label: str
    ends: tuple[str, str]
    open_end: str = "neither"

    @cached_property
    def colours(self) -> LinearSegmentedColormap:
        """Of 256 steps."""
        from matplotlib.colors import LinearSegmentedColormap

        return LinearSegmentedColormap.from_list(self.name, self.anchors, N=256)


_MOIST = Look(
    name="vadose_soil_moisture",
    anchors=_ANCHORS,
    range=RANGE,
    label="volumetric soil moisture (m³ m⁻³)",
    ends=("dry", "wet"),
    open_end="max",
)
_CLASSES = (
    "#730000",
    "#e60000",
    "#ffaa00",
    "#fcd37f",
    "#ffff66",
    "#f4f4f0",
    "#c9e3f0",
    "#5ab4d6",
    "#1f6fb4",
    "#08306b",
)
_LOOKS = {
    "percentile": Look(
        name="vadose_percentile",
        anchors=tuple(zip((0.0, 0.02, 0.05, 0.1, 0.2, 0.5, 0.75, 0.9, 0.97, 1.0), _CLASSES, strict=True)),
        range=(0.0, 100.0),
        label="percentile of soil moisture in its season (%)",
        ends=("drier", "wetter"),
    )
}


def look_of(domain_name: str) -> Look:
    """How the first variable of a domain's items is drawn."""
    return _LOOKS.get(product.variables_of(domain_name)[0].name, _MOIST)


def colours() -> LinearSegmentedColormap:
    """Of soil moisture."""
    return _MOIST.colours


def colormap(domain_name: str = "") -> dict[str, list[int]]:
    """The 256 colours as the render extension wants them: index -> red, green, blue, alpha."""
    return {str(i): [round(255 * part) for part in look_of(domain_name).colours(i)] for i in range(256)}


def draw(raster: Path, domain: Domain, run: RunRecord) -> bytes:
    """A PNG of the first variable of the domain's items in a COG ([y, x], NaN grey), 800 pixels on its longer side.

    Reads an overview, so memory does not grow with the domain; the same inputs give the same bytes.
    """
    values = np.ma.masked_invalid(_overview(raster))
    notes = textwrap.wrap(" ".join(run.caveats), width=110)
    figure, axes, bar_axes = _frame(domain, lines=len(notes))
    bounds = domain.geobox().extent.boundingbox
    extent = (bounds.left, bounds.right, bounds.bottom, bounds.top)
    axes.set_facecolor(MISSING)
    look = look_of(domain.name)
    low, high = look.range
    image = axes.imshow(
        values, cmap=look.colours, vmin=low, vmax=high, extent=extent, interpolation="nearest", aspect="auto"
    )
    _label_degrees(axes, domain)
    _title(figure, axes, domain, run)
    _scale(figure, image, bar_axes, look)
    if notes:
        figure.text(0.02, 0.02, "\n".join(notes), fontsize=6, color=_GREY_INK, va="bottom", linespacing=1.3)
    if run.simulated:
        _stamp(axes)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
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


def _frame(domain: Domain, *, lines: int) -> tuple[Figure, Any, Any]:
    """A figure around a map of the domain's own shape: axes of the map and of the colour bar, ``lines`` of notes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shape = domain.shape()
    ratio = shape.y / shape.x * _true_aspect(domain)
    longer = _PIXELS / _DPI
    width, height = (longer, longer * ratio) if ratio <= 1 else (longer / ratio, longer)
    left, right, top, below = 0.62, 0.22, 0.58, 1.0 + 0.13 * lines
    total = (left + width + right, top + height + below)
    figure = Figure(figsize=total, dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((left / total[0], below / total[1], width / total[0], height / total[1]))
    bar = figure.add_axes(
        ((left + 0.1 * width) / total[0], (below - 0.48) / total[1], 0.8 * width / total[0], 0.14 / total[1])
    )
    return figure, axes, bar


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


def _title(figure: Figure, axes: Any, domain: Domain, run: RunRecord) -> None:
    inch = 1 / figure.get_size_inches()[1]
    left, right = axes.get_position().x0, axes.get_position().x1
    figure.text(left, 1 - 0.28 * inch, domain.title, fontsize=11, color=_INK, fontweight="bold")
    last = product.last_day(domain.name, run.date)
    span = f"{run.date}" if last == run.date else f"{run.date} to {last}"
    figure.text(right, 1 - 0.28 * inch, span, fontsize=11, color=_INK, ha="right")
    figure.text(left, 1 - 0.47 * inch, product.TITLE, fontsize=7.5, color=_GREY_INK)
    figure.text(right, 1 - 0.47 * inch, "grey: no value", fontsize=7.5, color=_GREY_INK, ha="right")


def _scale(figure: Figure, image: Any, axes: Any, look: Look) -> None:
    """The colour bar: units below, words such as dry and wet at its ends."""
    bar = figure.colorbar(image, cax=axes, orientation="horizontal", extend=look.open_end)
    bar.set_label(look.label, fontsize=8, color=_INK, labelpad=2)
    bar.ax.tick_params(labelsize=7, colors=_INK, length=2)
    bar.outline.set_linewidth(0.4)
    low, high = look.ends
    ends = {low: (-0.015, "right", _ANCHORS[1]), high: (1.065, "left", _ANCHORS[-2])}
    for word, (x, side, colour) in ends.items():
        bar.ax.text(x, 0.5, word, transform=bar.ax.transAxes, fontsize=8, color=colour, ha=side, va="center")


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
        bbox={"facecolor": "#b3261e", "edgecolor": "none", "boxstyle": "round,pad=0.35"},
    )
