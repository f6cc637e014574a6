"""Apparent skill by cross-validation at stations, and true skill wall to wall.

Readings teach, the truth judges: a reading's noise would add its variance to every apparent error and hide optimism.
Wherever stations are held out, they are judged on days that no method has learned from, as the wall-to-wall truth is,
so that the two differ in their places alone. ``random_rows`` is the naive split: rows of the very stations and weeks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from downscaler.errors import TrainingError
from downscaler.ground.blocks import Floats
from downscaler.playground.knndm import fold_distances, knndm, prediction_distances, random_folds, w_statistic
from downscaler.playground.method import Lesson, Method
from downscaler.playground.sensor import Readings, Scene
from downscaler.playground.world import Index, World

FOLDS = 5
STATION_FOLDS = 30  # stations beyond it share folds when left out
TRUE = "wall_to_wall"
FIGURES = ("rmse", "bias", "r", "ubrmsd")
Skill = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class CrossValidation:
    """One way to judge a method at its stations; ``folds`` gives each station its fold [n], None splits rows."""

    name: str
    title: str
    folds: Callable[[World, Index, int], NDArray[np.intp]] | None


def _each(world: World, stations: Index, seed: int) -> NDArray[np.intp]:
    return random_folds(len(stations), min(STATION_FOLDS, len(stations)), seed)


def _blocks(world: World, stations: Index, seed: int) -> NDArray[np.intp]:
    names, number = np.unique(world.block[stations], return_inverse=True)
    fold: NDArray[np.intp] = random_folds(len(names), min(FOLDS, len(names)), seed)[number]
    return fold


def _matched(world: World, stations: Index, seed: int) -> NDArray[np.intp]:
    return knndm(world.xy[stations], world.everywhere, folds=min(FOLDS, len(stations)), seed=seed).fold


EVALUATIONS: tuple[CrossValidation, ...] = (
    CrossValidation(name="random_rows", title="random k-fold over rows", folds=None),
    CrossValidation(name="leave_station_out", title="leave-station-out", folds=_each),
    CrossValidation(name="spatial_blocks", title="27 km blocks", folds=_blocks),
    CrossValidation(name="knndm", title="kNNDM", folds=_matched),
)


def score(predicted: NDArray[np.floating], truth: NDArray[np.floating], cell: Index) -> Skill:
    """``FIGURES`` of values at days and cells, each [n]: pooled; ubRMSD as mean over cells of the error's spread."""
    x, y = predicted.astype(np.float64), truth.astype(np.float64)
    error = x - y
    with np.errstate(invalid="ignore", divide="ignore"):
        r = float(((x - x.mean()) * (y - y.mean())).mean() / (x.std() * y.std()))
    count = np.bincount(cell)
    mean, square = (np.bincount(cell, weights=values) / np.maximum(count, 1) for values in (error, error**2))
    spread = np.sqrt(np.maximum(square - mean**2, 0.0))[count >= 2]
    ubrmsd = float(spread.mean()) if len(spread) else np.nan
    return {"rmse": float(np.sqrt((error**2).mean())), "bias": float(error.mean()), "r": r, "ubrmsd": ubrmsd}


def weighted_score(
    predicted: NDArray[np.floating], truth: NDArray[np.floating], cell: Index, weight: NDArray[np.floating]
) -> Skill:
    """``score`` of a sample of cells, each value counting ``weight`` [n]: the domain's sums, over their weights' sum.

    Sums are unbiased by the design (Horvitz & Thompson 1952, doi:10.1080/01621459.1952.10483446); their ratios are but
    for terms of 1 / sample size, and are the domain's own where all is seen (Hajek 1971).
    """
    x, y, w = predicted.astype(np.float64), truth.astype(np.float64), weight / weight.sum()
    error = x - y
    apart_x, apart_y = x - w @ x, y - w @ y
    with np.errstate(invalid="ignore", divide="ignore"):
        r = float(w @ (apart_x * apart_y) / np.sqrt((w @ apart_x**2) * (w @ apart_y**2)))
    count = np.bincount(cell)
    mean, square = (np.bincount(cell, weights=values) / np.maximum(count, 1) for values in (error, error**2))
    of_cell = np.bincount(cell, weights=weight) / np.maximum(count, 1)
    spread, used = np.sqrt(np.maximum(square - mean**2, 0.0)), count >= 2
    ubrmsd = float(np.average(spread[used], weights=of_cell[used])) if used.any() else np.nan
    return {"rmse": float(np.sqrt(w @ error**2)), "bias": float(w @ error), "r": r, "ubrmsd": ubrmsd}


