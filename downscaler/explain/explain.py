"""Shapley values of a branch's correction, by group of predictors and by direction.

Contributions are XGBoost's own exact TreeSHAP (Lundberg et al. 2020, doi:10.1038/s42256-019-0138-9): they and the base
value add up to the prediction, in m3 m-3. A group's contribution to a row is the sum over its features, so that
correlated features of a group do not share the credit twice. Intervals resample whole days (cluster bootstrap), as the
cells of one day are not independent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray
from scipy.stats import rankdata

from downscaler.explain.expectations import expectation, family_of, group_of, ordered
from downscaler.ground.blocks import Floats
from downscaler.method.features import MISSING
from downscaler.skill.interval import Interval, interval

BOOTSTRAPS = 300
TOP, LARGEST, LEAST_SHARE = 14, 5, 0.002  # features with a sentence; how many for their size alone
STATES = ("dry", "medium", "wet")
LEAST_CORRELATION = 0.1  # below it a direction is not worth a sentence
AGREES, DISAGREES, UNCLEAR, OPEN = "yes", "no", "no clear direction", "either is physical"


@dataclass(frozen=True, kw_only=True)
class Importance:
    """Mean |contribution| (m3 m-3) with its 95 % interval, and its share of the sum over all of its kind."""

    name: str
    mean_abs: Interval
    share: float


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What a feature does: rank correlation of value and contribution, and whether that agrees with physics.

    ``agrees`` is yes, no, no clear direction, or either is physical.
    """

    feature: str
    group: str
    family: str
    mean_abs: Interval
    rank_correlation: Interval
    expected_sign: int
    agrees: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One branch explained on ``rows`` cells of ``days`` tile-days.

    ``states`` gives each family's share in the dry, medium and wet third of the rows by their coarse value: wetness
    decides which processes set the pattern (Grayson et al. 1997, doi:10.1029/97WR02174).
    """

    branch: str
    rows: int
    days: int
    base: float
    groups: tuple[Importance, ...]
    families: tuple[Importance, ...]
    features: tuple[Importance, ...]
    effects: tuple[Effect, ...]
    states: Mapping[str, Mapping[str, float]]


def contributions(booster: xgb.Booster, rows: Floats, names: Sequence[str]) -> tuple[Floats, float]:
    """Shapley values [rows, features] of a booster's predictions and their base value, m3 m-3.

    ``rows`` is [rows, features] in the order of ``names``; NaN is unknown. The values of a row and the base add up to
    its prediction.
    """
    found = booster.predict(xgb.DMatrix(rows, feature_names=list(names)), pred_contribs=True)
    return found[:, :-1].astype(np.float64), float(found[0, -1])


def explain(
    booster: xgb.Booster,
    rows: Floats,
    names: Sequence[str],
    day: NDArray[np.integer[Any]],
    *,
    branch: str = "",
    bootstraps: int = BOOTSTRAPS,
    seed: int = 0,
) -> Explanation:
    """Explain a booster on a sample of rows.

    Args:
        booster: predicts the correction, m3 m-3.
        rows: predictors [rows, features]; NaN is unknown.
        names: of the features, declared in ``downscaler.method.features``; KeyError for another.
        day: label of the tile-day of each row [rows]; days are resampled as a whole.
        branch: name to show.
        bootstraps: resamples behind each interval.
        seed: of the resampling.
    """
    values, base = contributions(booster, rows, names)
    label = np.unique(day, return_inverse=True)[1]
    weights = _resamples(int(label.max()) + 1, bootstraps, seed)
    features = _importances(dict(zip(names, values.T, strict=True)), label, weights)
    groups = _importances(_sums(values, names, group_of), label, weights)
    by_family = _sums(values, names, family_of)
    by_size = sorted(features, key=lambda f: -f.mean_abs.value)
    column = {name: number for number, name in enumerate(names)}
    patterned = any(group_of(name) == "pattern" for name in names)
    effects = [
        _effect(f, rows[:, column[f.name]], values[:, column[f.name]], label, weights, patterned=patterned)
        for f in _leading(by_size)
    ]
    return Explanation(
        branch=branch,
        rows=len(rows),
        days=weights.shape[1],
        base=base,
        groups=tuple(groups),
        families=tuple(_importances(by_family, label, weights)),
        features=tuple(by_size),
        effects=tuple(effects),
        states=_states(by_family, rows, names),
    )


def _leading(by_size: Sequence[Importance]) -> list[Importance]:
    """The largest features, and of the rest those that physics has a word on, down to a share of ``LEAST_SHARE``."""
    named = [f for f in by_size[LARGEST:] if expectation(f.name).sign and f.share >= LEAST_SHARE]
    return [f for f in [*by_size[:LARGEST], *named][:TOP] if f.mean_abs.value > 0]


def _sums(values: Floats, names: Sequence[str], kind: Callable[[str], str]) -> dict[str, Floats]:
    """Contributions summed by kind of feature: kind -> [rows]."""
    kinds = [kind(name) for name in names]
    found = {k: values[:, [i for i, other in enumerate(kinds) if other == k]].sum(axis=1) for k in dict.fromkeys(kinds)}
    return {k: found[k] for k in ordered(found)} if kind is family_of else found


def _resamples(days: int, bootstraps: int, seed: int) -> NDArray[np.float64]:
    """How often each day counts [1 + bootstraps, days]; the first row is the sample itself."""
    draws = np.random.default_rng(seed).multinomial(days, np.full(days, 1.0 / days), size=bootstraps)
    return np.vstack([np.ones(days), draws]).astype(np.float64)


def _importances(
    kinds: Mapping[str, Floats], label: NDArray[np.intp], weights: NDArray[np.float64]
) -> list[Importance]:
    count = weights @ np.bincount(label)
    means = {
        name: weights @ np.bincount(label, weights=np.abs(values)) / np.maximum(count, 1)
        for name, values in kinds.items()
    }
    total = sum(float(mean[0]) for mean in means.values())
    return [
        Importance(
            name=name, mean_abs=interval(mean, weights.shape[1]), share=float(mean[0]) / total if total > 0 else 0.0
        )
        for name, mean in means.items()
    ]


def _effect(
    feature: Importance,
    value: Floats,
    contribution: Floats,
    label: NDArray[np.intp],
    weights: NDArray[np.float64],
    *,
    patterned: bool,
) -> Effect:
    known = np.isfinite(value) & (value != MISSING)
    correlations = rank_correlation(value[known], contribution[known], label[known], weights)
    correlation = interval(correlations, np.unique(label[known]).size)
    awaited = expectation(feature.name)
    found = _verdict(correlation, awaited.sign)
    return Effect(
        feature=feature.name,
        group=group_of(feature.name),
        family=family_of(feature.name),
        mean_abs=feature.mean_abs,
        rank_correlation=correlation,
        expected_sign=awaited.sign,
        agrees=found,
        sentence=_sentence(feature.name, awaited.more, correlation, found, patterned=patterned),
    )


def rank_correlation(
    x: Floats, y: Floats, label: NDArray[np.intp], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Spearman's rank correlation of the sample and of its resamples [1 + bootstraps], NaN where either is constant.

    The ranks are those of the whole sample, so a resample is a weighted correlation of them.

    Args:
        x: values [rows].
        y: values [rows].
        label: day of each row [rows].
        weights: how often each day counts [1 + bootstraps, days].
    """
    if x.size < 3:
        return np.full(len(weights), np.nan)
    a, b = (rankdata(v) / v.size - 0.5 for v in (x, y))
    days = weights.shape[1]
    terms = np.stack([np.bincount(label, t, minlength=days) for t in (np.ones(x.size), a, b, a * a, b * b, a * b)])
    n, sa, sb, saa, sbb, sab = terms @ weights.T
    with np.errstate(invalid="ignore", divide="ignore"):
        covariance, va, vb = sab / n - sa * sb / n**2, saa / n - (sa / n) ** 2, sbb / n - (sb / n) ** 2
        return np.where((va > 1e-12) & (vb > 1e-12), covariance / np.sqrt(va * vb), np.nan)


