"""A day that was read and can be downscaled, and what is to be said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from downscaler.ground.coarse_day import CoarseDay


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A day to be downscaled; ``analysis`` says what an analysis rests on, empty for SMAP's own retrievals."""

    day: CoarseDay
    analysis: Mapping[str, Any] = field(default_factory=dict)
    caveats: tuple[str, ...] = ()
