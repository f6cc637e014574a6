"""What every flow begins with: its settings, the form of its log lines, and errors as Prefect may keep them.

What a library raised with a credential in its text leaves a run without it: Prefect stores errors as states' messages.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect.runtime import flow_run

from downscaler.errors import VadoseError
from downscaler.sources.secrets import scrub
from flows import logs
from flows.settings import Settings, load_settings


@contextmanager
def running(config: Path | None, **given: Any) -> Iterator[Settings]:
    """Settings of a flow run, whose lines are logged in their form and with the run's name, and its errors cleaned."""
    with clean_errors():
        settings = load_settings(config, **given)
        logs.in_prefect(settings.log_format)
        with logs.bound(run=flow_run.name or "-"):
            yield settings


@contextmanager
def clean_errors() -> Iterator[None]:
    """For the body of a flow or task: its error, and those that led to it, hold no credential when they leave it."""
    found: Exception | None = None
    try:
        yield
    except Exception as error:
        if not _holds_secret(error):
            raise
        found = cleaned(error)
    if found is not None:
        raise found from None  # outside of the handler: nothing of the first one is attached to it


def cleaned(error: Exception) -> Exception:
    """The same typed error without a credential; of another one its class's name and its text."""
    if not isinstance(error, VadoseError):
        return RuntimeError(f"{type(error).__name__}: {scrub(str(error))}")
    made = copy.copy(error)
    made.__dict__.update({name: scrub(value) for name, value in vars(error).items() if isinstance(value, str)})
    made.value = scrub(str(error.value)) if error.value is not None else None
    made.args = (scrub(str(error)),)
    made.__cause__ = made.__context__ = made.__traceback__ = None
    return made


def _holds_secret(error: BaseException | None) -> bool:
    """Whether an error, or one that led to it, shows a credential in any way of writing it."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        text = f"{one} {one!r} {getattr(one, '__notes__', '')}"
        if scrub(text) != text:
            return True
        waiting += [one.__cause__, one.__context__]
    return False
