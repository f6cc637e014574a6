"""All figures of an experiment as one long table: what, of which method and layout, with its interval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd

from downscaler.playground.evaluations import EVALUATIONS, FIGURES, TRUE
from downscaler.playground.experiment import PHYSICS, Record
from downscaler.playground.findings import Table, geometries
from downscaler.playground.methods import learning_from
from downscaler.playground.world import World
from downscaler.skill.interval import Interval, mean_interval

COLUMNS = ("quantity", "method", "layout", "evaluation", "stations", "figure", "units", "value", "low", "high")
_UNITS = {"rmse": "m3 m-3", "bias": "m3 m-3", "ubrmsd": "m3 m-3", "r": "1", "w": "km"}


def summary(table: Table, records: Sequence[Record]) -> pd.DataFrame:
    """Means over replicates with 95 % intervals.

    ``quantity`` is ``skill`` (each figure as it is), ``optimism``, ``location_penalty``, ``gain`` (RMSE, over
    XGBoost on random stations + coarse) or ``fold_distance`` (W of the folds). Rows without two replicates
    are left out.
    """
    rows = [*_skills(table), *_optimisms(table), *_penalties(table), *_gains(table), *_distances(records)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _entry(quantity: str, keys: tuple[str, str, str, int], figure: str, interval: Interval) -> dict[str, Any]:
    named = dict(zip(("method", "layout", "evaluation", "stations"), keys, strict=True))
    ends = {"value": interval.value, "low": interval.low, "high": interval.high}
    return {"quantity": quantity, **named, "figure": figure, "units": _UNITS[figure], **ends}


def _skills(table: Table) -> Iterator[dict[str, Any]]:
    names = ["method", "layout", "evaluation", "stations"]
    for keys, group in table.rows.groupby(names, sort=True):
        method, layout, evaluation, count = cast("tuple[str, str, str, int]", keys)
        for figure in FIGURES:
            values = group[figure].dropna()
            if len(values) >= 2:
                yield _entry("skill", (method, layout, evaluation, int(count)), figure, mean_interval(values))


def _optimisms(table: Table) -> Iterator[dict[str, Any]]:
    for method in sorted(table.rows["method"].unique()):
        for layout in table.layouts:
            for evaluation in EVALUATIONS:
                found = table.optimism(method, layout, evaluation.name)
                if found is not None:
                    yield _entry("optimism", (method, layout, evaluation.name, table.stations), "rmse", found)


def _penalties(table: Table) -> Iterator[dict[str, Any]]:
    for method in learning_from("stations"):
        for layout in table.layouts:
            found = table.penalty(method.name, layout) if layout != "random" else None
            if found is not None:
                yield _entry("location_penalty", (method.name, layout, TRUE, table.stations), "rmse", found)


def _gains(table: Table) -> Iterator[dict[str, Any]]:
    for method in learning_from("physics", "nothing"):
        found = table.gain(method.name)
        if found is not None:
            yield _entry("gain", (method.name, PHYSICS, TRUE, table.stations), "rmse", found)


def _distances(records: Sequence[Record]) -> Iterator[dict[str, Any]]:
    count = max((record.cell.stations for record in records if record.geometry), default=0)
    for keys, group in geometries(records).groupby(["layout", "folds"], sort=True):
        layout, folds = cast("tuple[str, str]", keys)
        if len(group) >= 2:
            yield _entry("fold_distance", ("", layout, folds, count), "w", mean_interval(group["w"]))


def maps(world: World, records: Sequence[Record]) -> pd.DataFrame:
    """A row a cell: where it is, what siting looks at, stations by layout, mean RMSE by method and layout.

    ``x`` and ``y`` are EASE-Grid 2.0 metres; ``stations_LAYOUT`` counts stations over the replicates;
    ``rmse_METHOD_LAYOUT`` is m3 m-3, NaN where the cell was not seen on any judged day. Of a sampled domain the rows
    are the cells that are held, ``weight`` how many of the domain each stands for, 0 where it holds stations alone.
    """
    columns: dict[str, Any] = {"x": world.xy[:, 0] * 1000.0, "y": world.xy[:, 1] * 1000.0, **world.siting}
    if world.sample is not None:
        columns["weight"] = world.sample.weight
    full = [record for record in records if record.cell.full]
    for layout in dict.fromkeys(record.cell.layout for record in full):
        chosen = [record for record in full if record.cell.layout == layout]
        if layout != PHYSICS:
            columns[f"stations_{layout}"] = sum(np.bincount(r.stations, minlength=world.cells) for r in chosen)
        for method in chosen[0].errors:
            columns[f"rmse_{method}_{layout}"] = _mean([record.errors[method] for record in chosen])
    return pd.DataFrame(columns)


def _mean(errors: Sequence[np.ndarray[Any, np.dtype[np.float32]]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    stack = np.stack(errors).astype(np.float64)
    known = np.isfinite(stack)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: np.ndarray[Any, np.dtype[np.float64]] = np.where(known, stack, 0.0).sum(axis=0) / known.sum(axis=0)
    return mean
