"""What SMAP is on a day, found in its own passes: its footprint and the size of its errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from downscaler.ground.blocks import Floats
from downscaler.method.coarse.geometry import REACH, Component
from downscaler.method.coarse.observation import Observation, smeared
from downscaler.method.coarse.space_time import BLOCK, Passes, log_likelihoods

FOOTPRINT = 36.0  # km, 3 dB width of SMAP's antenna on the ground
ERRORS = (0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.06)  # m3 m-3, among which SMAP's error is found
SHARES = (2.0 / 3.0, 1.0 / 3.0, 0.0)  # of their variance that is smooth
_FAR = 8  # coarse cells over which a footprint is followed
_MOST_BLOCKS = 9  # blocks that SMAP's error is found from
_FEWEST_VALUES = 60  # retrievals below which the nominal error is taken


@dataclass(frozen=True, kw_only=True)
class Background:
    """What is known of the coarse cells [nyc, nxc] without SMAP, in the prior's climatology; NaN without land.

    ``level`` is the record's mean, ``seen`` the same through SMAP's footprint, ``spread`` the standard deviation of
    coarse days, ``day`` the expected departure of the day itself, ``slow`` its running mean and ``passes``
    [n, nyc, nxc] the departure on the days of the passes (0 without weather), m3 m-3. ``weather`` says whether weather
    made them.
    """

    level: Floats
    seen: Floats
    spread: Floats
    day: Floats
    slow: Floats
    passes: Floats
    weather: bool = False

    def mapped(self, change: Callable[[Floats], Floats]) -> Background:
        """The same with all arrays changed alike."""
        level, seen, spread, day, slow, passes = map(
            change, (self.level, self.seen, self.spread, self.day, self.slow, self.passes)
        )
        return replace(self, level=level, seen=seen, spread=spread, day=day, slow=slow, passes=passes)


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """What a retrieval may be: share ``level`` of the footprint's effect on the level (0 to 1), and ``width``, km."""

    level: float
    width: float


SENSORS = (
    Sensor(level=0.0, width=0.0),  # the mean of its cell
    Sensor(level=0.5, width=0.7 * FOOTPRINT),  # sharpened, as the enhanced product is in part
    Sensor(level=1.0, width=FOOTPRINT),
    Sensor(level=0.0, width=FOOTPRINT),  # smeared, but matched to the climatology of the cell
)


def departures(
    seen: Floats, ages: NDArray[np.floating], background: Background, sensor: Sensor, cell_km: float
) -> Passes:
    """Retrievals less what is expected of them: the sensor smears the departures that weather makes, too."""
    expected = background.level + sensor.level * np.nan_to_num(background.seen - background.level)
    made = smeared(background.passes, np.isfinite(background.level), cell_km, sensor.width)
    return Passes(values=seen - expected - made, ages=np.asarray(ages, np.float64))


def find_sensor(
    seen: Floats,
    ages: NDArray[np.floating],
    background: Background,
    components: tuple[Component, ...],
    cell_km: float,
) -> tuple[Sensor, Observation]:
    """The sensor and the error that make what was seen likeliest, among ``SENSORS`` and ``ERRORS``.

    Taken from the blocks with most retrievals; the mean of the cell and SMAP's nominal error where there are too few.
    """
    best, chosen = -np.inf, (SENSORS[0], Observation())
    parts, inner = _fullest(seen, background), slice(_FAR, -_FAR)
    for sensor in SENSORS if parts else ():
        trials = [
            Observation(error=error, smooth_share=share, footprint=sensor.width) for share in SHARES for error in ERRORS
        ]
        scores = []
        for values, land in parts:
            wide = departures(values, ages, land, sensor, cell_km)
            passes, spread = Passes(values=wide.values[:, inner, inner], ages=wide.ages), land.spread[inner, inner]
            scores.append(log_likelihoods(passes, spread, components, trials, cell_km))
        for trial, *each in zip(trials, *scores, strict=True):
            if sum(each) > best:
                best, chosen = sum(each), (sensor, trial)
    return chosen


def _fullest(seen: Floats, background: Background) -> list[tuple[Floats, Background]]:
    """Blocks with most retrievals, each with its surroundings and ``_FAR`` cells more: what is seen, and without it."""
    width, margin = (2 * REACH + 1) * BLOCK + 2 * _FAR, REACH * BLOCK + _FAR
    rows, columns = (-(-n // BLOCK) for n in background.spread.shape)
    sizes = zip(background.spread.shape, (rows, columns), strict=True)
    frame = [(margin, count * BLOCK - n + margin) for n, count in sizes]

    def padded(field: Floats) -> Floats:
        return np.pad(field, [*[(0, 0)] * (field.ndim - 2), *frame], constant_values=np.nan)

    values = padded(seen)
    land = background.mapped(padded)
    known = (np.isfinite(values) & np.isfinite(land.spread) & np.isfinite(land.level)).sum(axis=0)
    inner = known[margin : margin + rows * BLOCK, margin : margin + columns * BLOCK]
    count = inner.reshape(rows, BLOCK, columns, BLOCK).sum(axis=(1, 3))
    chosen = [k for k in np.argsort(-count, axis=None, kind="stable") if count.flat[k] >= _FEWEST_VALUES]
    step = max(1, len(chosen) // _MOST_BLOCKS)
    parts = []
    for number in chosen[::step][:_MOST_BLOCKS]:
        row, column = (int(k) * BLOCK for k in np.unravel_index(number, count.shape))
        cut = ..., slice(row, row + width), slice(column, column + width)
        parts.append((values[cut], land.mapped(itemgetter(cut))))
    return parts
