"""Figures of a validation report, in the house style: each function returns a matplotlib Figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import TwoSlopeNorm
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, MaxNLocator
from numpy.typing import NDArray

from downscaler.report.style import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, SKY, VERMILION, new_figure, tidy_axes
from downscaler.validation.matchups import PRIOR, PRODUCT, SMAP
from downscaler.validation.representativeness import Representativeness
from downscaler.validation.summary import Findings

Floats = NDArray[np.float64]
COLOURS = {PRODUCT: BLUE, SMAP: ORANGE, PRIOR: GREEN}
NAMES = {PRODUCT: "product", SMAP: "SMAP", PRIOR: "prior"}
_MOST_NAMED = 12  # strata named in one panel
_SERIES = 3
_GAIN = "gain_over_smap_rmsd"


def map_figure(findings: Findings, backdrop: tuple[Floats, tuple[float, float, float, float]] | None = None) -> Figure:
    """Stations coloured by their paired gain over SMAP, ringed where its interval is clear of zero.

    Args:
        findings: the validation.
        backdrop: elevation in m [y, x] with its west, east, south and north edge in degrees, where a prior tells it.
    """
    table = findings.sites[np.isfinite(findings.sites[_GAIN])]
    west, east, south, north = _edges(table, backdrop)
    shape = (east - west) * np.cos(np.deg2rad((south + north) / 2)) / (north - south)
    width = float(np.clip(1.9 + 4.6 * shape, 5.5, 9.5))
    figure = new_figure(width, 5.2, "Where the product gains over SMAP", simulated=findings.document["simulated"])
    axes = figure.subplots()
    if backdrop is not None:
        field, extent = backdrop
        axes.imshow(field, extent=extent, cmap="Greys", alpha=0.45, aspect="auto", interpolation="bilinear")
    gain = table[_GAIN].to_numpy()
    reach = float(max(np.quantile(np.abs(gain), 0.95) if gain.size else 0.0, 0.005))
    clear = ((table[f"{_GAIN}_low"] > 0) | (table[f"{_GAIN}_high"] < 0)).to_numpy()
    style: dict[str, Any] = {"cmap": "RdBu", "norm": TwoSlopeNorm(0.0, -reach, reach)}
    for ringed, width in ((False, 0.4), (True, 1.6)):
        use = clear == ringed
        points = axes.scatter(
            table["lon"][use], table["lat"][use], c=gain[use], s=46, edgecolors=INK, linewidths=width, **style
        )
    bar = figure.colorbar(points, ax=axes, shrink=0.85, extend="both")
    bar.set_label("RMSD of SMAP less that of the product (m³ m⁻³): blue is better", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    axes.set_aspect(1.0 / np.cos(np.deg2rad((south + north) / 2)))
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_xlabel("longitude (°)", fontsize=8)
    axes.set_ylabel("latitude (°)", fontsize=8)
    tidy_axes(axes, grid="both")
    return figure


def _edges(table: pd.DataFrame, backdrop: Any) -> tuple[float, float, float, float]:
    """West, east, south and north of a map: the domain's where it is known, else around the stations."""
    if backdrop is not None:
        west, east, south, north = backdrop[1]
        return west, east, south, north
    margin = 0.05 + 0.05 * max(np.ptp(table["lon"]), np.ptp(table["lat"]))
    lon, lat = table["lon"], table["lat"]
    return lon.min() - margin, lon.max() + margin, lat.min() - margin, lat.max() + margin


def gains_figure(document: Mapping[str, Any]) -> Figure:
    """The headline: paired differences with intervals, against every baseline."""
    shown = {"rmsd": "RMSD", "ubrmsd": "ubRMSD", "abs_bias": "|bias|"}, {"r": "R", "anomaly_r": "anomaly R"}
    baselines = list(document["gains"])
    figure = new_figure(8.6, 2.9, "Paired differences, product better to the right", simulated=document["simulated"])
    for axes, names, unit in zip(figure.subplots(1, 2, width_ratios=(3, 2)), shown, ("m³ m⁻³", "–"), strict=True):
        for number, baseline in enumerate(baselines):
            rows = np.arange(len(names)) + (number - (len(baselines) - 1) / 2) * 0.24
            entries = [document["gains"][baseline][name] for name in names]
            _intervals(axes, rows, entries, COLOURS.get(baseline, PURPLE), f"over {NAMES.get(baseline, baseline)}")
        axes.axvline(0.0, color=INK, linewidth=0.8)
        axes.set_yticks(range(len(names)), list(names.values()))
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlabel(f"difference ({unit})", fontsize=8)
        tidy_axes(axes)
    figure.axes[0].legend(fontsize=8, frameon=False, loc="best")
    return figure


