"""What every derived collection's job can tell, and how its items stand: small frozen records."""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from catalog.reading.stack import StackedDay
    from downscaler.ground.grid import Domain
    from downscaler.ground.tiles import Tile
    from downscaler.product import Kind
    from downscaler.records import RunRecord

Source = Literal["analysis", "conserving"]
State = Literal["published", "stale", "due", "running", "empty", "withdrawn"]


@dataclass(frozen=True, kw_only=True)
class DerivedJob(ABC):
    """Makes the items of one kind from the published days of a domain.

    ``catalog`` is read and published in; ``force`` makes what stands anew, withdrawn items too. Unless a kind says
    otherwise its items are made from analyses, and each hangs on the days of its own period alone.
    """

    catalog: str
    domain: str
    force: bool = False

    @property
    @abstractmethod
    def kind(self) -> Kind:
        """What the items are."""

    @property
    def target(self) -> Domain:
        """The domain under whose name the items are published."""
        from downscaler import product

        return product.under(self.kind, product.domain(self.domain))

    @property
    def reach(self) -> int:
        """Days after a published day whose items may hang on it; 0 where its own period alone does."""
        return 0

    @property
    def lacks(self) -> str:
        """Why an item cannot be made where ``gather`` finds nothing."""
        return "its analysis is not published" if self.kind.length == "day" else "no day is published"

    def source(self) -> Domain:
        """The domain whose days are gathered; raises CatalogError where it has none."""
        from catalog.reading.stack import source_of
        from downscaler import product

        return source_of(self.catalog, product.domain(self.domain), "analysis")

    @abstractmethod
    def gather(self, source: Domain, first: dt.date) -> list[StackedDay]:
        """The published days that the item beginning on a day is made from, none where it cannot be made."""

    @abstractmethod
    def record(self, days: Sequence[StackedDay], source: Domain, first: dt.date) -> RunRecord:
        """The record of the run that makes it from them."""

    @abstractmethod
    def tiles(self, days: Sequence[StackedDay], source: Domain, first: dt.date) -> Iterator[Tile]:
        """Its rasters, window by window."""


@dataclass(frozen=True, kw_only=True)
class PeriodState:
    """How one item stands; ``work`` says whether making it now would change it, ``revision`` is 0 without one.

    A period is ``running`` until its last day is published or past, ``empty`` without a published day.
    """

    first: dt.date
    last: dt.date
    state: State
    days: int = 0
    revision: int = 0
    why: str = ""
    work: bool = False
