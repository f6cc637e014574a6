"""Composites: which days a period's mean is made from, what is recorded of it, and its rasters."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from downscaler.errors import ConfigError
from flows.derived.jobs import DerivedJob, Source

if TYPE_CHECKING:
    from catalog.reading.stack import StackedDay
    from downscaler.ground.grid import Domain
    from downscaler.ground.tiles import Tile
    from downscaler.product import Kind
    from downscaler.records import RunRecord
    from flows.settings import Settings

READ = ("soil_moisture", "uncertainty", "quality_flag")
"""The assets of a day that a composite is made from."""


@dataclass(frozen=True, kw_only=True)
class CompositeJob(DerivedJob):
    """Composites of one length: 3day, weekly or monthly.

    ``of`` names the days that are gathered; without it the analyses where the catalogue holds any, else the
    SMAP-conserving days.
    """

    length: str
    of: Source | None = None

    @property
    def kind(self) -> Kind:
        """What the items are."""
        from downscaler.product import COMPOSITES

        return COMPOSITES[self.length]

    def source(self) -> Domain:
        """The domain whose days are gathered; raises CatalogError where it has none."""
        from catalog.reading.stack import source_of
        from downscaler import product

        return source_of(self.catalog, product.domain(self.domain), self.of)

    def gather(self, source: Domain, first: dt.date) -> list[StackedDay]:
        """The published days of the period that begins on a day."""
        from catalog.reading.stack import stacked_days
        from downscaler.ground.periods import days_of

        return stacked_days(self.catalog, source, days_of(self.kind.length, first), READ)

    def record(self, days: Sequence[StackedDay], source: Domain, first: dt.date) -> RunRecord:
        """Days as inputs, what is to be said of any of them, and the error model."""
        from catalog.reading.stack import gathered_record
        from downscaler.derived.composite import ErrorMemory
        from downscaler.product import kind_of

        memory = ErrorMemory.of(source.name)
        parameters = {
            "composite": self.length,
            "of": kind_of(source.name).title or "conserving",
            "error_autocorrelation": {"lasting": memory.lasting, "days": memory.days},
        }
        return gathered_record(first, self.target, days, parameters)

    def tiles(self, days: Sequence[StackedDay], source: Domain, first: dt.date) -> Iterator[Tile]:
        """The composite window by window, so that memory does not grow with the domain."""
        from catalog.reading.stack import open_stack, windows
        from catalog.store.base import open_store
        from downscaler.derived.composite import ErrorMemory, composite
        from downscaler.ground.tiles import Tile

        times, memory = [day.date.toordinal() for day in days], ErrorMemory.of(source.name)
        with open_stack(open_store(self.catalog), source, days, READ) as read:
            for window in windows(source):
                found = read(window)
                theta, sigma, flags = (found[name] for name in READ)
                yield Tile(window=window, fields=composite(theta, sigma, flags, times, memory))


def composite_jobs(
    settings: Settings, lengths: Sequence[str], of: Source | None = None, *, force: bool = False
) -> list[CompositeJob]:
    """One job for each length; raises ConfigError for an unknown one."""
    from downscaler.product import COMPOSITES

    unknown = [length for length in lengths if length not in COMPOSITES]
    if unknown:
        raise ConfigError("Unknown composite", value=unknown[0], allowed=list(COMPOSITES))
    return [
        CompositeJob(catalog=settings.catalog, domain=settings.domain, length=length, of=of, force=force)
        for length in lengths
    ]
