"""The root zone: which analyses a day's layers are carried down from, what is recorded of it, and its rasters."""

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
LEAST = 90
"""Days of the window that have to be published: the slowest filter still looks back on most of its span."""
_SIDE = 144  # pixels of a window: 120 days of it fit into memory


@dataclass(frozen=True, kw_only=True)
class RootZoneJob(DerivedJob):
    """Root zones below a domain's analyses, by a state that ``vadose rootzone learn`` made.

    ``least`` is how many days of the window have to be published.
    """

    learned: Path
    least: int = LEAST

    @property
    def kind(self) -> Kind:
        """What the items are."""
        from downscaler.product import ROOT_ZONE

        return ROOT_ZONE

    @property
    def reach(self) -> int:
        """Days after an analysis whose root zones hang on it."""
        from downscaler.derived.rootzone import WINDOW

        return WINDOW - 1

    @property
    def lacks(self) -> str:
        """Why an item cannot be made where nothing is gathered."""
        return f"its day, or {self.least} of its {self.reach + 1} days, are not published"

    def gather(self, source: Domain, first: dt.date) -> list[StackedDay]:
        """The day and the published days of the window before it; none where these are too few."""
        from catalog.reading.stack import stacked_days

        today = stacked_days(self.catalog, source, [first], READ)
        if not today:
            return []
        before = [first - dt.timedelta(days=number) for number in range(1, self.reach + 1)]
        found = stacked_days(self.catalog, source, before, READ[:2])
        return [*today, *found] if len(found) + 1 >= self.least else []

    def record(self, days: Sequence[StackedDay], source: Domain, first: dt.date) -> RunRecord:
        """Days and the learned state as inputs; what was simulated in any of them."""
        from catalog.reading.stack import gathered_record
        from downscaler.derived.composite import ErrorMemory
        from downscaler.derived.rootzone import SCALES, WINDOW

        learned, memory = self._learned(), ErrorMemory.of(source.name)
        parameters = {
            "window_days": WINDOW,
            "scales_days": list(SCALES),
            "error_autocorrelation": {"lasting": memory.lasting, "days": memory.days},
        }
        run = gathered_record(first, self.target, days, parameters)
        short = f"Of the {WINDOW} days that the root zone looks back on, {len(days)} are published."
        caveats = (*run.caveats, *([short] if len(days) < WINDOW else []))
        made_up = run.simulated or learned.simulated
        return replace(run, inputs=(*run.inputs, learned.record()), simulated=made_up, caveats=caveats)

    def tiles(self, days: Sequence[StackedDay], source: Domain, first: dt.date) -> Iterator[Tile]:
        """The root zone window by window; raises PriorCoverageError where the state does not cover the domain."""
        from catalog.reading.stack import open_stack, windows
        from catalog.store.base import open_store
        from downscaler.derived.composite import ErrorMemory
        from downscaler.derived.learned import read_learned
        from downscaler.derived.profile import available_water, carry_down, rasters
        from downscaler.ground.tiles import Tile

        learned, store, memory = self._learned(), open_store(self.catalog), ErrorMemory.of(source.name)
        learned.require(source)
        ordered = sorted(days, key=lambda day: day.date)
        times = [day.date.toordinal() for day in ordered]
        with (
            open_stack(store, source, ordered, READ[:2]) as read,
            open_stack(store, source, ordered[-1:], READ[2:]) as read_flags,
        ):
            for window in windows(source, _SIDE):
                found, flags = read(window), read_flags(window)["quality_flag"][0]
                profile, soil = read_learned(learned, source, window)
                theta, sigma = (found[name].astype(np.float64) for name in READ[:2])
                below = carry_down(theta, sigma, times, profile, memory)
                water, share = available_water(np.asarray(below.root, np.float64), *soil.values())
                yield Tile(window=window, fields=rasters(below, water, share, flags))

    def _learned(self) -> Learned:
        from downscaler.derived.learned import open_learned

        return open_learned(self.learned)


def root_zone_job(settings: Settings, *, force: bool = False) -> RootZoneJob:
    """The job that the settings describe; raises ConfigError without a learned state."""
    if settings.rootzone is None:
        raise ConfigError(
            "The root zone needs a learned state",
            remedy="Make one with `vadose rootzone learn`, and give --learned FILE or set `rootzone` in vadose.toml.",
        )
    return RootZoneJob(catalog=settings.catalog, domain=settings.domain, learned=settings.rootzone, force=force)