def _verdict(correlation: Interval, sign: int) -> str:
    sure = abs(correlation.value) >= LEAST_CORRELATION and correlation.low * correlation.high > 0
    if not sure:
        return UNCLEAR
    if sign == 0:
        return OPEN
    return AGREES if sign * correlation.value > 0 else DISAGREES


def _sentence(name: str, more: str, correlation: Interval, agrees: str, *, patterned: bool) -> str:
    """The effect in a hydrologist's words."""
    begin = more[0].upper() + more[1:]
    if agrees == UNCLEAR:
        return f"{begin}: no single direction; the effect depends on the state of the cell."
    turn = "wetter" if correlation.value > 0 else "drier"
    tail = {
        AGREES: "as physics says",
        DISAGREES: "against what physics says of it alone",
        OPEN: "which physics allows either way",
    }[agrees]
    # the mean pattern is added before the correction, so a static field acts here only beyond its usual effect
    beyond = patterned and group_of(name) == "static"
    return f"{begin} makes the cell {turn}{' than its usual pattern' if beyond else ''}, {tail}."


def _states(kinds: Mapping[str, Floats], rows: Floats, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Shares of the kinds in each third of the rows by coarse soil moisture; empty without that feature."""
    if "coarse" not in names:
        return {}
    wetness = rankdata(rows[:, names.index("coarse")], method="ordinal")
    third = np.minimum((wetness - 1) * len(STATES) // max(len(rows), 1), len(STATES) - 1)
    found = {}
    for number, state in enumerate(STATES):
        means = {
            k: float(np.abs(v[third == number]).mean()) if (third == number).any() else 0.0 for k, v in kinds.items()
        }
        total = sum(means.values()) or 1.0
        found[state] = {k: mean / total for k, mean in means.items()}
    return found
