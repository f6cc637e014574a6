"""Percentiles: an analysis against earlier years' analyses of its season, and against the prior while these are few."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from downscaler.errors import ConfigError, PriorCoverageError
from flows.derived.jobs import DerivedJob

if TYPE_CHECKING:
    from catalog.reading.stack import StackedDay
    from downscaler.derived.composite import ErrorMemory
    from downscaler.derived.percentile import Reference
    from downscaler.ground.blocks import Bools, Floats
    from downscaler.ground.grid import Domain, Window
    from downscaler.ground.prior import Prior
    from downscaler.ground.tiles import Tile
    from downscaler.product import Kind
    from downscaler.records import RunRecord
    from flows.settings import Settings

READ = ("soil_moisture", "uncertainty", "quality_flag")
_CELLS = 2048  # worked on at once: what is made of them stays in the processor's cache


@dataclass(frozen=True, kw_only=True)
class PercentileJob(DerivedJob):
    """Percentiles of a domain's analyses."""

    prior: Path

    @property
    def kind(self) -> Kind:
        """What the items are."""
        from downscaler.product import PERCENTILE

        return PERCENTILE

    @property
    def reach(self) -> int:
        """Days after an analysis whose flash droughts hang on it; the seasons of later years are beyond it."""
        from downscaler.derived.drought import FLASH_DAYS

        return FLASH_DAYS - 1

    def gather(self, source: Domain, first: dt.date) -> list[StackedDay]:
        """The day, the weeks before it, and the seasons of ten earlier years; none where the day is not published."""
        from catalog.reading.stack import stacked_days

        today = stacked_days(self.catalog, source, [first], READ)
        wanted = {*recent(first), *season_before(first), *season_before(earlier(first))}
        return [*today, *stacked_days(self.catalog, source, sorted(wanted), READ[:2])] if today else []

    def record(self, days: Sequence[StackedDay], source: Domain, first: dt.date) -> RunRecord:
        """Days and prior as inputs; what was simulated in any of them."""
        from catalog.reading.stack import gathered_record
        from downscaler.derived.composite import ErrorMemory
        from downscaler.derived.drought import FLASH_DAYS, FLASH_FROM, FLASH_TO
        from downscaler.derived.percentile import INDEPENDENT, LONG_ENOUGH, SEASON
        from downscaler.product import USUAL

        prior, memory = self._prior(), ErrorMemory.of(source.name)
        parameters = {
            "season_days": SEASON,
            "long_enough_years": LONG_ENOUGH,
            "independent_days": INDEPENDENT,
            "usual": list(USUAL),
            "flash_drought": {"days": FLASH_DAYS, "from": FLASH_FROM, "to": FLASH_TO},
            "error_autocorrelation": {"lasting": memory.lasting, "days": memory.days},
        }
        run = gathered_record(first, self.target, days, parameters)
        made_up = run.simulated or prior.simulated
        caveats = self._caveats(run, days, first)
        return replace(run, inputs=(*run.inputs, prior.record()), simulated=made_up, caveats=caveats)

    def _caveats(self, run: RunRecord, days: Sequence[StackedDay], first: dt.date) -> tuple[str, ...]:
        from downscaler.derived.percentile import LONG_ENOUGH

        held = {day.date for day in days}
        years = sum(not held.isdisjoint(_around(day)) for day in _days_alike(first))  # a winter is of two years
        if years >= LONG_ENOUGH:
            return run.caveats
        return (
            *run.caveats,
            f"The climatology is of {years} earlier years of analyses; the prior stands in for others.",
        )

    def tiles(self, days: Sequence[StackedDay], source: Domain, first: dt.date) -> Iterator[Tile]:
        """The percentiles window by window; raises PriorCoverageError where the prior has no day of the season."""
        from catalog.reading.stack import open_stack, windows
        from catalog.store.base import open_store
        from downscaler.derived.composite import ErrorMemory
        from downscaler.ground.tiles import Tile

        store, prior, memory = open_store(self.catalog), self._prior(), ErrorMemory.of(source.name)
        prior.require(source)
        with (
            open_stack(store, source, days[:1], READ) as read_day,
            open_stack(store, source, days[1:], READ[:2]) as read_others,
        ):
            for window in windows(source):
                today = read_day(window)
                known = np.isfinite(today["soil_moisture"][0])  # over the sea and beyond the border there is no work
                fields = {v.name: np.full(known.shape, np.nan) for v in self.kind.variables[:-1]}
                if known.any():
                    others = read_others(window, known) if days[1:] else {}
                    cells = [[today[n][0][known], *others.get(n, ())] for n in READ[:2]]
                    seasons = self._seasons(prior, source, window, first, known)
                    for name, values in _in_parts([day.date for day in days], cells, seasons, memory).items():
                        fields[name][known] = values
                yield Tile(window=window, fields=fields | {"quality_flag": today["quality_flag"][0]})

    def _prior(self) -> Prior:
        from downscaler.stores.prior import open_prior

        return open_prior(self.prior)

    def _seasons(self, prior: Prior, source: Domain, window: Window, first: dt.date, known: Bools) -> list[_Season]:
        """The prior's values [day, cell] of the cells that are known, in the seasons of today and of before."""
        from downscaler.derived.percentile import SEASON

        data, found = prior.window(source, window)["soil_moisture"], []
        for date in (first, earlier(first)):
            chosen = np.flatnonzero(in_season(data["time"].values, date))
            if not chosen.size:
                raise PriorCoverageError("The prior has no day of the season", value=f"{date} and {SEASON} days around")
            with prior.reading(window):
                found.append(_Season(date=date, prior=data.isel(time=chosen).values[:, known]))
        return found


