"""How the playground's figures look: one size of type, colours that all eyes tell apart, a stamp on simulated data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from downscaler.product import SIMULATED_LABEL
from downscaler.report.style import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, RULE, SKY, VERMILION
from downscaler.skill.evaluation import Interval

DPI = 150
SMALL, NORMAL = 8, 9
# by method and by layout: colour and marker, so that neither is needed alone
METHOD_STYLE: dict[str, tuple[str, str]] = {
    "stations_only": (PURPLE, "s"),
    "stations_coarse": (VERMILION, "o"),
    "linear": (GREEN, "^"),
    "physics_everywhere": (BLUE, "D"),
    "physics_elsewhere": (SKY, "d"),
    "climatological_pattern": (ORANGE, "v"),
    "prior": (GREY, "P"),
    "bilinear": (GREY, "x"),
    "nearest": (GREY, "+"),
}
LAYOUT_STYLE: dict[str, tuple[str, str]] = {
    "random": (BLUE, "o"),
    "stratified": (SKY, "D"),
    "clustered": (ORANGE, "^"),
    "biased": (VERMILION, "s"),
    "real": (PURPLE, "v"),
}
VERDICT_COLOURS = {"yes": BLUE, "no": VERMILION, "not clear": GREY}


def new_figure(width: float, height: float, *, simulated: bool) -> Figure:
    """An empty figure; a stamp says where the truth is of no real place."""
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    if simulated:
        stamp: dict[str, Any] = {"facecolor": "#b3261e", "edgecolor": "none", "boxstyle": "round,pad=0.3"}
        words: dict[str, Any] = {"fontsize": 7, "fontweight": "bold", "color": "white", "ha": "right", "va": "top"}
        figure.suptitle(" ", fontsize=NORMAL)
        figure.text(0.995, 0.995, SIMULATED_LABEL.upper(), bbox=stamp, **words)
    return figure


def tidy(axes: Any, *, title: str = "", grid: str | None = "y") -> None:
    """The house's axes: two spines, a light grid, a title on the left."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=SMALL, colors=INK, length=3)
    if grid:
        axes.grid(axis=grid, color=RULE, linewidth=0.6)
        axes.set_axisbelow(True)
    axes.set_title(title, fontsize=NORMAL, loc="left", color=INK)


def whiskers(intervals: Sequence[Interval]) -> Any:
    """Distances [2, n] from values to the ends of their intervals."""
    return np.array([[i.value - i.low for i in intervals], [i.high - i.value for i in intervals]])


def words(name: str) -> str:
    """A name as it is read."""
    return name.replace("_", " ")
