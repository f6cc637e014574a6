"""Search by DuckDB over STAC GeoParquet, whose extensions come from their wheels."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalog.api.limits import Limits
from catalog.api.stac.sql import Statement
from downscaler.errors import CatalogError, MissingExtraError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_EXTENSIONS = ("spatial", "icu", "parquet")
_CLIENTS = 4  # searches at the same time
Found = tuple[str, str]
"""Collection and identifier of an item."""
_log = logging.getLogger(__name__)


class SearchBusyError(CatalogError):
    """A search took longer than it may, or waited so long for those before it."""


class Finder:
    """Searches Parquet tables of item records below a folder, within limits of memory, threads and time.

    The engine reads that folder alone, loads nothing, and its settings are locked before the first search.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._seconds = limits.search_seconds
        self._engine = _engine(folder, limits)
        self._cursors: queue.SimpleQueue[DuckDBPyConnection] = queue.SimpleQueue()
        for _ in range(_CLIENTS):
            self._cursors.put(self._engine.cursor())

    def search(self, tables: str, terms: Mapping[str, Any], kinds: Mapping[str, str]) -> list[Found]:
        """All items that match, in order; ``terms`` as ``search_terms`` checked them, ``kinds`` of the columns.

        Raises ValueError when the engine refuses, SearchBusyError when it takes longer than it may.
        """
        import duckdb

        statement = Statement(kinds)
        text = statement.select(terms, f"read_parquet({_quoted(tables)}, union_by_name=true)")
        with self._cursor() as cursor:
            over = threading.Timer(self._seconds, cursor.interrupt)
            over.start()
            try:
                found = cursor.execute(text, statement.parameters).fetchall()
            except duckdb.InterruptException as error:
                raise self._busy() from error
            except duckdb.Error as error:
                _log.warning("A search was refused by the engine: %s", error)
                raise ValueError("its terms do not fit the items") from error
            finally:
                over.cancel()
        return found

    @contextmanager
    def _cursor(self) -> Iterator[DuckDBPyConnection]:
        try:
            cursor = self._cursors.get(timeout=self._seconds)
        except queue.Empty:
            raise self._busy() from None
        try:
            yield cursor
        finally:
            self._cursors.put(cursor)

    def _busy(self) -> SearchBusyError:
        return SearchBusyError(f"The search takes longer than {self._seconds:g} s; ask for less, or later")


def _engine(folder: Path, limits: Limits) -> DuckDBPyConnection:
    try:
        import duckdb
    except ImportError:
        raise MissingExtraError(
            "The embedded search needs packages that are not installed",
            value="duckdb",
            remedy="pip install 'vadose[serve]'",
        ) from None
    extensions = _extensions(folder / "extensions")
    settings: dict[str, Any] = {
        "extension_directory": str(extensions),
        "autoinstall_known_extensions": "false",
        "memory_limit": limits.search_memory,
        "threads": limits.search_threads,
        "temp_directory": "",
    }
    engine = duckdb.connect(":memory:", config=settings)
    for name in ("spatial", "icu"):
        engine.execute(f"LOAD {name}")
    engine.execute("SET TimeZone = 'UTC'")
    engine.execute(f"SET allowed_directories = [{_quoted(str(folder))}]")
    engine.execute("SET enable_external_access = false")
    engine.execute("SET lock_configuration = true")
    return engine


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def write_table(path: Path, records: Sequence[dict[str, Any]]) -> None:
    """Write item records as one STAC GeoParquet file, which replaces an older one whole."""
    from rustac import write

    async def run() -> None:
        await write(str(staged), list(records), format="parquet")

    staged = path.with_suffix(".new")
    with ThreadPoolExecutor(max_workers=1) as beside:  # the caller may have an event loop of its own
        beside.submit(asyncio.run, run()).result()
    staged.replace(path)


def _extensions(folder: Path) -> Path:
    """DuckDB's extensions from their wheels, linked into the folder layout that it looks in."""
    for name in _EXTENSIONS:
        found = find_spec(f"duckdb_extension_{name}")
        if found is None or found.origin is None:
            raise MissingExtraError(
                "The embedded search needs packages that are not installed",
                value=f"duckdb-extension-{name}",
                remedy="pip install 'vadose[serve]'",
            )
        for file in Path(found.origin).parent.rglob(f"{name}.duckdb_extension"):
            target = folder / file.parent.name / _platform() / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(file)
    return folder


def _platform() -> str:
    """DuckDB's name of this machine."""
    import platform

    system = {"Darwin": "osx", "Linux": "linux"}.get(platform.system(), "windows")
    machine = platform.machine().lower()
    return f"{system}_{'arm64' if machine in ('arm64', 'aarch64') else 'amd64'}"
