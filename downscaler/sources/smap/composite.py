"""Combines overpasses of one day into one field without averaging: pure functions on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from downscaler.sources.smap.flags import successful
from downscaler.sources.smap.times import hours_from, solar_hour

AM, PM = 1, 2
NAMES = {AM: "AM", PM: "PM"}
LOCAL_HOUR = {AM: 6.0, PM: 18.0}  # SMAP's equator crossings, descending and ascending

MERGE_RULE = (
    "Recommended AM retrieval, else recommended PM, else unrecommended AM, else unrecommended PM; never averaged. "
    "Half orbits that overlap on one cell: the recommended one nearest to 06:00 (ascending: 18:00) local solar time."
)


@dataclass(frozen=True, kw_only=True)
class Retrievals:
    """Retrievals on one coarse window, all arrays [y, x].

    ``soil_moisture`` and ``soil_moisture_error`` (float64, m3 m-3, NaN missing), ``recommended`` (bool),
    ``retrieval_qual_flag`` and ``surface_flag`` (uint16), ``observation_time`` (datetime64[s], NaT missing) and
    ``overpass`` (int8: 0 not observed, 1 AM, 2 PM).
    """

    soil_moisture: NDArray[np.float64]
    soil_moisture_error: NDArray[np.float64]
    recommended: NDArray[np.bool_]
    retrieval_qual_flag: NDArray[np.uint16]
    surface_flag: NDArray[np.uint16]
    observation_time: NDArray[np.datetime64]
    overpass: NDArray[np.int8]

    @property
    def rank(self) -> NDArray[np.int8]:
        """0 recommended, 1 successful but not recommended, 2 observed without a retrieval, 3 not observed."""
        found = successful(self.retrieval_qual_flag) & np.isfinite(self.soil_moisture)
        return np.select([self.recommended, found, self.overpass > 0], [0, 1, 2], 3).astype(np.int8)


def choose(passes: Sequence[Retrievals], cost: NDArray[np.floating]) -> Retrievals:
    """All fields of the pass with the least cost at each cell [pass, y, x]; the earlier pass if costs are equal."""
    index = np.argmin(cost, axis=0)[None]
    picked = {
        field.name: np.take_along_axis(np.stack([getattr(p, field.name) for p in passes]), index, axis=0)[0]
        for field in fields(Retrievals)
    }
    return Retrievals(**picked)


def composite_orbits(passes: Sequence[Retrievals], longitude: NDArray[np.float64], hour: float) -> Retrievals:
    """Half orbits of one direction as one field: the better rank, then the time nearest to ``hour`` local solar time.

    ``longitude`` in degrees east of the window's columns [x].
    """
    ranks = np.stack([p.rank for p in passes]).astype(np.float64)
    hours = np.stack([hours_from(solar_hour(p.observation_time, longitude), hour) for p in passes])
    return choose(passes, ranks * 100.0 + np.nan_to_num(hours, nan=24.0))


def merge_overpasses(morning: Retrievals | None, evening: Retrievals | None) -> Retrievals:
    """AM and PM as one field: the better rank, AM where both are alike (the soil is nearest to equilibrium at 6 h)."""
    passes = [p for p in (morning, evening) if p is not None]
    return choose(passes, np.stack([p.rank for p in passes]).astype(np.float64))


def merge(passes: Sequence[tuple[int, Retrievals]], longitude: NDArray[np.float64]) -> Retrievals:
    """All passes of a day, each with its overpass code, as one field by ``MERGE_RULE``."""
    by_overpass: dict[int, list[Retrievals]] = {}
    for overpass, retrievals in passes:
        by_overpass.setdefault(overpass, []).append(retrievals)
    whole = {code: composite_orbits(group, longitude, LOCAL_HOUR[code]) for code, group in by_overpass.items()}
    return merge_overpasses(whole.get(AM), whole.get(PM))