@dataclass(frozen=True, kw_only=True)
class _Season:
    """A day whose season is looked at, and the prior's values of that season [day, cell]."""

    date: dt.date
    prior: Floats


def _in_parts(
    dates: Sequence[dt.date], cells: Sequence[Sequence[Any]], seasons: Sequence[_Season], memory: ErrorMemory
) -> dict[str, Any]:
    """All rasters of some cells but the flags, a few cells at a time.

    Args:
        dates: the day that is judged, then the others.
        cells: soil moisture and uncertainty of each day [cell].
        seasons: of the day that is judged, and of the pentads before.
        memory: autocorrelation of the errors.
    """
    parts = []
    for start in range(0, len(cells[0][0]), _CELLS):
        part = slice(start, start + _CELLS)
        stack = _Stack(dates, [[day[part] for day in field] for field in cells])
        now, before = (_reference(stack, season.date, season.prior[:, part]) for season in seasons)
        parts.append(_rasters(stack, now, before, memory))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _reference(stack: _Stack, date: dt.date, own: Floats) -> Reference:
    """The climatology of some cells in the season of a day, from earlier years and the prior's values [day, cell]."""
    from downscaler.derived.percentile import SEASON, join

    theta, sigma = stack.of(season_before(date))
    year = 2 * SEASON + 1
    return join(theta, sigma, len(theta) / year, _beside(own), len(own) / year)


def _beside(values: Any) -> Floats:
    """Values [day, ...] in float32, a cell's days side by side in memory: what follows runs along them."""
    return np.moveaxis(np.moveaxis(np.asarray(values, np.float32), 0, -1).copy(), -1, 0)


class _Stack:
    """Soil moisture and uncertainty of some cells' days, to be taken by date; ``first`` is the day that is judged."""

    def __init__(self, dates: Sequence[dt.date], fields: Sequence[Sequence[Any]]) -> None:
        self.first = dates[0]
        self._place = {date: number for number, date in enumerate(dates)}
        self._fields = [_beside(days) for days in fields]

    def of(self, dates: Sequence[dt.date], *, gaps: bool = False) -> tuple[Floats, Floats]:
        """Those of some dates that are there [n, ...]; with ``gaps`` of all, NaN where one is not."""
        wanted = [self._place.get(date) for date in sorted(dates)]
        places = [-1 if place is None else place for place in wanted if gaps or place is not None]
        found = []
        for field in self._fields:
            taken = np.moveaxis(np.take(np.moveaxis(field, 0, -1), places, axis=-1), -1, 0)
            taken[[place < 0 for place in places]] = np.nan
            found.append(taken)
        return found[0], found[1]


