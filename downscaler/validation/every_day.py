"""Judges analyses on every day, seen by SMAP or not: by age of the last retrieval, beside that retrieval carried on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from downscaler.validation.matchups import PRODUCT, Matchups, coverage
from downscaler.validation.skill import MIN_PAIRS, Contest, contest, together, within
from downscaler.validation.summary import HEADLINE, SHOWN, as_plain

Floats = NDArray[np.float64]
CARRIED = "carried"
"""The last SMAP-conserving value of the cell: what a user has between passes without an analysis."""
AGES: Mapping[str, tuple[float, float]] = {
    "the day itself": (0, 0),
    "1 or 2 days": (1, 2),
    "3 to 5 days": (3, 5),
    "6 days or more": (6, np.inf),
    "none in the window": (np.nan, np.nan),
}
"""Ages of the last retrieval, first and last of each class."""


def carried(values: Floats) -> Floats:
    """Each site's last value up to each day [sites, days], NaN before the first."""
    known = np.isfinite(values)
    last = np.maximum.accumulate(np.where(known, np.arange(values.shape[1]), -1), axis=1)
    return np.where(last >= 0, np.take_along_axis(values, np.maximum(last, 0), axis=1), np.nan)


def judged(
    matchups: Matchups,
    age: Floats,
    interval: tuple[Floats, Floats],
    before: Floats | None = None,
    *,
    min_pairs: int = MIN_PAIRS,
    seed: int = 0,
) -> dict[str, Any]:
    """Figures of all days and by age of the last retrieval, everything at the same sites and days.

    Args:
        matchups: analyses, daily means of the stations and perhaps the prior, without SMAP.
        age: of the last retrieval [sites, days], d; NaN without one.
        interval: ends of the published interval [sites, days], m3 m-3.
        before: SMAP-conserving values carried forward [sites, days]; None where the catalogue has none.
        min_pairs: pairs that a site needs.
        seed: of the bootstrap.

    Returns:
        Numbers of ``pairs``, ``sites`` and ``days``, ``estimates`` and ``gains`` with 95 % intervals, ``coverage`` of
        the 90 % interval, and ``ages`` with the same of each class of age that has enough pairs.

    Raises:
        ValidationError: no site has enough pairs.
    """
    held = contest(matchups, min_pairs=min_pairs, seed=seed)
    if before is not None and (wider := together(held, {CARRIED: before})).enough.any():
        held = wider
    parts = {name: within(held, _of_age(age, *ends)) for name, ends in AGES.items()}
    return _figures(held, matchups, interval) | {
        "ages": {name: _figures(part, matchups, interval) for name, part in parts.items() if part.enough.any()}
    }


def _of_age(age: Floats, first: float, last: float) -> NDArray[np.bool_]:
    return np.isnan(age) if np.isnan(first) else (age >= first) & (age <= last)


def _figures(held: Contest, matchups: Matchups, interval: tuple[Floats, Floats]) -> dict[str, Any]:
    used = held.pairs & held.enough[:, None]
    baselines = [name for name in held.estimates if name != PRODUCT]
    return {
        "pairs": int(used.sum()),
        "sites": int(held.enough.sum()),
        "days": int(used.any(axis=0).sum()),
        "estimates": {name: {m: as_plain(held.average(made[m])) for m in SHOWN} for name, made in held.metrics.items()},
        "gains": {name: {g: as_plain(held.average(held.gains(name)[g])) for g in HEADLINE} for name in baselines},
        "coverage": coverage(matchups, *interval, where=used),
    }
