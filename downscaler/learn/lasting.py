"""Errors within SMAP's cells in a stretch of the record that nothing was learned from.

Trees are calibrated on stretches of some weeks within the record, where the level of each cell is known from the weeks
around. In another season it is not: what is left there lasts for weeks. Whole fifths of the record tell its size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from downscaler.ground.blocks import Bools, Floats, block_mean, spread_blocks
from downscaler.learn.calibration import quantile
from downscaler.method.coarse.response import FOLDS, GAP, predict
from downscaler.method.hybrid import Branch
from downscaler.product import INTERVAL

_EVERY = 7  # of the 1 km cells, one is looked at
_MOST = 4.0


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Errors [n] of one day's cells where the coarse field is kept exactly, m3 m-3, and the ``fold`` they are of."""

    fold: int
    errors: Floats


def kept_days(
    fine: Floats, coarse: Floats, days: NDArray[np.integer], active: Bools, ratio: int, count: int
) -> Iterator[Kept]:
    """Some days of contiguous fifths, each by the response of the others a week apart.

    Args:
        fine: active cells [time, cells], m3 m-3.
        coarse: block means [time, nyc, nxc].
        days: of the record, ascending [time].
        active: [ny, nx].
        ratio: fine cells along one edge of a coarse cell.
        count: days of all fifths together.
    """
    for fold, held in enumerate(np.array_split(np.arange(len(days)), FOLDS)):
        others = np.flatnonzero((days < days[held[0]] - GAP) | (days > days[held[-1]] + GAP))
        wanted = held[:: max(1, FOLDS * len(held) // max(count, 1))]
        made = predict(fine, coarse, days, active, ratio, others)[wanted]
        for errors in fine[wanted] - made:
            field = np.full(active.shape, np.nan)
            field[active] = errors
            kept = field - spread_blocks(block_mean(field, active, ratio), ratio)
            yield Kept(fold=fold, errors=kept[active][::_EVERY])


def lasting_error(kept: Sequence[Kept]) -> float:
    """What 90 % of the errors of all fifths lie below, m3 m-3; 0 where nothing is known."""
    if not kept:
        return 0.0
    return quantile(np.abs(np.concatenate([day.errors for day in kept])), INTERVAL)


def widened(branch: Branch, figures: Mapping[str, Any], within: float) -> tuple[Branch, dict[str, Any]]:
    """A branch whose interval is wide enough for a season not seen, and its figures with that factor.

    Args:
        branch: calibrated on stretches within the record.
        figures: of its training, with ``within_90`` of these stretches.
        within: the same of whole fifths, see ``lasting_error``.
    """
    short = float(figures["within_90"])
    factor = float(np.clip(within / short, 1.0, _MOST)) if short > 0 else 1.0
    below, above = branch.stretch
    stretch = factor * below, factor * above
    return replace(branch, stretch=stretch), {**figures, "lasting": round(factor, 3), "stretch": list(stretch)}
