"""The playground's maps: where errors are on the ground, and where stations and errors are in feature space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from downscaler.ground.blocks import Floats
from downscaler.playground.experiment import PHYSICS
from downscaler.playground.findings import USUAL
from downscaler.playground.methods import title_of
from downscaler.playground.world import World
from downscaler.report.style import INK, NORMAL, RULE, SMALL, VERMILION, new_figure, tidy_axes

_BINS, _LEAST = 11, 5  # bins along an axis of feature space; cells below which a bin is left empty
BLOCK_KM = 9.008  # a SMAP cell's edge
_SIZE, _CHANGE, _RATIO = "cividis", "PuOr", "PuOr"  # colour maps that all eyes can read


def error_maps(world: World, maps: pd.DataFrame, network: str, *, simulated: bool) -> Figure:
    """Mean RMSE of each cell: XGBoost on random and on the network's stations, their difference, the hybrid."""
    random, real = (maps[f"rmse_{USUAL}_{layout}"].to_numpy() for layout in ("random", network))
    hybrid = maps[f"rmse_physics_everywhere_{PHYSICS}"].to_numpy()
    figure = new_figure(9.6, 7.0, simulated=simulated)
    panels = figure.subplots(2, 2).ravel()
    top = float(np.nanquantile(np.concatenate([random, real, hybrid]), 0.98))
    shown = {
        f"a. {title_of(USUAL)}: random": random,
        f"b. {title_of(USUAL)}: {network}": real,
        f"d. {title_of('physics_everywhere')}": hybrid,
    }
    for axes, (title, values) in zip((panels[0], panels[1], panels[3]), shown.items(), strict=True):
        image = _map(axes, world, values, title, cmap=_SIZE, vmin=0.0, vmax=top)
    # the stations of one replicate are few; where they may stand is better seen over all
    count = maps[f"stations_{network}"].to_numpy()
    panels[1].scatter(*_points(world, count > 0), s=5, color=VERMILION, edgecolors="white", linewidths=0.3)
    figure.colorbar(image, ax=[panels[0], panels[1], panels[3]], label="RMSE (m³ m⁻³)", shrink=0.6)
    change = real - random
    reach = float(np.nanquantile(np.abs(change), 0.98))
    difference = _map(panels[2], world, change, f"c. {network} − random", cmap=_CHANGE, vmin=-reach, vmax=reach)
    figure.colorbar(difference, ax=panels[2], label="m³ m⁻³", shrink=0.7)
    return figure


def _points(world: World, chosen: Any) -> tuple[Floats, Floats]:
    """Where cells are drawn: pixels of a window, km of a sample."""
    if world.sample is not None:
        return world.xy[chosen, 0], world.xy[chosen, 1]
    rows, columns = np.nonzero(world.ground.active)
    return columns[chosen].astype(float), rows[chosen].astype(float)


def _map(axes: Any, world: World, values: Floats, title: str, **how: Any) -> Any:
    image = _pixels(axes, world, values, **how) if world.sample is None else _dots(axes, world, values, **how)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, fontsize=NORMAL, loc="left")
    return image


def _pixels(axes: Any, world: World, values: Floats, **how: Any) -> Any:
    image = axes.imshow(world.field(values), interpolation="nearest", **how)
    rows, columns = np.nonzero(world.ground.active)
    axes.set_xlim(columns.min() - 1, columns.max() + 1)
    axes.set_ylim(rows.max() + 1, rows.min() - 1)
    _scale_bar(axes, world)
    return image


def _dots(axes: Any, world: World, values: Floats, **how: Any) -> Any:
    """Sampled SMAP cells as dots, large enough to be seen, on the domain's land."""
    assert world.sample is not None
    axes.scatter(*world.sample.everywhere.T, s=0.4, color=RULE, linewidths=0)
    known = np.isfinite(values)
    blocks, number = np.unique(np.floor(world.xy[known] / BLOCK_KM), axis=0, return_inverse=True)
    mean = np.bincount(number.ravel(), weights=values[known]) / np.bincount(number.ravel())
    image = axes.scatter(*((blocks + 0.5) * BLOCK_KM).T, c=mean, s=9, marker="s", linewidths=0, **how)
    axes.set_aspect("equal")
    left, bottom = world.sample.everywhere.min(axis=0)
    width = float(np.ptp(world.sample.everywhere[:, 0]))
    length = max(step for step in (10, 20, 50, 100, 200, 500) if step <= max(width / 4.0, 10.0))
    below = bottom - 0.04 * width
    axes.plot([left, left + length], [below, below], color=INK, linewidth=2)
    axes.text(left, below - 0.01 * width, f"{length} km", fontsize=SMALL - 1, color=INK, va="top")
    return image


