"""How each raster is drawn: colours, range and classes, for tiles and their legend. Pure, all from the product."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import Colormap, LinearSegmentedColormap, to_hex, to_rgba
from numpy.typing import NDArray

from catalog.rasters.thumbnail import RANGE, colours, look_of
from downscaler import product
from downscaler.product import FLAG_MEANINGS, Flag

DIFFERENCE = "difference"
COLOURS = colours()
PALETTES: dict[str, Colormap] = {
    "cividis": matplotlib.colormaps["cividis"],
    "viridis": matplotlib.colormaps["viridis"],
    "red-blue": matplotlib.colormaps["RdYlBu"],
    "grey": matplotlib.colormaps["gray"],
}
"""Colour scales that a reader may choose in place of a layer's own; cividis and grey look alike to all eyes."""
_STEPS = 254  # colours of a scale, less one; a PNG's palette has 256, and one is for what is not there
_NEUTRAL = LinearSegmentedColormap.from_list("difference", ("#8c510a", "#d8b365", "#f5f5f5", "#5ab4ac", "#01665e"))
_GOOD = "#d9efe3"  # a value without reservation
_FLAG_COLOURS: dict[Flag, str] = {
    Flag.FILL: "#9a9a9a",
    Flag.SMAP_NOT_RECOMMENDED: "#5f5f5f",
    Flag.OPEN_WATER: "#3182bd",
    Flag.FROZEN_OR_SNOW: "#b3cde3",
    Flag.URBAN: "#c51b8a",
    Flag.DENSE_VEGETATION: "#238b45",
    Flag.GAP_FILLED: "#fdae61",
    Flag.SMAP_L4: "#8c6bb1",
    Flag.OUTSIDE_APPLICABILITY: "#d7301f",
    Flag.CLIPPED: "#7a5195",
    Flag.WITHOUT_SMAP: "#bf812d",
    Flag.WITHOUT_WEATHER: "#e7b98a",
    Flag.PRELIMINARY_WEATHER: "#c7e9c0",
    Flag.STALE_PRIOR: "#f2e394",
}
"""By precedence: of several flags a pixel is drawn in the colour of the first."""


