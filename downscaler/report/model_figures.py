"""A model's figures: what moves its correction, its skill, its interval's coverage, its capacity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from downscaler.explain.explain import AGREES, DISAGREES, OPEN, STATES, UNCLEAR, Explanation
from downscaler.product import INTERVAL
from downscaler.report.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    YELLOW,
    new_figure,
    tidy_axes,
    words,
)
from downscaler.report.trained import Methods

_VERDICTS = {AGREES: (BLUE, "o"), DISAGREES: (VERMILION, "X"), UNCLEAR: (GREY, "s"), OPEN: (GREEN, "D")}
_STATE_COLOURS = dict(zip(STATES, (ORANGE, YELLOW, BLUE), strict=True))
_METHOD_COLOURS = {"hybrid": BLUE, "climatological_pattern": ORANGE, "prior": GREEN, "stations_only": PURPLE}
_IDEAL = {"within_block_r": 1.0, "r": 1.0, "seam_index": 1.0, "bias": 0.0}


def _errors(entries: Sequence[Mapping[str, float]]) -> Any:
    """Distances [2, n] from the values to the ends of their intervals, none below zero."""
    value, low, high = (np.array([float(e[name]) for e in entries]) for name in ("value", "low", "high"))
    return np.maximum(np.stack([value - low, high - value]), 0.0)


def explanation_figure(explanation: Explanation, *, simulated: bool = False) -> Figure:
    """What a branch's correction draws on: families with intervals, their share by wetness, direction of features."""
    rows = max(len(explanation.families), len(explanation.effects), 3)
    title = f"What moves the correction of {explanation.branch}"
    figure = new_figure(11.0, 1.5 + 0.3 * rows, title, simulated=simulated)
    size, state, direction = figure.subplots(1, 3, width_ratios=(1.0, 0.8, 1.25))
    _draw_families(size, explanation)
    _draw_states(state, explanation)
    _draw_directions(direction, explanation)
    # below the panels, where they cover no bar and no point
    below: dict[str, Any] = {"fontsize": 8, "frameon": False}
    handles, labels = state.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=max(len(labels), 1), **below)
    handles, labels = direction.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower right", ncols=max(len(labels), 1), **below)
    return figure


def _draw_families(axes: Any, explanation: Explanation) -> None:
    names = [family.name for family in explanation.families]
    sizes = [{"value": f.mean_abs.value, "low": f.mean_abs.low, "high": f.mean_abs.high} for f in explanation.families]
    values = [entry["value"] for entry in sizes]
    axes.barh(names, values, xerr=_errors(sizes), color=SKY, ecolor=INK, error_kw={"linewidth": 0.9, "capsize": 2})
    for row, family in enumerate(explanation.families):
        axes.annotate(
            f"{100 * family.share:.0f} %",
            (family.mean_abs.high, row),
            (4, 0),
            textcoords="offset points",
            fontsize=8,
            va="center",
            color=INK,
        )
    ends = [max(f.mean_abs.value, np.nan_to_num(f.mean_abs.high)) for f in explanation.families]
    axes.set_xlim(0, max(ends, default=1.0) * 1.22 or 1.0)
    axes.invert_yaxis()
    axes.set_xlabel("mean |contribution| (m³ m⁻³), share", fontsize=8)
    axes.set_title("a. size, by kind of predictor", fontsize=9, loc="left")
    tidy_axes(axes)


def _draw_states(axes: Any, explanation: Explanation) -> None:
    names = [family.name for family in explanation.families]
    for number, state in enumerate(STATES):
        shares = explanation.states.get(state, {})
        where = np.arange(len(names)) + (number - 1) * 0.26
        widths = [100 * shares.get(name, 0.0) for name in names]
        axes.barh(where, widths, height=0.25, color=_STATE_COLOURS[state], edgecolor=INK, linewidth=0.4, label=state)
    axes.set_yticks(np.arange(len(names)), [""] * len(names))
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel("share (%) in thirds of coarse wetness", fontsize=8)
    axes.set_title("b. by state of the SMAP cell", fontsize=9, loc="left")
    tidy_axes(axes)


def _draw_directions(axes: Any, explanation: Explanation) -> None:
    effects = explanation.effects
    for verdict, (colour, marker) in _VERDICTS.items():
        found = [(row, e.rank_correlation) for row, e in enumerate(effects) if e.agrees == verdict]
        if found:
            bars = [{"value": c.value, "low": c.low, "high": c.high} for _, c in found]
            axes.errorbar(
                [bar["value"] for bar in bars],
                [row for row, _ in found],
                xerr=np.nan_to_num(_errors(bars)),
                fmt=marker,
                color=colour,
                markersize=5,
                linewidth=1,
                label={AGREES: "agrees with physics", DISAGREES: "against physics"}.get(verdict, verdict),
            )
    axes.axvline(0.0, color=INK, linewidth=0.7)
    axes.set_xlim(-1.05, 1.05)
    axes.set_yticks(range(len(effects)), [words(e.feature) for e in effects])
    axes.set_ylim(len(effects) - 0.5, -0.5)
    axes.set_xlabel("rank correlation: drier ← more of it → wetter", fontsize=8)
    axes.set_title("c. direction of the leading features", fontsize=9, loc="left")
    tidy_axes(axes)


