"""Percentiles: an analysis against earlier years' analyses of its season, and against the prior while these are few."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from downscaler.errors import ConfigError, PriorCoverageError

if TYPE_CHECKING:
    from catalog.reading.stack import StackedDay
    from downscaler.derived.percentile import Reference
    from downscaler.ground.grid import Domain, Window
    from downscaler.ground.prior import Prior
    from downscaler.ground.tiles import Tile
    from downscaler.product import Kind
    from downscaler.records import RunRecord
    from flows.settings import Settings

READ = ("soil_moisture", "uncertainty", "quality_flag")
_SIDE = 144  # pixels of a window: a season of ten years fits into memory


@dataclass(frozen=True, kw_only=True)
class PercentileJob:
    """Percentiles of a domain's analyses."""

    catalog: str
    domain: str
    prior: Path
    force: bool = False

    @property
    def kind(self) -> Kind:
        """What the items are."""
        from downscaler.product import PERCENTILE

        return PERCENTILE

    @property
    def target(self) -> Domain:
        """The domain under whose name the percentiles are published."""
        from downscaler import product

        return product.under(self.kind, product.domain(self.domain))

    def source(self) -> Domain:
        """The analyses; raises CatalogError where there are none."""
        from catalog.reading.stack import source_of
        from downscaler import product

        return source_of(self.catalog, product.domain(self.domain), "analysis")

    def gather(self, source: Domain, first: dt.date) -> list[StackedDay]:
        """The day, and the season's days of ten earlier years; none where the day itself is not published."""
        from catalog.reading.stack import stacked_days

        today = stacked_days(self.catalog, source, [first], READ)
        return [*today, *stacked_days(self.catalog, source, season_before(first), READ[:2])] if today else []

    def record(self, days: Sequence[StackedDay], source: Domain, first: dt.date) -> RunRecord:
        """Days and prior as inputs; what was simulated in any of them."""
        from catalog.reading.stack import gathered_record
        from downscaler.derived.percentile import INDEPENDENT, LONG_ENOUGH, SEASON

        prior = self._prior()
        parameters = {"season_days": SEASON, "long_enough_years": LONG_ENOUGH, "independent_days": INDEPENDENT}
        run = gathered_record(first, self.target, days, parameters)
        made_up = run.simulated or prior.simulated
        return replace(run, inputs=(*run.inputs, prior.record()), simulated=made_up, caveats=self._caveats(run, days))

    def _caveats(self, run: RunRecord, days: Sequence[StackedDay]) -> tuple[str, ...]:
        from downscaler.derived.percentile import LONG_ENOUGH

        years = len({day.date.year for day in days[1:]})
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
        from downscaler.derived.percentile import anomaly, standing
        from downscaler.ground.tiles import Tile

        store, prior = open_store(self.catalog), self._prior()
        prior.require(source)
        with (
            open_stack(store, source, days[:1], READ) as read_day,
            open_stack(store, source, days[1:], READ[:2]) as read_archive,
        ):
            for window in windows(source, _SIDE):
                today, archive = read_day(window), read_archive(window) if days[1:] else None
                reference = self._reference(prior, source, window, archive, first)
                theta, sigma = (today[name][0].astype(np.float64) for name in READ[:2])
                found = standing(theta, sigma, reference)
                classes = {f"probability_{name.lower()}": 100.0 * p for name, p in found.classes.items()}
                fields = {
                    "percentile": 100.0 * found.percentile,
                    "percentile_lower": 100.0 * found.lower,
                    "percentile_upper": 100.0 * found.upper,
                    "anomaly": anomaly(theta, reference),
                    **{name: np.clip(values, 0.0, 100.0) for name, values in classes.items()},
                    "quality_flag": today["quality_flag"][0],
                }
                yield Tile(window=window, fields=fields)

    def _prior(self) -> Prior:
        from downscaler.stores.prior import open_prior

        return open_prior(self.prior)

    def _reference(
        self, prior: Prior, source: Domain, window: Window, archive: dict[str, Any] | None, first: dt.date
    ) -> Reference:
        """The climatology of a window's pixels in the season of a day."""
        from downscaler.derived.percentile import SEASON, join

        data, year = prior.window(source, window)["soil_moisture"], 2 * SEASON + 1
        chosen = np.flatnonzero(in_season(data["time"].dt.dayofyear.values, first))
        if not chosen.size:
            raise PriorCoverageError("The prior has no day of the season", value=f"{first} and {SEASON} days around it")
        with prior.reading(window):
            own = data.isel(time=chosen).values.astype(np.float64)
        empty = np.empty((0, *own.shape[1:]))
        theta, sigma = (archive[name].astype(np.float64) if archive else empty for name in READ[:2])
        return join(theta, sigma, len(theta) / year, own, len(own) / year)


def in_season(days_of_year: np.ndarray, date: dt.date) -> np.ndarray:
    """Which days of the year lie within the season of a date, around the turn of the year too."""
    from downscaler.derived.percentile import SEASON

    apart = np.abs(np.asarray(days_of_year) - date.timetuple().tm_yday)
    return np.asarray(np.minimum(apart, 366 - apart) <= SEASON)


def season_before(date: dt.date) -> list[dt.date]:
    """The days of a date's season in the ten years before it."""
    from downscaler.derived.percentile import LONG_ENOUGH, SEASON

    found = []
    for year in range(date.year - int(LONG_ENOUGH), date.year):
        day = dt.date(year, date.month, 28 if (date.month, date.day) == (2, 29) else date.day)
        found += [day + dt.timedelta(days=number) for number in range(-SEASON, SEASON + 1)]
    return found


def percentile_job(settings: Settings, *, force: bool = False) -> PercentileJob:
    """The job that the settings describe; raises ConfigError without a prior."""
    if settings.prior is None:
        raise ConfigError("Percentiles need a prior", remedy="Give --prior PRIOR, or set `prior` in vadose.toml.")
    return PercentileJob(catalog=settings.catalog, domain=settings.domain, prior=settings.prior, force=force)