CLEAR = 255
"""Index of what is not there."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer of the map: a colour scale over ``range``, or ``classes`` (bit, meaning, colour) by precedence."""

    name: str
    title: str
    units: str
    range: tuple[float, float] = (0.0, 1.0)
    scale: Colormap = field(default_factory=lambda: COLOURS)
    classes: Sequence[tuple[int, str, str]] = field(default=())

    def indices(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Index of each value's colour, any shape; what is missing has to be masked by the caller."""
        if self.classes:
            return self._classes(values)
        low, high = self.range
        position = (np.nan_to_num(np.asarray(values, np.float64), nan=low) - low) / (high - low)
        return np.rint(np.clip(position, 0.0, 1.0) * _STEPS).astype(np.uint8)

    def _classes(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        bits = np.asarray(values).astype(np.int64)
        result = np.zeros(bits.shape, np.uint8)
        for index, (bit, _, _) in reversed(list(enumerate(self.classes))):
            result[(bits & bit) != 0 if bit else bits == 0] = index
        return result

    def restyled(self, palette: str | None, low: float | None, high: float | None) -> Layer:
        """The same layer in another palette or range; classes stay as they are. Raises ValueError for what is none."""
        if palette is not None and palette not in PALETTES:
            raise ValueError(f"no palette {palette[:40]!r}; those there are: {', '.join(PALETTES)}")
        ends = (self.range[0] if low is None else low, self.range[1] if high is None else high)
        if not (np.isfinite(ends).all() and ends[0] < ends[1]):
            raise ValueError(f"a range rises from one number to another, not from {ends[0]:g} to {ends[1]:g}")
        if self.classes or (palette, low, high) == (None, None, None):
            return self
        return replace(self, range=ends, scale=self.scale if palette is None else PALETTES[palette])

    def colours(self) -> dict[int, tuple[int, int, int, int]]:
        """Red, green, blue and alpha by index."""
        if self.classes:
            return {i: _rgba(colour) for i, (_, _, colour) in enumerate(self.classes)}
        return {i: _rgba(self.scale(i / _STEPS)) for i in range(_STEPS + 1)}

    @cached_property
    def palette(self) -> tuple[bytes, bytes]:
        """Red, green and blue of each index, and its alpha, as a PNG has them; those beyond the colours are clear."""
        colours = self.colours()
        shown = [colours.get(index, (0, 0, 0, 0)) for index in range(CLEAR + 1)]
        return bytes(part for colour in shown for part in colour[:3]), bytes(colour[3] for colour in shown)

    def legend(self) -> dict[str, Any]:
        """What a page needs to explain the layer."""
        shown: dict[str, Any] = {"name": self.name, "title": self.title, "units": self.units}
        if self.classes:
            return shown | {"classes": [{"value": v, "title": t, "colour": c} for v, t, c in self.classes]}
        return shown | {"range": list(self.range), "colours": _stops(self.scale)}


def _stops(scale: Colormap) -> list[str]:
    return [to_hex(scale(i / 16)) for i in range(17)]


def palettes() -> dict[str, list[str]]:
    """Colours of each palette, from its low to its high end."""
    return {name: _stops(scale) for name, scale in PALETTES.items()}


def _rgba(colour: Any) -> tuple[int, int, int, int]:
    red, green, blue, alpha = (round(255 * part) for part in to_rgba(colour))
    return red, green, blue, alpha


def _flags() -> Layer:
    shown = [(int(flag), FLAG_MEANINGS[flag], colour) for flag, colour in _FLAG_COLOURS.items()]
    flag = product.QUALITY_FLAG
    return Layer(name=flag.name, title=flag.title, units=flag.units, classes=[*shown, (0, "no reservation", _GOOD)])


def _of(variable: product.Variable, span: tuple[float, float], scale: Colormap) -> Layer:
    return Layer(name=variable.name, title=variable.title, units=variable.units, range=span, scale=scale)


LAYERS: dict[str, Layer] = {
    layer.name: layer
    for layer in (
        _of(product.SOIL_MOISTURE, RANGE, COLOURS),
        _of(product.UNCERTAINTY, (0.0, 0.12), matplotlib.colormaps["magma_r"]),
        _of(product.LOWER, RANGE, COLOURS),
        _of(product.UPPER, RANGE, COLOURS),
        _flags(),
        _of(product.OBSERVATION_TIME, (0.0, 1440.0), matplotlib.colormaps["viridis"]),
        Layer(
            name=DIFFERENCE,
            title="Soil moisture less the SMAP retrieval of its cell",
            units=product.SOIL_MOISTURE.units,
            range=(-0.1, 0.1),
            scale=_NEUTRAL,
        ),
    )
}


def _derived() -> Iterator[Layer]:
    """Layers of what is made from published days."""
    found = {
        v.name: v
        for kind in product.KINDS
        if kind.prefix != product.ANALYSIS
        for v in kind.variables
        if v.name not in LAYERS
    }
    doubts, stress = matplotlib.colormaps["magma_r"], matplotlib.colormaps["YlOrRd"]
    share = look_of(product.PERCENTILE.prefix)
    for name, variable in found.items():
        if name.startswith("percentile"):
            yield _of(variable, share.range, share.colours)
        elif name.startswith("probability"):
            wet = name.startswith("probability_w")
            yield _of(variable, (0.0, 100.0), matplotlib.colormaps["YlGnBu"] if wet else stress)
        elif name.startswith("days_"):
            yield _of(variable, (0.0, float(product.MOST_DAYS_SINCE)), stress if name == "days_dry" else COLOURS)
        elif "uncertainty" in name or name == "spread":
            yield _of(variable, (0.0, 0.12), doubts)
        else:
            spans: dict[str, tuple[tuple[float, float], Colormap]] = {
                "anomaly": ((-0.15, 0.15), _NEUTRAL),
                "days": ((0.0, 31.0), matplotlib.colormaps["viridis"]),
                "available_water": ((0.0, 250.0), COLOURS),
                "available_share": ((0.0, 100.0), COLOURS),
            }
            yield _of(variable, *spans.get(name, (RANGE, COLOURS)))


DERIVED_LAYERS: dict[str, Layer] = {layer.name: layer for layer in _derived()}