def _scale_bar(axes: Any, world: World) -> None:
    """Twenty kilometres in the corner with the least land."""
    rows, columns = np.nonzero(world.ground.active)
    top, bottom, left, right = rows.min() + 3, rows.max() - 1, columns.min() + 2, columns.max() - 22
    corners = [(y, x) for y in (top, bottom) for x in (left, right)]
    y, x = min(corners, key=lambda c: int(world.ground.active[max(c[0] - 5, 0) : c[0] + 2, c[1] : c[1] + 20].sum()))
    halo = [withStroke(linewidth=4, foreground="white")]  # maps are dark in places
    axes.plot([x, x + 20], [y, y], color=INK, linewidth=2, path_effects=halo)
    below = y == top
    style = {"fontsize": SMALL - 1, "color": INK, "va": "top" if below else "bottom"}
    axes.text(
        x, y + 1 if below else y - 1, "20 km", path_effects=[withStroke(linewidth=2, foreground="white")], **style
    )


def feature_axes(world: World) -> tuple[Floats, tuple[str, str]]:
    """Cells on the leading two principal axes of the siting covariates, standardised [cells, 2]; the axes in words."""
    names = list(world.siting)
    table = np.stack([world.siting[name] for name in names], axis=1)
    standard = (table - table.mean(axis=0)) / table.std(axis=0)
    direction = np.linalg.svd(standard, full_matrices=False)[2][:2]
    direction = direction * np.sign(direction[np.arange(len(direction)), np.abs(direction).argmax(axis=1)])[:, None]
    labels = [_in_words(names, axis) for axis in direction]
    if len(direction) < 2:
        return np.concatenate([standard @ direction.T, np.zeros((len(table), 1))], axis=1), (labels[0], "")
    return standard @ direction.T, (labels[0], labels[1])


def _in_words(names: Sequence[str], axis: Floats) -> str:
    leading = np.argsort(-np.abs(axis))[:3]
    return ", ".join(f"{'+' if axis[i] > 0 else '−'} {names[i].replace('_', ' ')}" for i in leading)


def feature_space(world: World, maps: pd.DataFrame, layouts: Sequence[str], *, simulated: bool) -> Figure:
    """A column a layout: stations a cell against the domain's mean, and RMSE, by place in feature space."""
    points, labels = feature_axes(world)
    edges = [np.quantile(points[:, axis], [0.005, 0.995]) for axis in (0, 1)]
    bins = [np.linspace(low, high + 1e-6, _BINS + 1) for low, high in edges]
    weight = np.ones(len(points)) if world.sample is None else world.sample.weight
    held = _total(points, bins, (weight > 0).astype(float))
    cells = _total(points, bins, weight)
    figure = new_figure(2.6 * len(layouts) + 1.2, 5.6, simulated=simulated)
    panels = figure.subplots(2, len(layouts), sharex=True, sharey=True, squeeze=False)
    errors = {layout: _by_bin(points, bins, maps[f"rmse_{USUAL}_{layout}"].to_numpy()) for layout in layouts}
    top = float(np.nanmax([np.nanquantile(field, 0.98) for field in errors.values()]))
    for column, layout in enumerate(layouts):
        count = maps[f"stations_{layout}"].to_numpy().astype(float)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = _total(points, bins, count) / cells / (count.sum() / weight.sum())
            ratio = np.where(held >= _LEAST, share, np.nan)
        density = _panel(panels[0, column], bins, ratio, {"cmap": _RATIO, "norm": TwoSlopeNorm(1.0, 0.0, 4.0)})
        field = np.where(held >= _LEAST, errors[layout], np.nan)
        image = _panel(panels[1, column], bins, field, {"cmap": _SIZE, "vmin": 0.0, "vmax": top})
        tidy_axes(panels[0, column], title=layout, grid=None)
        tidy_axes(panels[1, column], grid=None)
    figure.colorbar(density, ax=panels[0].tolist(), label="stations a cell / domain mean", extend="max")
    figure.colorbar(image, ax=panels[1].tolist(), label=f"RMSE (m³ m⁻³)\n{title_of(USUAL)}")
    figure.supxlabel(labels[0], fontsize=SMALL)
    figure.supylabel(labels[1], fontsize=SMALL)
    return figure


def _panel(axes: Any, bins: Sequence[Floats], values: Floats, how: Mapping[str, Any]) -> Any:
    return axes.pcolormesh(bins[0], bins[1], values.T, **how)


def _total(points: Floats, bins: Sequence[Floats], weights: Floats) -> Floats:
    total: Floats = np.histogram2d(points[:, 0], points[:, 1], bins=bins, weights=weights)[0]
    return total


def _by_bin(points: Floats, bins: Sequence[Floats], values: Floats) -> Floats:
    known = np.isfinite(values)
    total, count = (_total(points[known], bins, w) for w in (values[known], np.ones(int(known.sum()))))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Floats = np.where(count > 0, total / count, np.nan)
    return mean
