"""The job of a derived collection and how its items stand: small frozen records."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from downscaler.errors import ConfigError

if TYPE_CHECKING:
    from downscaler.ground.grid import Domain
    from downscaler.product import Kind
    from flows.settings import Settings

Source = Literal["analysis", "conserving"]
State = Literal["published", "stale", "due", "running", "empty", "withdrawn"]


@dataclass(frozen=True, kw_only=True)
class CompositeJob:
    """Composites of one length: 3day, weekly or monthly.

    ``source`` names the days that are gathered; without it the analyses where the catalogue holds any, else the
    SMAP-conserving days. With ``force`` what stands is made anew, and what was withdrawn published again.
    """

    catalog: str
    domain: str
    length: str
    source: Source | None = None
    force: bool = False

    @property
    def kind(self) -> Kind:
        """What the items are."""
        from downscaler.product import COMPOSITES

        return COMPOSITES[self.length]

    @property
    def ground(self) -> Domain:
        """The domain of the SMAP-conserving days."""
        from downscaler import product

        return product.domain(self.domain)

    @property
    def target(self) -> Domain:
        """The domain under whose name the composites are published."""
        from downscaler import product

        return product.under(self.kind, self.ground)


@dataclass(frozen=True, kw_only=True)
class PeriodState:
    """How one period stands; ``work`` says whether making it now would change it, ``revision`` is 0 without an item.

    A period is ``running`` until its last day is published or past, ``empty`` without a published day.
    """

    first: dt.date
    last: dt.date
    state: State
    days: int = 0
    revision: int = 0
    why: str = ""
    work: bool = False


def composite_jobs(
    settings: Settings, lengths: tuple[str, ...], source: Source | None = None, *, force: bool = False
) -> list[CompositeJob]:
    """One job for each length; raises ConfigError for an unknown one."""
    from downscaler.product import COMPOSITES

    unknown = [length for length in lengths if length not in COMPOSITES]
    if unknown:
        raise ConfigError("Unknown composite", value=unknown[0], allowed=list(COMPOSITES))
    return [
        CompositeJob(catalog=settings.catalog, domain=settings.domain, length=length, source=source, force=force)
        for length in lengths
    ]
