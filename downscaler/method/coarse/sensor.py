"""What SMAP is on a day, found in its own passes: its footprint and the size of its errors."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from downscaler.ground.blocks import Floats
from downscaler.method.coarse.geometry import REACH, Component
from downscaler.method.coarse.observation import Observation, smear, smeared
from downscaler.method.coarse.space_time import BLOCK, Passes, log_likelihoods

FOOTPRINT = 36.0  # km, 3 dB width of SMAP's antenna on the ground
ERRORS = (0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.06)  # m3 m-3, among which SMAP's error is found
SHARES = (2.0 / 3.0, 1.0 / 3.0, 0.0)  # of their variance that is smooth
# Spreads of a window's departures over those of the record, and how far from 1 they are expected (of the logarithm).
SCALES, _USUAL = (0.7, 1.0, 1.4, 2.0, 2.8), 0.5
_BELIEF = 0.3  # power of the likelihood of one block: its model is an approximation, and a window holds one drought
_FAR = 8  # coarse cells over which a footprint is followed
_MOST_BLOCKS = 9  # blocks that SMAP's error is found from
_FEWEST_VALUES = 60  # retrievals of a block and its passes below which the nominal error is taken
_FEWEST_OF_PASS, _FEWEST_IN_ALL = 8, 24  # of a block, and of all blocks together, where there is but one pass


@dataclass(frozen=True, kw_only=True)
class Background:
    """What is known of the coarse cells [nyc, nxc] without SMAP, in the prior's climatology; NaN without land.

    ``level`` is the record's mean, ``seen`` the same through SMAP's footprint, ``spread`` the standard deviation of
    coarse days, ``day`` the expected departure of the day itself, ``slow`` its running mean and ``passes``
    [n, nyc, nxc] the departure on the days of the passes (0 without weather), m3 m-3. ``weather`` says whether weather
    made them, ``model`` whether they are a model's own days, whose soils and rain err where the land's do not.
    """

    level: Floats
    seen: Floats
    spread: Floats
    day: Floats
    slow: Floats
    passes: Floats
    weather: bool = False
    model: bool = False

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


@dataclass(frozen=True, kw_only=True)
class PassError:
    """What one pass tells of itself: standard error of its retrievals as means of their own cells [nyc, nxc], m3 m-3.

    ``scale`` is the size of the day's departures over the record's. ``found`` is False where there are too few
    retrievals to tell: the sensor is the mean of the cell then and the error SMAP's nominal one.
    """

    error: Floats
    sensor: Sensor
    observation: Observation
    scale: float
    found: bool


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

    Taken from the blocks with most retrievals. A few passes alone tell as one does, see ``pass_error``; the mean of the
    cell and SMAP's nominal error where there are fewer still.
    """
    if parts := _fullest(seen, background, _FEWEST_VALUES):
        sensor, found, _ = _likeliest(parts, SHARES, (1.0,), ages, components, cell_km)
        return sensor, found
    if np.isfinite(seen).sum() >= _FEWEST_IN_ALL:
        parts = _fullest(seen, background, _FEWEST_OF_PASS)
    sensor, found, _ = _likeliest(parts, SHARES[:1], SCALES, ages, components, cell_km)
    return sensor, found


def find_scale(
    seen: Floats,
    ages: NDArray[np.floating],
    background: Background,
    components: tuple[Component, ...],
    found: tuple[Sensor, Observation],
    cell_km: float,
) -> float:
    """How much larger than usual departures are in the window, by what SMAP saw of them; 1 where it saw nothing.

    A record of a year has seen one season of a sort. Where passes lie farther from its level than its days did, less of
    that is taken for SMAP's error, and errors are told larger: root mean square of ``SCALES``, each as likely as it
    makes a block's retrievals (a power posterior, Bissiri et al. 2016, doi:10.1111/rssb.12158), about 1 before.

    Args:
        seen: retrievals in the prior's climatology [n, nyc, nxc], m3 m-3.
        ages: of the passes, days [n].
        background: what is known without them.
        components: how departures go together.
        found: what SMAP is, of ``find_sensor``.
        cell_km: edge of a coarse cell.
    """
    sensor, observation = found
    scores, inner = [], slice(_FAR, -_FAR)
    full = [] if background.model else _fullest(seen, background, _FEWEST_VALUES)
    for values, land in full or _fullest(seen, background, _FEWEST_OF_PASS):
        wide = departures(values, ages, land, sensor, cell_km)
        passes = Passes(values=wide.values[:, inner, inner], ages=wide.ages)
        spreads = (scale * land.spread[inner, inner] for scale in SCALES)
        scores.append([log_likelihoods(passes, each, components, [observation], cell_km)[0] for each in spreads])
    if not scores:
        return 1.0
    scales = np.array(SCALES)
    likely = _BELIEF * np.mean(scores, axis=0) + np.array([_before(scale) for scale in SCALES])
    weights = np.exp(likely - likely.max())
    return float(np.sqrt(weights @ scales**2 / weights.sum()))


