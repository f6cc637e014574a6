"""The playground's charts: verdicts, true skill, optimism, learning curves, distances of folds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, NullLocator

from downscaler.playground.evaluations import EVALUATIONS, TRUE
from downscaler.playground.experiment import CURVE_LAYOUTS, PHYSICS
from downscaler.playground.findings import Finding
from downscaler.playground.methods import METHODS, learning_from, title_of
from downscaler.report.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    NORMAL,
    ORANGE,
    PURPLE,
    SKY,
    SMALL,
    VERMILION,
    new_figure,
    tidy_axes,
    whiskers,
    words,
)
from downscaler.skill.interval import Interval

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
_RMSE = "RMSE wall to wall (m³ m⁻³)"
_LINES = ("physics_everywhere", "physics_elsewhere", "climatological_pattern", "prior")


def findings_figure(findings: Sequence[Finding], *, simulated: bool) -> Figure:
    """Every difference that decides a finding (filled) or stands beside it (open), with its 95 % interval."""
    heights = [len(f.deciding) + len(f.beside) + 0.8 for f in findings]
    figure = new_figure(8.6, 0.27 * sum(heights) + 1.6, simulated=simulated)
    if isinstance(engine := figure.get_layout_engine(), ConstrainedLayoutEngine):
        engine.set(h_pad=0.1)  # inches: room between a panel's numbers and the next one's title
    panels = np.atleast_1d(figure.subplots(len(findings), 1, height_ratios=heights))
    for number, (axes, finding) in enumerate(zip(panels, findings, strict=True), start=1):
        shown = [*finding.deciding, *finding.beside]
        for row, difference in enumerate(shown):
            colour, decides = VERDICT_COLOURS[difference.verdict], row < len(finding.deciding)
            axes.errorbar(
                [difference.interval.value],
                [row],
                xerr=whiskers([difference.interval]),
                fmt="o" if decides else "D",
                color=colour,
                markersize=7 if decides else 5,
                markerfacecolor=colour if decides else "white",
                capsize=2,
                linewidth=1.4,
            )
        axes.axvline(0.0, color=INK, linewidth=0.8)
        axes.set_yticks(range(len(shown)), [words(d.words) for d in shown])
        axes.set_ylim(len(shown) - 0.5, -0.5)
        tidy_axes(axes, title=f"{number}. {finding.title}: {finding.verdict}")
    panels[-1].set_xlabel("difference in RMSE (m³ m⁻³), 95 % interval over replicates", fontsize=SMALL)
    return figure


_OPENING = {
    "hybrid, physics everywhere": "1. Gain of training on the physics: the hybrid",
    "the same trees on physics, on ground they have not seen": "... the same trees on ground they have not seen",
}


def opening_figure(findings: Sequence[Finding], *, simulated: bool) -> Figure:
    """The differences that decide the findings, each below its words, narrow enough for a telephone."""
    shown = [(number, d) for number, finding in enumerate(findings, start=1) for d in finding.deciding]
    figure = new_figure(4.6, 0.5 * len(shown) + 0.7, simulated=simulated)
    axes = figure.subplots()
    named = {2: "2. Harm of the places", 3: "3. Error that a test at such stations hides"}
    for row, (number, difference) in enumerate(shown):
        colour = VERDICT_COLOURS[difference.verdict]
        axes.errorbar(
            [difference.interval.value],
            [row],
            xerr=whiskers([difference.interval]),
            fmt="o",
            color=colour,
            markersize=7,
            capsize=3,
            linewidth=1.8,
        )
        label = _OPENING.get(difference.words, named.get(number, difference.words))
        place: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": NORMAL}
        behind = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
        axes.text(0.0, row - 0.4, f"{label}: {difference.verdict}", bbox=behind, **place)
    axes.axvline(0.0, color=INK, linewidth=0.8)
    axes.set_yticks([])
    axes.set_ylim(len(shown) - 0.6, -0.75)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("difference in RMSE (m³ m⁻³), 95 % interval", fontsize=SMALL)
    tidy_axes(axes)
    return figure


def _rows(summary: pd.DataFrame, quantity: str, **chosen: object) -> pd.DataFrame:
    found = summary[summary["quantity"] == quantity]
    for name, value in chosen.items():
        found = found[found[name] == value]
    return found


def _interval(rows: pd.DataFrame) -> Interval | None:
    if rows.empty:
        return None
    first = rows.iloc[0]
    return Interval(value=float(first["value"]), low=float(first["low"]), high=float(first["high"]))


def truth_figure(summary: pd.DataFrame, layouts: Sequence[str], stations: int, *, simulated: bool) -> Figure:
    """True RMSE of every method; those that learn from stations once for each layout."""
    figure = new_figure(7.6, 0.42 * len(METHODS) + 1.3, simulated=simulated)
    axes = figure.subplots()
    learners = {method.name for method in learning_from("stations")}
    for row, method in enumerate(METHODS):
        places = layouts if method.name in learners else [PHYSICS]
        for number, layout in enumerate(places):
            of = {"method": method.name, "layout": layout, "stations": stations, "figure": "rmse", "evaluation": TRUE}
            interval = _interval(_rows(summary, "skill", **of))
            if interval is None:
                continue
            colour, marker = LAYOUT_STYLE.get(layout, (INK, "*"))
            at = row + (number - (len(places) - 1) / 2) * 0.15
            label = (layout if layout != PHYSICS else "no stations") if row in (0, len(METHODS) - 1) else None
            axes.errorbar(
                [interval.value],
                [at],
                xerr=whiskers([interval]),
                fmt=marker,
                color=colour,
                markersize=5,
                capsize=2,
                label=label,
            )
    axes.set_yticks(range(len(METHODS)), [method.title for method in METHODS])
    axes.set_ylim(len(METHODS) - 0.5, -0.5)
    axes.set_xlim(left=0.0)
    axes.set_xlabel(f"{_RMSE}, {stations} stations", fontsize=SMALL)
    tidy_axes(axes)
    figure.legend(fontsize=SMALL, frameon=False, loc="outside lower center", ncols=len(layouts) + 1)
    return figure


def optimism_figure(summary: pd.DataFrame, layouts: Sequence[str], *, simulated: bool) -> Figure:
    """By how much smaller the error appears than it is: a panel an evaluation, a column a layout, a mark a method."""
    figure = new_figure(10.4, 3.4, simulated=simulated)
    panels = figure.subplots(1, len(EVALUATIONS), sharey=True)
    methods = [m.name for m in learning_from("stations")]
    for axes, evaluation in zip(panels, EVALUATIONS, strict=True):
        for number, method in enumerate([*methods, "physics_everywhere"]):
            colour, marker = METHOD_STYLE[method]
            for column, layout in enumerate(layouts):
                found = _interval(_rows(summary, "optimism", method=method, layout=layout, evaluation=evaluation.name))
                if found is None:
                    continue
                at, label = column + (number - 1.5) * 0.17, title_of(method) if column == 0 else None
                style: dict[str, Any] = {"fmt": marker, "color": colour, "markersize": 5, "capsize": 2, "label": label}
                axes.errorbar([at], [found.value], yerr=whiskers([found]), **style)
        axes.axhline(0.0, color=INK, linewidth=0.8)
        axes.set_xticks(range(len(layouts)), layouts, rotation=30, ha="right")
        tidy_axes(axes, grid="y", title=evaluation.title)
    panels[0].set_ylabel("optimism: true − apparent RMSE (m³ m⁻³)", fontsize=SMALL)
    handles, labels = panels[1].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=SMALL, frameon=False, loc="outside lower center", ncols=len(labels))
    return figure


def curve_figure(summary: pd.DataFrame, *, simulated: bool) -> Figure:
    """True RMSE against the number of stations, beside methods that need none."""
    figure = new_figure(8.6, 3.8, simulated=simulated)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, method in zip(panels, ("stations_coarse", "stations_only"), strict=True):
        for layout in CURVE_LAYOUTS:
            of = {"method": method, "layout": layout, "evaluation": TRUE, "figure": "rmse"}
            line = _rows(summary, "skill", **of).sort_values("stations")
            colour, marker = LAYOUT_STYLE[layout]
            axes.plot(line["stations"], line["value"], color=colour, marker=marker, markersize=5, label=layout)
            axes.fill_between(line["stations"], line["low"], line["high"], color=colour, alpha=0.2, linewidth=0)
        for name, dashes in zip(_LINES, ("-", "--", "-.", ":"), strict=True):
            found = _interval(_rows(summary, "skill", method=name, layout=PHYSICS, evaluation=TRUE, figure="rmse"))
            if found is not None:
                style: dict[str, Any] = {"color": METHOD_STYLE[name][0], "linestyle": dashes, "linewidth": 1.4}
                axes.axhline(found.value, label=title_of(name), **style)
        axes.set_xscale("log")
        ticks = sorted(set(_rows(summary, "skill", method=method, evaluation=TRUE)["stations"]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticks(ticks)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xlabel("stations", fontsize=SMALL)
        tidy_axes(axes, grid="y", title=title_of(method))
    panels[0].set_ylabel(_RMSE, fontsize=SMALL)
    panels[0].set_ylim(bottom=0.0)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=SMALL, frameon=False, loc="outside lower center", ncols=3)
    return figure


def distance_figure(summary: pd.DataFrame, layouts: Sequence[str], *, simulated: bool) -> Figure:
    """W of the folds by layout: how far held-out distances are from those that the map is predicted over."""
    figure = new_figure(6.4, 3.2, simulated=simulated)
    axes = figure.subplots()
    names = {"random_stations": "random folds of stations", "leave_station_out": "leave-station-out"}
    names |= {e.name: e.title for e in EVALUATIONS if e.folds is not None and e.name not in names}
    colours = zip(
        names, (METHOD_STYLE[m] for m in ("prior", "stations_only", "linear", "stations_coarse")), strict=True
    )
    for number, (folds, (colour, marker)) in enumerate(colours):
        for column, layout in enumerate(layouts):
            found = _interval(_rows(summary, "fold_distance", layout=layout, evaluation=folds))
            if found is None:
                continue
            at, label = column + (number - 1.5) * 0.16, names[folds] if column == 0 else None
            style: dict[str, Any] = {"fmt": marker, "color": colour, "markersize": 5, "capsize": 2, "label": label}
            axes.errorbar([at], [found.value], yerr=whiskers([found]), **style)
    axes.set_xticks(range(len(layouts)), layouts)
    axes.set_ylim(bottom=0.0)
    axes.set_ylabel("W (km)", fontsize=SMALL)
    axes.legend(fontsize=SMALL, frameon=False)
    tidy_axes(axes, grid="y")
    axes.title.set_fontsize(NORMAL)
    return figure