def wall_to_wall(method: Method, scene: Scene, replicate: int = 0) -> tuple[Skill, NDArray[np.float32]]:
    """True skill on the domain's cells and judged days that the sensor saw, and RMSE of each cell [cells], else NaN.

    Of a sample it is the estimate from the cells that are the replicate's own, so that intervals over replicates hold
    what drawing them leaves open.
    """
    world, weight = scene.world, None
    if world.sample is None:
        day, cell = np.nonzero(scene.seen[world.judged])
    else:
        own, of_cell = world.sample.judged[replicate]
        day, at = np.nonzero(scene.seen[np.ix_(world.judged, own)])
        cell, weight = own[at], of_cell[at]
    day = world.judged[day]
    predicted, truth = method.predict(scene, day, cell), world.theta[day, cell]
    square = np.bincount(cell, weights=(predicted - truth).astype(np.float64) ** 2, minlength=world.cells)
    count = np.bincount(cell, minlength=world.cells)
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.sqrt(square / count).astype(np.float32)
    return score(predicted, truth, cell) if weight is None else weighted_score(predicted, truth, cell, weight), error


def at_stations(method: Method, scene: Scene, stations: Index) -> Skill:
    """Apparent skill of a method that has learned from no station: at the stations, on the judged days."""
    day, cell = judged_at(scene, stations)
    return score(method.predict(scene, day, cell), scene.world.theta[day, cell], cell)


def apparent(
    make: type[Method], scene: Scene, readings: Readings, stations: Index, evaluation: CrossValidation, seed: int
) -> Skill | None:
    """Skill that cross-validation promises; None where the stations do not make two folds.

    Args:
        make: a method that learns from stations.
        scene: what the coarse sensor saw.
        readings: of the stations on the learning days.
        stations: their cells, ascending.
        evaluation: how folds are made.
        seed: of folds and fits.
    """
    if evaluation.folds is None:
        return _over_rows(make, scene, readings, seed)
    fold = evaluation.folds(scene.world, stations, seed)
    if len(np.unique(fold)) < 2:
        return None
    of_reading = fold[np.searchsorted(stations, readings.cell)]
    found: list[tuple[NDArray[np.float32], Index, Index]] = []
    for held in np.unique(fold):
        method = _fitted(make, scene, readings.where(of_reading != held), seed)
        day, cell = judged_at(scene, stations[fold == held])
        found.append((method.predict(scene, day, cell), day, cell))
    predicted, day, cell = (np.concatenate(part) for part in zip(*found, strict=True))
    return score(predicted, scene.world.theta[day, cell], cell)


def _over_rows(make: type[Method], scene: Scene, readings: Readings, seed: int) -> Skill:
    fold = random_folds(len(readings.value), FOLDS, seed)
    predicted = np.empty(len(fold), np.float32)
    for held in range(FOLDS):
        method = _fitted(make, scene, readings.where(fold != held), seed)
        out = readings.where(fold == held)
        predicted[fold == held] = method.predict(scene, out.day, out.cell)
    return score(predicted, scene.world.theta[readings.day, readings.cell], readings.cell)


def _fitted(make: type[Method], scene: Scene, readings: Readings, seed: int) -> Method:
    method = make()
    method.fit(Lesson(scene=scene, readings=readings, seed=seed))
    return method


def judged_at(scene: Scene, stations: Index) -> tuple[Index, Index]:
    """Judged days and cells of stations that the sensor saw; raises TrainingError when there are none."""
    judged = scene.world.judged
    day, at = np.nonzero(scene.seen[np.ix_(judged, stations)])
    if not len(day):
        raise TrainingError("The sensor observed no station on any evaluated day", value=f"{len(stations)} stations")
    return judged[day], stations[at]


def geometry(world: World, stations: Index, seed: int) -> dict[str, float]:
    """W (km) of the folds of every evaluation that holds out stations, and of random folds of stations."""
    xy = world.xy[stations]
    wanted: Floats = prediction_distances(world.everywhere, xy)
    folds = {e.name: e.folds(world, stations, seed) for e in EVALUATIONS if e.folds is not None}
    folds["random_stations"] = random_folds(len(stations), min(FOLDS, len(stations)), seed)
    return {
        name: w_statistic(fold_distances(xy, fold), wanted) for name, fold in folds.items() if len(np.unique(fold)) > 1
    }