def _rasters(stack: _Stack, now: Reference, before: Reference, memory: ErrorMemory) -> dict[str, Any]:
    """All rasters of some cells [...] but the flags."""
    from downscaler.derived.drought import days_since, flash_drought_probability
    from downscaler.derived.percentile import DROUGHT, WET, anomaly, quantiles, standing
    from downscaler.product import THETA_MAX, THETA_MIN, USUAL

    theta, sigma = (values.astype(np.float64) for values in stack.of([*recent(stack.first), stack.first], gaps=True))
    found = standing(theta[-1], sigma[-1], now)
    classes = {f"probability_{name.lower()}": 100.0 * p for name, p in found.classes.items()}
    flash = 100.0 * flash_drought_probability(theta, sigma, now, before, memory)
    edges = np.array([DROUGHT["D0"][1], WET["W0"][0]])
    late = np.arange(len(theta)) >= len(theta) // 2
    dry, wet = (
        np.where(late.reshape(-1, *[1] * (theta.ndim - 1)), new, old)
        for new, old in zip(quantiles(now, edges), quantiles(before, edges), strict=True)
    )
    unknown = np.where(np.isfinite(found.percentile), 0.0, np.nan)
    usual = np.clip(quantiles(now, np.array(USUAL) / 100.0), THETA_MIN, THETA_MAX) + unknown
    return {
        "percentile": 100.0 * found.percentile,
        "percentile_lower": 100.0 * found.lower,
        "percentile_upper": 100.0 * found.upper,
        "anomaly": anomaly(theta[-1], now),
        **{name: np.clip(values, 0.0, 100.0) for name, values in (classes | {"probability_flash": flash}).items()},
        "days_dry": days_since(theta > dry) + unknown,
        "days_wet": days_since(theta < wet) + unknown,
        **{f"climatology_p{share}": level for share, level in zip(USUAL, usual, strict=True)},
    }


def recent(date: dt.date) -> list[dt.date]:
    """The days before a date that a flash drought is told from."""
    from downscaler.derived.drought import FLASH_DAYS

    return [date - dt.timedelta(days=number) for number in range(FLASH_DAYS - 1, 0, -1)]


def earlier(date: dt.date) -> dt.date:
    """The middle of the four pentads before the last one, for whose season the second climatology stands."""
    return date - dt.timedelta(days=14)


def in_season(times: np.ndarray, date: dt.date) -> np.ndarray:
    """Which days (datetime64) lie within the season of a date, in whatever year they are."""
    from downscaler.derived.percentile import SEASON

    days = np.asarray(times).astype("datetime64[D]")
    found = np.zeros(days.shape, bool)
    if not days.size:
        return found
    for year in range(days.min().item().year - 1, days.max().item().year + 2):
        found |= np.abs(days - np.datetime64(_day_in(year, date))) <= np.timedelta64(SEASON, "D")
    return found


def season_before(date: dt.date) -> list[dt.date]:
    """The days of a date's season in the ten years before it."""
    return [day for alike in _days_alike(date) for day in _around(alike)]


def _days_alike(date: dt.date) -> list[dt.date]:
    """The same day of the ten years before."""
    from downscaler.derived.percentile import LONG_ENOUGH

    return [_day_in(year, date) for year in range(date.year - int(LONG_ENOUGH), date.year)]


def _day_in(year: int, date: dt.date) -> dt.date:
    """The same day in a year; in others than its own 28 February for a leap day."""
    if year == date.year:
        return date
    return dt.date(year, date.month, 28 if (date.month, date.day) == (2, 29) else date.day)


def _around(date: dt.date) -> list[dt.date]:
    """A day with those of its season before and after it."""
    from downscaler.derived.percentile import SEASON

    return [date + dt.timedelta(days=number) for number in range(-SEASON, SEASON + 1)]


def percentile_job(settings: Settings, *, force: bool = False) -> PercentileJob:
    """The job that the settings describe; raises ConfigError without a prior."""
    if settings.prior is None:
        raise ConfigError("Percentiles need a prior", remedy="Give --prior PRIOR, or set `prior` in vadose.toml.")
    return PercentileJob(catalog=settings.catalog, domain=settings.domain, prior=settings.prior, force=force)