def pass_error(seen: Floats, background: Background, components: tuple[Component, ...], cell_km: float) -> PassError:
    """Standard error of one pass's retrievals, and what it is made of.

    Sensor, error and size of the day's departures (``SCALES``) are those that make the pass likeliest, two thirds of
    the error smooth: one pass does not tell its own smooth part from the weather. A footprint adds what it makes of
    the cell's level, and of departures.

    Args:
        seen: the retrievals in the prior's climatology [nyc, nxc], m3 m-3, NaN where none is used.
        background: what is known without them; of one pass, ``passes`` [1, nyc, nxc].
        components: how departures go together.
        cell_km: edge of a coarse cell.
    """
    parts = _fullest(seen[None], background, _FEWEST_OF_PASS)
    if np.isfinite(seen).sum() < _FEWEST_IN_ALL:
        parts = []
    sensor, found, scale = _likeliest(parts, SHARES[:1], SCALES, np.zeros(1), components, cell_km)
    of_level = sensor.level * np.nan_to_num(background.seen - background.level)
    of_departures = smearing(components, sensor.width, cell_km) * scale * np.nan_to_num(background.spread)
    error = np.asarray(np.sqrt(found.error**2 + of_level**2 + of_departures**2))
    return PassError(error=error, sensor=sensor, observation=found, scale=scale, found=bool(parts))


def smearing(components: tuple[Component, ...], width: float, cell_km: float) -> float:
    """Standard deviation of what a footprint of a 3 dB width (km) makes of a cell's departure, in spreads."""
    if width <= 0:
        return 0.0
    size = 2 * int(np.ceil(1.5 * width / cell_km)) + 1
    y, x = (axis.ravel() * cell_km for axis in np.mgrid[:size, :size])
    distance, centre = np.hypot(y[:, None] - y, x[:, None] - x), size**2 // 2
    change = smear(np.zeros((size, size)), cell_km, width)[centre]
    change[centre] -= 1.0
    variance = sum(part.share * float(change @ np.exp(-distance / part.km) @ change) for part in components)
    return float(np.sqrt(max(variance, 0.0)))


def _likeliest(
    parts: list[tuple[Floats, Background]],
    shares: tuple[float, ...],
    scales: tuple[float, ...],
    ages: NDArray[np.floating],
    components: tuple[Component, ...],
    cell_km: float,
) -> tuple[Sensor, Observation, float]:
    """The likeliest sensor, error and scale of departures on some blocks.

    The mean of the cell, SMAP's nominal error and usual departures without any.
    """
    best, chosen, inner = -np.inf, (SENSORS[0], Observation(), 1.0), slice(_FAR, -_FAR)
    for sensor, scale in itertools.product(SENSORS, scales) if parts else ():
        trials = [
            Observation(error=error, smooth_share=share, footprint=sensor.width) for share in shares for error in ERRORS
        ]
        scores = []
        for values, land in parts:
            wide = departures(values, ages, land, sensor, cell_km)
            passes = Passes(values=wide.values[:, inner, inner], ages=wide.ages)
            scores.append(log_likelihoods(passes, scale * land.spread[inner, inner], components, trials, cell_km))
        for trial, *each in zip(trials, *scores, strict=True):
            score = sum(each) + _before(scale)
            if score > best:
                best, chosen = score, (sensor, trial, scale)
    return chosen


def _before(scale: float) -> float:
    """Logarithm of how likely a scale is before anything is seen."""
    return float(-0.5 * (np.log(scale) / _USUAL) ** 2)


def _fullest(seen: Floats, background: Background, fewest: int) -> list[tuple[Floats, Background]]:
    """Blocks with most retrievals, ``fewest`` at least, each with surroundings and ``_FAR`` cells more.

    What is seen, and what is known without it.
    """
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
    chosen = [k for k in np.argsort(-count, axis=None, kind="stable") if count.flat[k] >= fewest]
    step = max(1, len(chosen) // _MOST_BLOCKS)
    parts = []
    for number in chosen[::step][:_MOST_BLOCKS]:
        row, column = (int(k) * BLOCK for k in np.unravel_index(number, count.shape))
        cut = ..., slice(row, row + width), slice(column, column + width)
        parts.append((values[cut], land.mapped(itemgetter(cut))))
    return parts
