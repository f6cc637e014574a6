"""Antecedent weather that a store keeps ready: on the soil of a tile, where it says all that its days would say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from downscaler.ground.blocks import Bools, Floats
from downscaler.method.forcing import COVER


@dataclass(frozen=True, kw_only=True)
class Antecedent:
    """Predictors of one day made from ``precipitation`` or from ``air_temperature``, on one tile.

    Attributes:
        fields: by name [y, x]; NaN all over where the run of days is too short for one.
        known: cells [y, x] with values on all of the days.
        partly: cells [y, x] with values on some of the days alone.
    """

    fields: Mapping[str, Floats]
    known: Bools
    partly: Bools

    def on(self, active: Bools) -> dict[str, Floats] | None:
        """The predictors of the active cells [n]; None where only the days themselves can tell.

        Cells without weather on any day take the mean of the others, which is what filling day by day gives
        (``forcing.forcing_until``), since all predictors are sums over the days.
        """
        if self.partly[active].any():
            return None
        known = self.known[active]
        if known.sum() < COVER * known.size:
            return None
        listed: dict[str, Floats] = {
            name: np.asarray(values[active], np.float64) for name, values in self.fields.items()
        }
        if known.all():
            return listed
        return {name: np.where(known, values, values[known].mean()) for name, values in listed.items()}
