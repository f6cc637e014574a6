"""Style of all figures: a palette for all colour vision, one type size, a stamp on simulated data."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from downscaler.product import SIMULATED_LABEL
from downscaler.skill.interval import Interval

# Okabe & Ito (2008): distinct under every common colour vision deficiency.
BLUE, SKY, GREEN, YELLOW, ORANGE, VERMILION, PURPLE = (
    "#0072b2",
    "#56b4e9",
    "#009e73",
    "#f0e442",
    "#e69f00",
    "#d55e00",
    "#cc79a7",
)
GREY, INK, RULE = "#8c8c8c", "#222222", "#dddddd"
SMALL, NORMAL = 8, 9
_DPI = 150
_SIMULATED_AT = (0.995, 0.995)


def png(figure: Figure) -> bytes:
    """A figure as PNG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()


def new_figure(width: float, height: float, title: str = "", *, simulated: bool) -> Figure:
    """An empty figure, perhaps with a title, and where the data are simulated a stamp that says so."""
    figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(title, fontsize=10, fontweight="bold", color=INK, x=0.01, ha="left")
    elif simulated:
        figure.suptitle(" ", fontsize=NORMAL)  # room for the stamp
    if simulated:
        figure.text(
            *_SIMULATED_AT,
            SIMULATED_LABEL.upper(),
            fontsize=7,
            fontweight="bold",
            color="white",
            ha="right",
            va="top",
            bbox={"facecolor": "#b3261e", "edgecolor": "none", "boxstyle": "round,pad=0.3"},
        )
    return figure


def tidy_axes(axes: Any, *, title: str = "", grid: str | None = "x") -> None:
    """Axes without a frame above and to the right, with a light grid along ``grid`` and perhaps a title."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=SMALL, colors=INK, length=3)
    if grid:
        axes.grid(axis=grid, color=RULE, linewidth=0.6)
        axes.set_axisbelow(True)
    if title:
        axes.set_title(title, fontsize=NORMAL, loc="left", color=INK)


def whiskers(intervals: Sequence[Interval]) -> Any:
    """Distances [2, n] from values to the ends of their intervals."""
    return np.array([[i.value - i.low for i in intervals], [i.high - i.value for i in intervals]])


def words(name: str) -> str:
    """A name as it is read."""
    return name.replace("_", " ")
