"""Terminal output: results on standard output, progress and errors on standard error, and the style of both."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = [
    "Table",
    "Text",
    "as_json",
    "err",
    "facts",
    "fail",
    "out",
    "progress_bar",
    "say",
    "say_json",
    "show_traceback",
    "table",
]

_LOG_WIDTH = 140  # columns where no terminal says how wide it is
out = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else _LOG_WIDTH)
err = Console(stderr=True, soft_wrap=True, highlight=False)


def say(message: str) -> None:
    """A line on standard output, taken literally (paths may hold square brackets)."""
    out.print(Text(message))


def say_json(value: Any) -> None:
    """A result as JSON on standard output, and nothing else there."""
    print(as_json(value))


def fail(message: str) -> None:
    """One red message on standard error, with credentials removed."""
    from downscaler.sources.secrets import scrub

    message = scrub(message)
    err.print(Text.assemble(("error: ", "bold red"), (message, "red")))


def show_traceback() -> None:
    """The traceback of the current error on standard error, with credentials removed."""
    import traceback

    from downscaler.sources.secrets import scrub

    err.print(Text(scrub(traceback.format_exc())))


class Tell(Protocol):
    """Feeds a progress bar; ``what`` renames it."""

    def __call__(self, done: int, total: int, what: str | None = None) -> None:
        """Report that ``done`` of ``total`` steps are complete."""


@contextmanager
def progress_bar(title: str, total: int | None = None, *, remaining: bool = False) -> Iterator[Tell]:
    """A progress bar on standard error, with the time left if ``remaining``; silent when that is not a terminal."""
    from rich import progress

    columns: tuple[progress.ProgressColumn, ...] = (
        progress.SpinnerColumn(),
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        *((progress.TextColumn("left"), progress.TimeRemainingColumn()) if remaining else ()),
    )
    with progress.Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as bar:
        task = bar.add_task(title, total=total)

        def tell(done: int, total: int, what: str | None = None) -> None:
            bar.update(task, completed=done, total=total, description=what or title)

        yield tell


def table(title: str, *columns: str) -> Table:
    """An empty table in the house style; numbers are right-aligned by their column's trailing ``>``."""
    made = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        made.add_column(column.rstrip(">"), justify="right" if column.endswith(">") else "left", overflow="fold")
    return made


def facts(title: str, values: Mapping[str, Any]) -> None:
    """Print names and values, nested ones as compact JSON."""
    made = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in values.items():
        made.add_row(name, Text(value if isinstance(value, str) else as_json(value, indent=None)))
    out.print(made)


def as_json(value: Any, indent: int | None = 2) -> str:
    """JSON text; dates become ISO, paths and numpy scalars plain values, NaN null."""
    return json.dumps(_plain(value), indent=indent, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, (dt.date, dt.datetime)):
        return value.isoformat()
    return value if isinstance(value, (str, int, bool, type(None))) else str(value)
