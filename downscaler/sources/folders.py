"""The files below a folder, as people arrange them: year folders, links to other disks, and what Macs leave behind."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

_DATA = (
    ".nc", ".nc4", ".cdf", ".netcdf", ".pfb", ".h5", ".hdf5", ".tif", ".tiff", ".grib", ".grb", ".grb2"
)  # fmt: skip
_SHOWN = 3
_CLUTTER = ("__MACOSX", "@eaDir", "$RECYCLE.BIN")


def files_below(folder: Path, suffixes: Iterable[str] | None = None) -> list[Path]:
    """Regular files below a folder in order of their paths; links are followed, no file comes twice.

    Hidden files and folders (``._*`` of Macs among them), pipes and devices are passed over. ``suffixes`` (in lower
    case, with the dot) are compared whatever the case; without them every file counts.
    """
    wanted = tuple(suffixes) if suffixes is not None else None
    seen: set[tuple[int, int]] = set()
    found = []
    for path in sorted(_walk(folder, set())):
        if wanted is not None and path.suffix.lower() not in wanted:
            continue
        try:
            facts = path.stat()
        except OSError:
            continue  # a link to nothing, or a file that went
        key = (facts.st_dev, facts.st_ino)
        if stat.S_ISREG(facts.st_mode) and key not in seen:
            seen.add(key)
            found.append(path)
    return found


def left_unread(folder: Path, known: Collection[Path]) -> list[str]:
    """A note on the data files of a run's folder that nothing read: how many, and the first of them."""
    found = files_below(folder, _DATA) if folder.is_dir() else []
    unread = [str(file.relative_to(folder)) for file in found if file not in known]
    more = ", ..." if len(unread) > _SHOWN else ""
    return [f"Left unread: {len(unread)} data files beside ({', '.join(unread[:_SHOWN])}{more})."] if unread else []


def _walk(folder: Path, above: set[tuple[int, int]]) -> Iterator[Path]:
    """Entries that are no folders; a link to a folder above is not followed."""
    try:
        facts, entries = folder.stat(), sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    key = (facts.st_dev, facts.st_ino)
    if key in above:
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.name in _CLUTTER:
            continue
        if entry.is_dir():
            yield from _walk(folder / entry.name, above | {key})
        else:
            yield folder / entry.name
