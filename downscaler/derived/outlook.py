"""What soil moisture may be in some days: the analysis' departure from climatology fades, and the interval grows.

A cell's departure from its climatology d(t) is expected to be a_h d(t) after h days, with a_h learned from the record
of a model. Climatology is the cell's mean and, where the record has three years or more, a share of its wave of the
year. A lead is given only where it beats persistence and climatology on stretches of the record that its fit had not
seen.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from downscaler import product
from downscaler.derived.rootzone import PARTS, error_of
from downscaler.ground.blocks import Floats

LEADS = product.OUTLOOK_LEADS
LEAST_DAYS = 200
"""Days of a record that an outlook can be learned from: most of the seasons."""
SEASONS = 3.0  # years of record from which on its wave counts: that of one year is mostly the year's weather
_GAP = 14  # days beside a held-out stretch that are not learned from
_MARGIN = 0.99  # of the best rival's mean square that a lead has to be below: less is a tie
_RIDGE = 0.1  # weight of all cells' fading beside a cell's own
_LEAST_VARIANCE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Fading:
    """What was learned of some cells.

    ``level`` is [...], m3 m-3; ``wave`` [2, ...] the cosine and sine of the year that count; ``left`` [lead, ...] the
    share of a departure that is left, 0 to 1; ``errors`` [lead, ...] standard deviations of what it gets wrong from a
    known start, not falling with the lead; ``given`` [lead, ...] 1 where a lead is given, else 0.
    """

    level: Floats
    wave: Floats
    left: Floats
    errors: Floats
    given: Floats

    def climatology(self, angle: float) -> Floats:
        """What is usual at an angle of the year, radians: [...], m3 m-3."""
        return np.asarray(self.level + np.cos(angle) * self.wave[0] + np.sin(angle) * self.wave[1])


def angles_of(days_of_year: NDArray[np.integer]) -> Floats:
    """Angle of the year, radians."""
    return np.asarray(2.0 * np.pi * np.asarray(days_of_year, np.float64) / 365.25)


def look_ahead(theta: Floats, sigma: Floats, date: dt.date, fading: Fading) -> tuple[Floats, Floats]:
    """Expected soil moisture of all leads and its standard uncertainty, [lead, ...] m3 m-3.

    Args:
        theta: the analysis [...], m3 m-3.
        sigma: its standard uncertainty.
        date: its day.
        fading: of the same cells.

    Returns:
        NaN where the analysis or the state has no value, or the lead is not given.
    """
    usual = [fading.climatology(_angle(date + dt.timedelta(days=days))) for days in (0, *LEADS)]
    departure = theta - usual[0]
    made = np.stack([later + left * departure for later, left in zip(usual[1:], fading.left, strict=True)])
    found = np.where(fading.given > 0.5, np.clip(made, product.THETA_MIN, product.THETA_MAX), np.nan)
    grown = np.maximum.accumulate(np.sqrt(fading.errors**2 + (fading.left * sigma) ** 2))
    return found, np.where(np.isfinite(found), np.minimum(grown, product.THETA_MAX), np.nan)


def _angle(date: dt.date) -> float:
    return float(angles_of(np.asarray(date.timetuple().tm_yday)))


def outlook_rasters(values: Floats, errors: Floats, flags: NDArray[np.integer]) -> dict[str, NDArray[Any]]:
    """All rasters of an outlook by name; a cell without any lead bears FILL.

    Args:
        values: expected soil moisture [lead, y, x], m3 m-3, and
        errors: its standard uncertainty.
        flags: of the day's analysis.
    """
    fields: dict[str, NDArray[Any]] = {}
    for days, value, error in zip(LEADS, values, errors, strict=True):
        fields |= {f"soil_moisture_day{days}": value, f"uncertainty_day{days}": error}
    empty = ~np.isfinite(values).any(axis=0)
    return fields | {"quality_flag": np.where(empty, np.uint16(product.Flag.FILL), flags)}


def learn_fading(theta: Floats, angles: Floats) -> Fading:
    """Learn how departures fade from the record of some cells; leads are judged for these cells together.

    Args:
        theta: [day, cell] without gaps in days, m3 m-3; NaN on days that the record lacks.
        angles: of the year [day], radians.

    Raises:
        ValueError: too few days.
    """
    known: NDArray[np.bool_] = np.asarray(np.isfinite(theta).all(axis=1))
    if known.sum() < LEAST_DAYS:
        raise ValueError(f"{int(known.sum())} days; {LEAST_DAYS} or more are needed")
    whole, gains = _fit(theta, angles, known), np.zeros((len(LEADS), PARTS))
    missed: list[list[Floats]] = [[] for _ in LEADS]
    for part, held in enumerate(np.array_split(np.flatnonzero(known), PARTS)):
        away = np.asarray(known & ~_near(len(theta), held))
        own, targets = _fit(theta, angles, away), np.isin(np.arange(len(theta)), held)
        level, (cosine, sine) = _calendar(theta, angles, away)
        wave = level + np.cos(angles)[:, None] * cosine + np.sin(angles)[:, None] * sine
        usual, mean = _climatology_of(own, angles), theta[away].mean(axis=0)
        for number, days in enumerate(LEADS):
            starts = np.flatnonzero(known[:-days] & targets[days:] & known[days:])
            ends = starts + days
            made = usual[ends] + own.left[number] * (theta[starts] - usual[starts])
            errors, gains[number, part] = _judged(theta[ends], made, (theta[starts], mean, wave[ends]))
            missed[number].append(errors)
    given = (gains.mean(axis=1) > 0).astype(np.float64)
    return Fading(
        level=whole.level,
        wave=whole.wave,
        left=whole.left,
        errors=np.maximum.accumulate(np.stack([error_of(np.concatenate(errors)) for errors in missed])),
        given=np.repeat(given[:, None], theta.shape[1], axis=1),
    )


def _near(days: int, held: NDArray[np.intp]) -> NDArray[np.bool_]:
    number = np.arange(days)
    return np.asarray((number >= held[0] - _GAP) & (number <= held[-1] + _GAP))


def _fit(theta: Floats, angles: Floats, use: NDArray[np.bool_]) -> Fading:
    """Climatology and fading on some days, with no errors yet; pairs of days both count where both are used."""
    level, (cosine, sine) = _calendar(theta, angles, use)
    share = season_share(float(use.sum()) / 365.25)
    wave = share * np.stack([cosine, sine])
    mean = level if share else theta[use].mean(axis=0)
    made = Fading(level=mean, wave=wave, left=np.empty(0), errors=np.empty(0), given=np.empty(0))
    departures = theta - _climatology_of(made, angles)
    lefts = []
    for days in LEADS:
        both = use[:-days] & use[days:]
        start, end = departures[:-days][both], departures[days:][both]
        square, shared = (start**2).sum(axis=0), (start * end).sum(axis=0)
        usual = shared.sum() / max(float(square.sum()), _LEAST_VARIANCE)
        weight = square + _LEAST_VARIANCE
        lefts.append(np.clip((shared + (_RIDGE * weight + _LEAST_VARIANCE) * usual) / ((1 + _RIDGE) * weight), 0, 1))
    return Fading(level=mean, wave=wave, left=np.stack(lefts), errors=np.empty(0), given=np.empty(0))


def season_share(years: float) -> float:
    """How far the wave of a record's year counts: y / (y + 1) from three years on, not at all before."""
    return years / (years + 1.0) if years >= SEASONS else 0.0


def _calendar(theta: Floats, angles: Floats, use: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Constant [cell], and cosine and sine [2, cell], of the wave of the year that fits some days."""
    waves = np.stack([np.ones_like(angles), np.cos(angles), np.sin(angles)], axis=1)[use]
    found = np.linalg.lstsq(waves, theta[use], rcond=None)[0]
    return found[0], found[1:]


def _climatology_of(fading: Fading, angles: Floats) -> Floats:
    """[day, cell] for all angles."""
    return np.asarray(
        fading.level + np.cos(angles)[:, None] * fading.wave[0] + np.sin(angles)[:, None] * fading.wave[1]
    )


def _judged(truth: Floats, made: Floats, rivals: Sequence[Floats]) -> tuple[Floats, float]:
    """Errors of a lead on held-out days [n, cell], and by how much its mean square is below the best rival's.

    Rivals are persistence, the mean of the days learned from, and the wave of the year fitted on them. All start from
    the record itself: what an analysis does not know is in outlook and persistence alike.
    """
    errors = truth - made
    return errors, float(_MARGIN * min(((truth - rival) ** 2).mean() for rival in rivals) - (errors**2).mean())
