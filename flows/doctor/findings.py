"""What a check found: a verdict, what was seen, and what to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from downscaler.errors import DoctorError, VadoseError
from downscaler.sources.secrets import scrub

Verdict = Literal["pass", "warn", "fail", "skip"]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a look at one thing says; ``remedy`` is empty where nothing is to be done."""

    verdict: Verdict
    told: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """An answer with the name of its check and the seconds that it took; holds no credential."""

    check: str
    verdict: Verdict
    told: str
    remedy: str = ""
    seconds: float = 0.0


Look = Callable[[], Answer]
Step = tuple[str, Look]
"""A check's name and how it looks; it may raise, which is a failure."""


def passed(told: str) -> Answer:
    """All is well."""
    return Answer(verdict="pass", told=told)


def warned(told: str, remedy: str) -> Answer:
    """It works, and something should be done."""
    return Answer(verdict="warn", told=told, remedy=remedy)


def failed(told: str, remedy: str) -> Answer:
    """Days cannot be made until this is mended."""
    return Answer(verdict="fail", told=told, remedy=remedy)


def skipped(told: str) -> Answer:
    """Not looked at: the settings do not ask for it."""
    return Answer(verdict="skip", told=told)


def examine(check: str, look: Look) -> Finding:
    """One check's finding; an error becomes a failure with the error's own remedy."""
    started = time.monotonic()
    try:
        answer = look()
    except VadoseError as error:
        value = "" if error.value is None else f": {error.value}"
        allowed = "" if error.allowed is None else f"Allowed: {error.allowed}. "
        answer = failed(f"{error.what.rstrip('.')}{value}", f"{allowed}{error.remedy or ''}".strip())
    except Exception as error:  # noqa: BLE001  (one broken check must not hide the others)
        answer = failed(f"{type(error).__name__}: {error}", "`vadose --debug` and the named service's log tell more.")
    return Finding(
        check=check,
        verdict=answer.verdict,
        told=scrub(answer.told),
        remedy=scrub(answer.remedy),
        seconds=round(time.monotonic() - started, 3),
    )


def in_turn(*steps: Step) -> Iterator[Finding]:
    """Checks that build on each other: after one that failed, or was left out, the rest is not tried."""
    stopped = ""
    for check, look in steps:
        if stopped:
            yield Finding(check=check, verdict="skip", told=f"not tried after: {stopped}")
            continue
        finding = examine(check, look)
        if finding.verdict in ("fail", "skip"):
            stopped = check
        yield finding


def require_well(findings: Sequence[Finding]) -> None:
    """Raises DoctorError where a check failed; warnings are no failure."""
    bad = [finding.check for finding in findings if finding.verdict == "fail"]
    if bad:
        raise DoctorError(
            f"{len(bad)} of {len(findings)} checks failed",
            value=", ".join(bad),
            remedy="Mend what stands beside each and run `vadose doctor` again.",
        )
