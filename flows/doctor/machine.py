"""This machine: versions of what is installed, clock, memory, disk, and locks between processes."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import os
import platform
import resource
import shutil
import sys
import tempfile
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path

from flows.doctor.findings import Answer, Finding, examine, failed, passed, skipped, warned
from flows.settings import Settings

_TOLD = ("numpy", "xgboost-cpu", "rasterio", "prefect", "obstore")
_CLOCK_WARN, _CLOCK_FAIL = 60.0, 300.0  # s; object stores refuse requests signed more than 15 minutes off
# Bytes, meant as upper bounds: libraries, model and tiles; what a cell of the domain adds while a day is made. A day of
# a mirrored continent (14.4 million cells, a sixth of them seen) peaked at 0.62 GB.
_BASE, _PER_CELL = 1.0e9, 250.0
_STORED = 20.0  # bytes of a cell of a published day, both products, all files (docs/operate/costs.md)
_GB = 1e9
_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def machine(settings: Settings) -> Iterator[Finding]:
    """What needs no network."""
    yield examine("versions", versions)
    yield examine("memory", lambda: memory(settings))
    yield examine("disk", lambda: disk(settings))
    yield examine("temporary files", temporary)
    yield examine("shared memory", lambda: shared(settings))


def versions() -> Answer:
    """Whether every package that vadose needs is installed in a version that it allows."""
    from packaging.requirements import Requirement

    wrong = []
    for text in importlib.metadata.requires("vadose") or ():
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            found = importlib.metadata.version(wanted.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{wanted.name} is not installed")
            continue
        if not wanted.specifier.contains(found, prereleases=True):
            wrong.append(f"{wanted.name} {found} instead of {wanted.specifier}")
    python = f"Python {platform.python_version()}"
    if wrong:
        return failed(f"{python}; {'; '.join(wrong)}", "Install from the lock: `make setup`, or take the image.")
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        return warned(f"{python} is not tested", "Use Python 3.11, 3.12 or 3.13.")
    return passed(", ".join(["vadose " + importlib.metadata.version("vadose"), python, *map(_version, _TOLD)]))


def _version(name: str) -> str:
    return f"{name} {importlib.metadata.version(name)}"


def cells(settings: Settings) -> int:
    """Product cells of the settings' domain; raises DomainError."""
    from downscaler import product

    shape = product.domain(settings.domain).shape(product.GRID)
    return int(shape.y * shape.x)


def memory(settings: Settings) -> Answer:
    """Memory that this process may use against what a day of the domain takes, once for each worker."""
    need = settings.workers * (_BASE + _PER_CELL * cells(settings))
    have = available()
    if have is None:
        return skipped("this system does not tell its memory")
    told = f"{have / _GB:.1f} GB for {settings.workers} x {settings.domain}, which takes {need / _GB:.1f} GB"
    if have < need:
        return failed(told, "Give the machine or the container more memory, or lower `workers`.")
    return passed(told) if have >= 1.25 * need else warned(told, "Little is to spare: give it more memory.")


def available() -> float | None:
    """Bytes of memory that this process may have: of the machine, its container and its own limit; None if unknown."""
    bounds = []
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        lines = dict(line.split(":") for line in meminfo.read_text(encoding="ascii").splitlines())
        bounds.append(float(lines.get("MemAvailable", lines["MemTotal"]).split()[0]) * 1024)
    for place in map(Path, _CGROUPS):
        text = place.read_text(encoding="ascii").strip() if place.exists() else "max"
        if text.isdigit():
            bounds.append(float(text))
    own, _ = resource.getrlimit(resource.RLIMIT_AS)
    if own != resource.RLIM_INFINITY:
        bounds.append(float(own))
    return min(bounds, default=None)


def disk(settings: Settings) -> Answer:
    """Room for published days where the catalogue is a folder, and for granules where they are downloaded."""
    day = _STORED * cells(settings)
    places = {} if "://" in settings.catalog else {settings.catalog: day}
    if settings.granules is None:
        places[str(settings.cache)] = settings.cache_limit * _GB
    if not places:
        return skipped("published into a bucket, from a folder of granules")
    told, short, tight = [], False, False
    for place, need in places.items():
        free = shutil.disk_usage(_standing(Path(place))).free
        is_catalog = need == day and place == settings.catalog
        told.append(f"{place}: {free / _GB:.1f} GB free" + (f", {free / day:.0f} days" if is_catalog else ""))
        short |= free < need if is_catalog else free < 1.0 * _GB
        tight |= free < 30 * need if is_catalog else free < need
    said = "; ".join(told)
    if short:
        return failed(said, "Free some space, or move `catalog` or `cache` to another disk.")
    return warned(said, "Room for a month is wise: free some, or lower `cache_limit`.") if tight else passed(said)


def _standing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if folder.exists())


def temporary() -> Answer:
    """Whether temporary files can be written: with a read-only root they need a mount of their own."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"vadose")
        free = shutil.disk_usage(file.name).free
    told = f"{tempfile.gettempdir()}: {free / _GB:.1f} GB free"
    return passed(told) if free > 0.5 * _GB else warned(told, "Mount more there, or set TMPDIR to another folder.")


def shared(settings: Settings) -> Answer:
    """Whether processes can share locks, which a backfill with several workers needs; raises SharedMemoryError."""
    from multiprocessing import get_context

    from flows.days.workers import shared_memory

    with shared_memory():
        get_context("spawn").Lock()
    return passed(f"processes can share locks ({settings.workers} workers, {os.cpu_count()} cores)")


def clock(address: str, timeout: float) -> Answer:
    """This machine's clock against that of a server which is asked for nothing but its headers."""
    import requests

    with requests.head(address, timeout=timeout, allow_redirects=False) as answer:
        told = answer.headers.get("Date")
    if told is None:
        return skipped(f"{address} tells no time")
    off = abs((dt.datetime.now(dt.UTC) - parsedate_to_datetime(told)).total_seconds())
    said = f"{off:.0f} s off the time of {address.split('/')[2]}"
    remedy = "Set the clock (chrony, systemd-timesyncd): claims on days and signed requests depend on it."
    if off > _CLOCK_FAIL:
        return failed(said, remedy)
    return warned(said, remedy) if off > _CLOCK_WARN else passed(said)