def skill_figure(
    splits: Mapping[str, Methods], figures: Mapping[str, str], *, simulated: bool = False, title: str = "Skill"
) -> Figure:
    """Bars with 95 % intervals: a row a split, a column a figure, a bar a method.

    Args:
        splits: methods' figures by the name of the split.
        figures: axis title by name of the figure, those to be shown.
        simulated: whether to stamp the figure.
        title: above all.
    """
    count = max((len(methods) for methods in splits.values()), default=1)
    shape = (max(len(splits), 1), max(len(figures), 1))
    figure = new_figure(1.6 + 3.1 * shape[1], 0.7 + shape[0] * (0.8 + 0.27 * count), title, simulated=simulated)
    panels = figure.subplots(*shape, squeeze=False, sharex="col")
    for row, (split, methods) in enumerate(splits.items()):
        for column, (name, label) in enumerate(figures.items()):
            axes = panels[row, column]
            _draw_methods(axes, methods, name)
            if row == shape[0] - 1:
                axes.set_xlabel(label, fontsize=8)
            if column:
                axes.set_yticklabels([])
            else:
                axes.set_title(split, fontsize=9, loc="left")
    return figure


def _draw_methods(axes: Any, methods: Methods, name: str) -> None:
    """One bar a method; a method without the figure keeps its line empty."""
    for row, (method, figures) in enumerate(methods.items()):
        entry = figures.get(name)
        if entry is not None:
            colour = _METHOD_COLOURS.get(method, GREY)
            bars = _errors([entry]) if entry["low"] < entry["high"] else None
            axes.barh(
                row, entry["value"], xerr=bars, color=colour, ecolor=INK, error_kw={"capsize": 2, "linewidth": 0.9}
            )
    if name in _IDEAL:
        axes.axvline(_IDEAL[name], color=INK, linewidth=0.8, linestyle="--")
    axes.set_yticks(range(len(methods)), [words(method) for method in methods])
    axes.set_ylim(len(methods) - 0.5, -0.5)
    tidy_axes(axes)


def coverage_figure(splits: Mapping[str, Methods], *, simulated: bool = False) -> Figure:
    """Share of the truth inside the 90 % interval, with its own interval, beside the nominal share."""
    found = [
        (f"{split}: {words(method)}", figures["coverage_90"])
        for split, methods in splits.items()
        for method, figures in methods.items()
        if "coverage_90" in figures
    ]
    figure = new_figure(6.8, 1.3 + 0.3 * max(len(found), 2), "Does the 90 % interval hold 90 %?", simulated=simulated)
    axes = figure.subplots()
    axes.axvspan(100 * INTERVAL - 2, 100 * INTERVAL + 2, color=SKY, alpha=0.35, linewidth=0, label="88–92 %")
    axes.axvline(100 * INTERVAL, color=BLUE, linewidth=1)
    entries = [{key: 100 * float(value) for key, value in entry.items()} for _, entry in found]
    if entries:
        values = [entry["value"] for entry in entries]
        axes.errorbar(values, range(len(found)), xerr=_errors(entries), fmt="o", color=INK, markersize=5, capsize=2)
    axes.set_yticks(range(len(found)), [name for name, _ in found])
    axes.set_ylim(max(len(found), 1) - 0.5, -0.5)
    axes.set_xlim(min([80.0, *(e["low"] - 1 for e in entries)]), 100.0)
    axes.set_xlabel("held-out truth inside the interval (%)", fontsize=8)
    axes.legend(fontsize=7.5, frameon=False, loc="upper left")
    tidy_axes(axes)
    return figure


def pareto_figure(rows: Sequence[Mapping[str, Any]], *, simulated: bool = False) -> Figure:
    """Skill against prediction time; each line a depth, each point a number of trees, the chosen one ringed.

    ``rows`` have depth, trees, rmse (m3 m-3), seconds_per_million (cells) and perhaps chosen.
    """
    figure = new_figure(6.4, 4.2, "Capacity: skill against prediction time", simulated=simulated)
    axes = figure.subplots()
    depths = sorted({int(row["depth"]) for row in rows})
    colours, markers = (BLUE, ORANGE, GREEN, PURPLE, VERMILION, SKY), ("o", "s", "D", "^", "v", "P")
    for number, depth in enumerate(depths):
        line = sorted((r for r in rows if int(r["depth"]) == depth), key=lambda r: r["trees"])
        x, y = [r["seconds_per_million"] for r in line], [r["rmse"] for r in line]
        style: dict[str, Any] = {"color": colours[number % len(colours)], "marker": markers[number % len(markers)]}
        axes.plot(x, y, linewidth=1.2, markersize=5, label=f"depth {depth}", **style)
        for row in line:
            at = (row["seconds_per_million"], row["rmse"])
            axes.annotate(f"{row['trees']}", at, (4, 4), textcoords="offset points", fontsize=7, color=GREY)
    for row in rows:
        if row.get("chosen"):
            ring: dict[str, Any] = {
                "s": 160,
                "facecolors": "none",
                "edgecolors": INK,
                "linewidths": 1.3,
                "label": "chosen",
            }
            axes.scatter([row["seconds_per_million"]], [row["rmse"]], **ring)
    axes.set_xscale("log")
    for which in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        which(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("prediction time (s per million cells), number of trees beside the points", fontsize=8)
    axes.set_ylabel("RMSE on held-out truth (m³ m⁻³)", fontsize=8)
    axes.legend(fontsize=8, frameon=False)
    tidy_axes(axes, grid="both")
    return figure
