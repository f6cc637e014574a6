"""The outlook: soil moisture of the days after an analysis, what is recorded of it, and its rasters."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from downscaler.errors import ConfigError
from flows.derived.jobs import DerivedJob

if TYPE_CHECKING:
    from catalog.reading.stack import StackedDay
    from downscaler.ground.grid import Domain
    from downscaler.ground.tiles import Tile
    from downscaler.product import Kind
    from downscaler.records import RunRecord
    from downscaler.stores.learned import Learned
    from flows.settings import Settings

READ = ("soil_moisture", "uncertainty", "quality_flag")


@dataclass(frozen=True, kw_only=True)
class OutlookJob(DerivedJob):
    """Outlooks after a domain's analyses, by a state that ``vadose outlook learn`` made."""

    learned: Path

    @property
    def kind(self) -> Kind:
        """What the items are."""
        from downscaler.product import OUTLOOK

        return OUTLOOK

    def gather(self, source: Domain, first: dt.date) -> list[StackedDay]:
        """The day's analysis, where it is published."""
        from catalog.reading.stack import stacked_days

        return stacked_days(self.catalog, source, [first], READ)

    def record(self, days: Sequence[StackedDay], source: Domain, first: dt.date) -> RunRecord:
        """Analysis and learned state as inputs; which leads are given nowhere, or in a part of the domain."""
        from catalog.reading.stack import gathered_record

        learned = self._learned()
        leads, shares = learned.attributes["leads"], learned.attributes["given_share"]
        run = gathered_record(first, self.target, days, {"leads": leads, "given_share": shares})
        short = [f"{lead} ({100 * share:.0f} %)" for lead, share in zip(leads, shares, strict=True) if share < 1.0]
        lacking = f"Days ahead that beat persistence and climatology in a part of the cells only: {', '.join(short)}."
        return replace(
            run,
            inputs=(*run.inputs, learned.record()),
            simulated=run.simulated or learned.simulated,
            caveats=(*run.caveats, *([lacking] if short else [])),
        )

    def tiles(self, days: Sequence[StackedDay], source: Domain, first: dt.date) -> Iterator[Tile]:
        """The outlook window by window; raises PriorCoverageError where the state does not cover the domain."""
        from catalog.reading.stack import open_stack, windows
        from catalog.store.base import open_store
        from downscaler.derived.outlook import look_ahead, outlook_rasters
        from downscaler.derived.outlook_state import read_outlook
        from downscaler.ground.tiles import Tile

        learned = self._learned()
        learned.require(source)
        with open_stack(open_store(self.catalog), source, days, READ) as read:
            for window in windows(source):
                found = read(window)
                theta, sigma = (found[name][0].astype(np.float64) for name in READ[:2])
                made = look_ahead(theta, sigma, first, read_outlook(learned, source, window))
                yield Tile(window=window, fields=outlook_rasters(*made, found["quality_flag"][0]))

    def _learned(self) -> Learned:
        from downscaler.derived.outlook_state import open_outlook

        return open_outlook(self.learned)


def outlook_job(settings: Settings, *, force: bool = False) -> OutlookJob:
    """The job that the settings describe.

    Raises ConfigError without a learned state, or where the analyses are in SMAP's climatology, not the prior's.
    """
    if settings.outlook is None:
        raise ConfigError(
            "The outlook needs a learned state",
            remedy="Make one with `vadose outlook learn`, and give --learned FILE or set `outlook` in vadose.toml.",
        )
    if settings.climatology is not None:
        raise ConfigError(
            "An outlook fades towards the prior's climatology, and `climatology` keeps the analyses in SMAP's",
            value=settings.climatology,
            remedy="Make outlooks of analyses that were made without matching.",
        )
    return OutlookJob(catalog=settings.catalog, domain=settings.domain, learned=settings.outlook, force=force)
