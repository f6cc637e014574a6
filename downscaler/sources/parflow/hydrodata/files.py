"""Files of a downloaded run: names, atomic writing, reading with typed errors."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from downscaler.errors import PriorUnreadableError
from downscaler.ground.lattice import IJWindow

MANIFEST = "hydrodata.json"
PARTIAL = ".partial"
_STALE = 86400.0  # s after which a partial file belongs to no living fetch
Fields = dict[str, NDArray[Any]]


def part_path(folder: Path, month: tuple[dt.date, dt.date], block: IJWindow) -> Path:
    """File of a month's part on one block."""
    return folder / f"{month[0]:%Y%m%d}-{month[1]:%Y%m%d}_{_place(block)}.npz"


def absent_path(folder: Path, month: tuple[dt.date, dt.date]) -> Path:
    """File that says why a month is missing; delete it to request the month again."""
    return folder / f"{month[0]:%Y%m%d}-{month[1]:%Y%m%d}.absent"


def static_path(folder: Path, block: IJWindow) -> Path:
    """File of the static fields on one block."""
    return folder / f"static_{_place(block)}.npz"


def _place(block: IJWindow) -> str:
    return f"i{block.i.start}-{block.i.stop}_j{block.j.start}-{block.j.stop}"


def store(path: Path, fields: Fields) -> None:
    """Write a part atomically."""
    write(path, lambda stream: np.savez_compressed(stream, allow_pickle=False, **fields))


def write(path: Path, fill: Callable[[BinaryIO], object]) -> None:
    """Write atomically."""
    partial = path.with_suffix(f".{os.getpid()}{PARTIAL}")
    with partial.open("wb") as stream:
        fill(stream)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[np.lib.npyio.NpzFile]:
    """A part's fields by name; raises PriorUnreadableError when the file is damaged."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            yield file
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise PriorUnreadableError(
            "A downloaded part is damaged", value=f"{path}: {error}", remedy="Delete it and run the same command again."
        ) from error


def load(path: Path, name: str) -> NDArray[Any]:
    """One field of a part; raises PriorUnreadableError when the file is damaged."""
    with opened(path) as file:
        return np.asarray(file[name])


def sweep(folder: Path) -> None:
    """Remove partial files of killed downloads; files of active downloads are kept."""
    for path in folder.glob(f"*{PARTIAL}"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _STALE:
                path.unlink()
