"""Estimates how fast SMAP's retrievals age relative to a prior, from granules or from the prior alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from downscaler.errors import TrainingError
from downscaler.ground.coarse_day import CoarseDay
from downscaler.ground.grid import Domain, EaseGrid
from downscaler.ground.prior import Prior
from downscaler.method.coarse_prior import coarse_days
from downscaler.method.decay import Decay, departures, fit_decay
from downscaler.method.hybrid import DEFAULT_ERROR
from downscaler.method.matching import Matching

Floats = NDArray[np.floating]
ENOUGH_DAYS = 30  # days with retrievals that a decay can be learned from
MOST_DAYS = 120  # newest days of an archive or record that are read
_MOST_CELLS = 4000  # all share one decay; a regular sample of a large domain tells as much


def smap_decay(
    days: Iterable[CoarseDay], prior: Prior, domain: Domain, *, climatology: bool, matching: Matching | None
) -> tuple[Decay, int]:
    """The decay of SMAP's own departures from the prior, with SMAP's nominal error, and from how many days it is.

    The prior's error is never less than a retrieval's, so that a carried value is not said to be surer than a fresh
    one.

    Args:
        days: oldest first, on one grid, days between may lack.
        prior: covers the domain.
        domain: theirs.
        climatology: whether its climatology stands for it, learned from days that the climatology is not made of; else
            its own days, learned from days that it has.
        matching: SMAP into the prior's climatology.

    Raises:
        TrainingError: fewer than ``ENOUGH_DAYS`` days, or too few pairs of retrievals near each other in time.
    """
    stored = prior.data["time"].values.astype("datetime64[D]")
    record: dict[dt.date, Floats] = {}
    for day in days:
        if climatology != (np.datetime64(day.date) in stored):
            seen = np.where(day.data["recommended"].values, day.data["soil_moisture"].values, np.nan)
            record[day.date] = (matching.to_prior(seen, day.date) if matching else seen).astype(np.float32)
            grid = day.grid
    if len(record) < ENOUGH_DAYS:
        raise TrainingError(
            "Too few days of SMAP to estimate how retrievals age", value=len(record), allowed=f">= {ENOUGH_DAYS}"
        )
    dates = list(record)
    means, _ = coarse_days(prior, domain, grid, dates, climatology=climatology)
    decay = fit_decay(_daily(np.stack(list(record.values())) - means, dates), observation_error=DEFAULT_ERROR)
    return replace(decay, prior_error=max(decay.prior_error, DEFAULT_ERROR)), len(record)


def prior_decay(prior: Prior, domain: Domain, grid: EaseGrid) -> Decay:
    """The decay of the prior's own departures from its level, for want of enough of SMAP's.

    How far the prior is from SMAP this cannot tell: SMAP's nominal error stands for it, added to the departures'
    spread. For a prior that has the days themselves the result is an upper bound.

    Raises:
        TrainingError: the record is too short.
    """
    dates = [day.item() for day in prior.data["time"].values.astype("datetime64[D]")[-MOST_DAYS:]]
    means, _ = coarse_days(prior, domain, grid, dates)
    decay = fit_decay(departures(_daily(means, dates)), observation_error=0.0)
    error = float(np.hypot(decay.prior_error, DEFAULT_ERROR))
    return replace(decay, prior_error=error, observation_error=DEFAULT_ERROR)


def _daily(record: Floats, dates: Sequence[dt.date]) -> Floats:
    """The record [n, nyc, nxc] as [time, cell], one entry a day and NaN in gaps, of cells with any value."""
    flat = record.reshape(len(record), -1)
    flat = flat[:, np.isfinite(flat).any(axis=0)]
    flat = flat[:, :: max(1, -(-flat.shape[1] // _MOST_CELLS))]
    position = np.array([(date - dates[0]).days for date in dates])
    result = np.full((int(position[-1]) + 1, flat.shape[1]), np.nan)
    result[position] = flat
    return result
