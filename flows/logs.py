"""Log lines with run and day: JSON in a container, readable in a terminal; credentials are removed.

One configuration for the commands (``start``) and for the processes of Prefect's workers (``in_prefect``).
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal

from downscaler.sources.secrets import scrub

Format = Literal["auto", "json", "rich"]
OURS = ("downscaler", "catalog", "flows")
DAYS = "flows.days"  # what became of each day; in a terminal the commands' own tables tell it
_RUN: ContextVar[str] = ContextVar("run", default="-")
_DAY: ContextVar[str] = ContextVar("day", default="-")
_CHOSEN: ContextVar[Format] = ContextVar("chosen", default="rich")
_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))


@contextmanager
def bound(*, run: str | None = None, day: dt.date | None = None) -> Iterator[None]:
    """Put run and day on every line that is logged inside."""
    tokens = [(_RUN, _RUN.set(run))] if run is not None else []
    tokens += [(_DAY, _DAY.set(str(day)))] if day is not None else []
    try:
        yield
    finally:
        for variable, token in tokens:
            variable.reset(token)


def run_name() -> str:
    """The run that this process's lines are of."""
    return _RUN.get()


def chosen() -> Format:
    """The form of this process's lines, for the processes that it starts."""
    return _CHOSEN.get()


def resolved(wanted: Format) -> Literal["json", "rich"]:
    """What ``auto`` means here: JSON in a container (Docker, Podman, Kubernetes), else for people."""
    if wanted != "auto":
        return wanted
    inside = "KUBERNETES_SERVICE_HOST" in os.environ or any(mark.exists() for mark in _MARKS)
    return "json" if inside and not sys.stderr.isatty() else "rich"


class Context(logging.Filter):
    """Adds ``run`` and ``day`` to a record and takes every credential out of it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true: a line is mended, never dropped."""
        name = getattr(record, "flow_run_name", None)
        record.run = _RUN.get() if name in (None, "<unknown>") or _RUN.get() != "-" else name
        record.day = _DAY.get()
        record.msg, record.args = scrub(record.getMessage()), ()
        if record.exc_info and not record.exc_text:  # else each handler, also that to Prefect's pages, would write it
            record.exc_text = scrub(logging.Formatter().formatException(record.exc_info))
        return True


class Json(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, run, day, message, and the traceback of an error."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        time = dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {"time": time, "level": record.levelname, "logger": record.name}
        line |= {"run": getattr(record, "run", "-"), "day": getattr(record, "day", "-")}
        line["message"] = record.getMessage()
        for name in ("flow_run_id", "task_run_id"):
            if hasattr(record, name):
                line[name] = str(getattr(record, name))
        if record.exc_info:
            line["traceback"] = scrub(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


class Scrubbed(logging.Formatter):
    """Any form of line, with tracebacks that hold no credential."""

    def formatException(self, info: Any) -> str:  # noqa: N802  (logging's own name)
        """The traceback, scrubbed."""
        return scrub(super().formatException(info))


class Readable(Scrubbed):
    """Time, level, run, day and message for people."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s | %(levelname)-7s | %(run)s | %(day)s | %(message)s", datefmt="%H:%M:%S")


def start(wanted: Format, run: str | None = None) -> None:
    """Set up the lines of a command's process, or of one of its workers where ``run`` names the command's run.

    As JSON every day has a line; for people only what no table or bar of the command tells.
    """
    form = resolved(wanted)
    _CHOSEN.set(form)
    _RUN.set(run or uuid.uuid4().hex[:8])
    handler = _handler(form)
    for name in OURS:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(logging.INFO if form == "json" else logging.NOTSET)
    logging.getLogger(DAYS).setLevel(logging.NOTSET if form == "json" else logging.CRITICAL)


def _handler(form: Literal["json", "rich"]) -> logging.Handler:
    if form == "json":
        handler: logging.Handler = logging.StreamHandler()
        handler.setFormatter(Json())
    else:
        from rich.logging import RichHandler

        from flows.console import err

        handler = RichHandler(console=err, show_path=False, log_time_format="%H:%M:%S")
        handler.setFormatter(Scrubbed("%(run)s | %(day)s | %(message)s"))
    handler.addFilter(Context())
    return handler


def in_prefect(wanted: Format) -> None:
    """Give the console lines of a flow run's process the same form; what goes to the server's pages is only scrubbed.

    To be called in a flow: Prefect has set up its own handlers by then.
    """
    formatter = Json() if resolved(wanted) == "json" else Readable()
    for logger in (logging.getLogger(), *map(logging.getLogger, ("prefect", "prefect.flow_runs", "prefect.task_runs"))):
        for handler in logger.handlers:
            if not any(isinstance(known, Context) for known in handler.filters):
                handler.addFilter(Context())
            if type(handler).__name__ == "PrefectConsoleHandler":
                handler.setFormatter(formatter)
    for name in OURS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        for handler in logger.handlers:
            if not any(isinstance(known, Context) for known in handler.filters):
                handler.addFilter(Context())
