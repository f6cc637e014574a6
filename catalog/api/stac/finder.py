"""Search by rustac: STAC GeoParquet under DuckDB, whose extensions come from their wheels."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from downscaler.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rustac import DuckdbClient

_EXTENSIONS = ("spatial", "icu", "parquet")
_CLIENTS = 4  # searches at the same time
Found = tuple[str, str]
"""Collection and identifier of an item."""


class Finder:
    """Searches Parquet tables of item records below a folder; clients are shared between threads, one at a time.

    A client takes a third of a second of computing to open: the first is opened at once, so that what is missing is
    told at the start, the others when searches come at the same time.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import rustac  # noqa: F401
        except ImportError:
            raise MissingExtraError(
                "The embedded search needs packages that are not installed",
                value="rustac",
                remedy="pip install 'vadose[serve]'",
            ) from None
        self._extensions = _extensions(folder / "extensions")
        self._idle: queue.LifoQueue[DuckdbClient] = queue.LifoQueue()
        self._turns = threading.BoundedSemaphore(_CLIENTS)
        self._idle.put(self._opened())

    def _opened(self) -> DuckdbClient:
        from rustac import DuckdbClient

        return DuckdbClient(extension_directory=self._extensions, install_extensions=False)

    def search(self, tables: str, terms: Mapping[str, Any]) -> list[Found]:
        """All items that match, in order; ``terms`` are those of a STAC API search without limit and token.

        Raises ValueError when DuckDB cannot make sense of a term.
        """
        wanted = ["collection", "id"]
        if "filter" in terms:  # what is filtered by has to be among what is asked for
            wanted = [*wanted, *terms.get("columns", ())]
        from rustac import RustacError

        with self._client() as client:
            try:
                rows = client.search(tables, include=wanted, **{k: v for k, v in terms.items() if k != "columns"})
            except RustacError as error:
                raise ValueError(str(error).split("\n")[0]) from error
        return [(row["collection"], row["id"]) for row in rows]

    @contextmanager
    def _client(self) -> Iterator[DuckdbClient]:
        with self._turns:
            try:
                client = self._idle.get_nowait()
            except queue.Empty:
                client = self._opened()
            try:
                yield client
            finally:
                self._idle.put(client)


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
