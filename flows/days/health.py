"""Whether the product is well, judged from the state of the last days: one rule for monitors, in one call."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING

from downscaler.errors import FailingError, LateError, StarvedError

if TYPE_CHECKING:
    from flows.days.state import DayState

SLACK = 24  # hours after a granule's latency within which a schedule that runs twice a day has made its day
_DONE = ("published", "stale", "no-coverage", "withdrawn")


def require_health(states: Sequence[DayState], now: dt.datetime, latency: float, what: str = "day") -> None:
    """Raise what ails the product most; nothing where it is well.

    A day counts as done when it is published, stale, without coverage or withdrawn. It should be done ``latency`` + 24
    hours after its end. Days that SMAP left out are no fault once a later one is done.

    Args:
        states: the last days, in any order.
        now: the time, with its zone.
        latency: hours after a day's end within which its granule comes (the setting ``smap_latency``).
        what: what a day holds, as the message names it: "day", or "analysis".

    Raises:
        StarvedError: none of the days has a granule on offer.
        FailingError: a day failed.
        LateError: no day as new as the newest that should be done is done.
    """
    if not any(state.granule for state in states):
        raise StarvedError(
            "No granule of the last days is on offer",
            value=f"{len(states)} days",
            remedy="Check `granules` and its disk, or Earthdata's state and log-in.",
        )
    failed = sorted(state.date for state in states if state.state == "failed")
    if failed:
        raise FailingError(
            f"{len(failed)} of the last {len(states)} days failed",
            value=f"{what} {', '.join(map(str, failed))}",
            remedy="`vadose status` gives the reasons.",
        )
    expected = (now - dt.timedelta(hours=latency + SLACK)).date() - dt.timedelta(days=1)
    done = max((state.date for state in states if state.state in _DONE), default=None)
    if any(state.date <= expected for state in states) and (done is None or done < expected):
        raise LateError(
            "The product is late",
            value=f"newest {what} {done or 'none'}",
            allowed=f"{expected} or newer",
            remedy="Is the schedule running? `vadose run` makes what is due.",
        )