def _intervals(
    axes: Any, rows: NDArray[np.floating], entries: Sequence[Mapping[str, Any]], colour: str, label: str
) -> None:
    known = [(row, e) for row, e in zip(rows, entries, strict=True) if e["value"] is not None]
    if not known:
        return
    value = np.array([e["value"] for _, e in known])
    low, high = (np.array([e[end] if e[end] is not None else e["value"] for _, e in known]) for end in ("low", "high"))
    errors = np.maximum(np.stack([value - low, high - value]), 0.0)
    axes.errorbar(
        value, [row for row, _ in known], xerr=errors, fmt="o", color=colour, markersize=5, capsize=2, label=label
    )


def scatter_figure(findings: Findings) -> Figure:
    """All pairs: each estimate against the stations, as density."""
    held = findings.contest
    figure = new_figure(3.1 * len(held.estimates) + 0.6, 3.4, "All pairs", simulated=findings.document["simulated"])
    use = held.pairs & held.enough[:, None]
    panels = figure.subplots(1, len(held.estimates), sharex=True, sharey=True, squeeze=False)[0]
    top = max(float(np.quantile(held.stations[use], 0.999)), 0.3)
    drawn = []
    for axes, (name, values) in zip(panels, held.estimates.items(), strict=True):
        box = (0.0, top, 0.0, top)
        drawn.append(
            axes.hexbin(held.stations[use], values[use], gridsize=40, extent=box, mincnt=1, bins="log", cmap="viridis")
        )
        axes.plot([0, top], [0, top], color=VERMILION, linewidth=1)
        entry = findings.document["estimates"][name]["rmsd"]["value"]
        axes.set_title(f"{NAMES.get(name, name)}: RMSD {entry:.3f}", fontsize=9, loc="left")
        axes.set_xlabel("stations (m³ m⁻³)", fontsize=8)
        tidy_axes(axes, grid="both")
    panels[0].set_ylabel("estimate (m³ m⁻³)", fontsize=8)
    most = max([2.0, *(float(each.get_array().max()) for each in drawn if len(each.get_array()))])
    for each in drawn:  # one scale, since there is one bar
        each.set_clim(1.0, most)
    bar = figure.colorbar(drawn[-1], ax=list(panels), shrink=0.85, format=LogFormatter())
    bar.ax.yaxis.set_minor_formatter(LogFormatter())
    bar.set_label("pairs", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    return figure


def strata_figure(document: Mapping[str, Any]) -> Figure:
    """The gain over SMAP by stratum, with intervals; open markers stand on fewer than five sites."""
    rows: list[tuple[str, Mapping[str, Any]]] = []
    for kind, found in document["strata"].items():
        largest = sorted(found.items(), key=lambda entry: -entry[1]["pairs"])[:_MOST_NAMED]
        rows += [(f"{kind}: {name}  (n = {row['sites']})", row) for name, row in sorted(largest)]
    figure = new_figure(8.6, 1.0 + 0.24 * len(rows), "Gain over SMAP by stratum", simulated=document["simulated"])
    axes = figure.subplots()
    for few, face in ((False, BLUE), (True, "white")):
        known = [(n, row["gain_over_smap"]["rmsd"]) for n, (_, row) in enumerate(rows) if row["few"] == few]
        known = [(n, entry) for n, entry in known if entry["value"] is not None]
        for number, entry in known:
            ends = [entry["low"], entry["high"]]
            if None not in ends:
                axes.plot(ends, [number, number], color=BLUE, linewidth=1.2)
            axes.plot(entry["value"], number, "o", color=BLUE, markerfacecolor=face, markersize=5)
    axes.axvline(0.0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("RMSD of SMAP less that of the product (m³ m⁻³)", fontsize=8)
    tidy_axes(axes)
    return figure


def stations_figure(findings: Findings) -> Figure:
    """Every station's own gain over SMAP with its interval, in order."""
    table = findings.sites[np.isfinite(findings.sites[_GAIN])].sort_values(_GAIN, ignore_index=True)
    figure = new_figure(8.6, 3.0, "Gain over SMAP, station by station", simulated=findings.document["simulated"])
    axes = figure.subplots()
    value, low, high = (table[f"{_GAIN}{end}"].to_numpy() for end in ("", "_low", "_high"))
    colour = np.where(low > 0, BLUE, np.where(high < 0, VERMILION, GREY))
    axes.vlines(range(len(table)), low, high, colors=colour.tolist(), linewidth=1)
    axes.scatter(range(len(table)), value, c=colour.tolist(), s=10, zorder=3)
    axes.axhline(0.0, color=INK, linewidth=0.8)
    axes.set_xlabel("stations, from the least to the largest gain (blue and orange: clear of zero)", fontsize=8)
    axes.set_ylabel("gain in RMSD (m³ m⁻³)", fontsize=8)
    axes.set_xticks([])
    tidy_axes(axes, grid="y")
    return figure


def series_figure(findings: Findings) -> Figure:
    """Station, product and SMAP in time at the stations of the least, the middle and the largest gain."""
    table = findings.sites[np.isfinite(findings.sites[_GAIN])].sort_values(_GAIN)
    chosen = table.index[np.unique(np.linspace(0, len(table) - 1, _SERIES).astype(int))]
    held, days = findings.contest, findings.matchups.days.astype("datetime64[s]")
    figure = new_figure(
        8.6, 0.6 + 1.6 * len(chosen), "Least, median and largest gain", simulated=findings.document["simulated"]
    )
    for axes, site in zip(figure.subplots(len(chosen), 1, sharex=True, squeeze=False)[:, 0], chosen, strict=True):
        at = held.pairs[site]
        axes.plot(days[at], held.stations[site, at], "o", color=INK, markersize=3, label="station")
        for name, marker in ((PRODUCT, "s"), (SMAP, "^")):
            axes.plot(
                days[at], held.estimates[name][site, at], marker, color=COLOURS[name], markersize=3, label=NAMES[name]
            )
        place = findings.matchups.sites[site]
        axes.set_title(f"{place.name}: gain {table[_GAIN][site]:+.3f} m³ m⁻³", fontsize=8, loc="left")
        axes.set_ylabel("m³ m⁻³", fontsize=8)
        tidy_axes(axes, grid="both")
    figure.axes[0].legend(fontsize=7.5, frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1.0, 1.0))
    # even steps over the ends of months, or two dates stand on each other
    locator: Any = AutoDateLocator(maxticks=8, interval_multiples=False)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    return figure


def representativeness_figure(found: Representativeness, *, simulated: bool) -> Figure:
    """How the stations' ground departs from the domain's, before and after weights, and how unlike the domain is."""
    count = len(found.features)
    figure = new_figure(8.6, max(2.6, 1.0 + 0.27 * count), "Do the stations represent the domain?", simulated=simulated)
    shift, unlike = figure.subplots(1, 2, width_ratios=(1.2, 1))
    rows = np.arange(count)
    for values, colour, label in (
        (found.shift, VERMILION, "stations as they are"),
        (found.reweighted_shift, BLUE, "reweighted"),
    ):
        shift.plot([values[name] for name in found.features], rows, "o", color=colour, markersize=5, label=label)
    shift.axvline(0.0, color=INK, linewidth=0.8)
    shift.axvspan(-0.25, 0.25, color=SKY, alpha=0.3, linewidth=0)
    shift.set_yticks(rows, [name.replace("_", " ") for name in found.features])
    shift.set_ylim(count - 0.5, -0.5)
    shift.set_xlabel("stations less domain (standard deviations of the domain)", fontsize=8)
    shift.legend(fontsize=7.5, frameon=False, loc="best")
    tidy_axes(shift)
    edge = max(float(np.quantile(found.dissimilarity, 0.99)), 1.3 * found.threshold)
    unlike.hist(np.minimum(found.dissimilarity, edge), bins=40, range=(0, edge), color=SKY, edgecolor="white")
    unlike.axvline(found.threshold, color=VERMILION, linewidth=1.2)
    unlike.set_title(f"{100 * found.share:.0f} % of the domain is like some station", fontsize=9, loc="left")
    unlike.set_xlabel("dissimilarity to the nearest station; line: threshold", fontsize=8)
    unlike.set_ylabel("sampled cells", fontsize=8)
    tidy_axes(unlike, grid="y")
    return figure
