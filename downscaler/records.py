"""Small frozen records shared by the layers: inputs, and the run of a day."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class InputRecord:
    """One input of a product: enough to find it again and to tell whether it changed.

    ``kind`` is granule, prior or model; ``version`` the CRID and counter of a granule, else its own version;
    ``sha256`` hexadecimal, of the file or of a store's manifest; ``href`` a public address where there is one.
    """

    kind: str
    name: str
    version: str
    sha256: str
    size: int
    title: str = ""
    href: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What the catalogue must know of one day's run beside its pixels.

    ``caveats`` are sentences that a user has to read (simulated sample, prior of another year); ``simulated`` is
    true when any input is simulated; ``observed`` are the first and last SMAP observation used (UTC);
    ``parameters`` are the settings that shaped the numbers; ``considered`` names all granules of the day that were
    there, used or not. ``findings`` are what the run found in its inputs: they follow from these, so that they are
    told and make no day another.
    """

    date: dt.date
    domain_name: str
    inputs: tuple[InputRecord, ...]
    observed: tuple[dt.datetime, dt.datetime]
    simulated: bool = False
    caveats: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    considered: tuple[str, ...] = ()
    findings: Mapping[str, Any] = field(default_factory=dict)


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def folder_sha256(path: Path) -> str:
    """SHA-256 over the sorted relative names and contents of all files below a folder."""
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        digest.update(f"{file.relative_to(path).as_posix()}\0{file_sha256(file)}\n".encode())
    return digest.hexdigest()


def sync(path: Path) -> None:
    """Force a file, or a folder's entries, to disk: a rename must not outlive the bytes it names."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def file_input(path: Path) -> dict[str, Any]:
    """Name, checksum and size of a file, as inputs are told."""
    return {"name": path.name, "sha256": file_sha256(path), "size": path.stat().st_size}
