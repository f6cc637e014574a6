"""Intervals of the trees widened for a season that nothing was learned from.

Trees are calibrated on stretches of some weeks within the record, where the level of each cell is known from the weeks
around. In another season it is not: what is left there lasts for weeks. Whole fifths of the record tell its size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from downscaler.method.hybrid import Branch

_MOST = 4.0


def widened(branch: Branch, figures: Mapping[str, Any], within: float) -> tuple[Branch, dict[str, Any]]:
    """A branch whose interval is wide enough for a season not seen, and its figures with that factor.

    Args:
        branch: calibrated on stretches within the record.
        figures: of its training, with ``within_90`` of these stretches.
        within: the same of whole fifths, see ``misses.expected``; 0 where it is not known.
    """
    short = float(figures["within_90"])
    factor = float(np.clip(within / short, 1.0, _MOST)) if short > 0 else 1.0
    below, above = branch.stretch
    stretch = factor * below, factor * above
    return replace(branch, stretch=stretch), {**figures, "lasting": round(factor, 3), "stretch": list(stretch)}
