"""The job of a validation, from a command or after newly published days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from downscaler.errors import ConfigError
from flows.day.jobs import DayOutcome

if TYPE_CHECKING:
    from flows.settings import Settings

VALIDATION_FOLDER = Path("build/validation")


@dataclass(frozen=True, kw_only=True)
class ValidationJob:
    """What is validated, against what, and where the report goes.

    ``third`` is a product for triple collocation and ``third_inputs`` what it is made from; ``period`` None is all
    days; ``publish`` puts report and headline into the catalogue.
    """

    domain: str
    catalog: str
    stations: tuple[str, ...]
    out: Path
    prior: Path | None = None
    period: tuple[dt.date, dt.date] | None = None
    compare: tuple[str, ...] = ()
    third: str | None = None
    third_inputs: tuple[str, ...] = ()
    deepest: float = 0.10
    window: float = 3.0
    min_pairs: int = 20
    seed: int = 0
    publish: bool = True

    @property
    def days_asked(self) -> str:
        """The period as a message tells it."""
        if self.period is None:
            return "all days"
        first, last = self.period
        if last == dt.date.max:
            return f"from {first} on"
        return f"up to {last}" if first == dt.date.min else f"{first} to {last}"


def job_of(settings: Settings, out: Path, **given: Any) -> ValidationJob:
    """The job that settings and options describe; raises ConfigError where no stations are given."""
    if not settings.stations:
        raise ConfigError(
            "No station data are given",
            allowed="an ISMN archive, USCRN daily files, a folder of them, scan, snotel",
            remedy="Give --stations PATH, or set `stations` in vadose.toml.",
        )
    return ValidationJob(
        domain=settings.domain,
        catalog=settings.catalog,
        stations=settings.stations,
        prior=settings.prior,
        min_pairs=settings.validation_pairs,
        seed=settings.seed,
        out=out,
        **given,
    )


def validation_after(settings: Settings, outcomes: Sequence[DayOutcome]) -> ValidationJob | None:
    """The validation that newly published days are followed by, where ``stations`` are set; None without either."""
    new = [outcome.date for outcome in outcomes if outcome.status == "published"]
    return recent(settings, max(new)) if new and settings.stations else None


def recent(settings: Settings, day: dt.date) -> ValidationJob:
    """The validation of ``validation_days`` days up to one."""
    first = day - dt.timedelta(days=settings.validation_days - 1)
    return job_of(settings, VALIDATION_FOLDER, period=(first, day))
