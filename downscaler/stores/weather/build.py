"""Writing a weather store: days of a source brought onto the product grid, one at a time, the record of a day last."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from zarr.codecs import BloscCodec

from downscaler import __version__
from downscaler.errors import WeatherError, WeatherUnreadableError
from downscaler.ground.grid import M01, Domain, domain_attributes
from downscaler.method.features import FORCING_DAYS
from downscaler.records import sync
from downscaler.sources.weather import SOURCES, WeatherSource
from downscaler.stores.weather.antecedent_days import keep_antecedent
from downscaler.stores.weather.bring import Elevation, OnGrid
from downscaler.stores.weather.layout import (
    CHUNK,
    KIND,
    MISSING,
    RECORDS,
    SCHEMA_VERSION,
    SLOTS,
    VARIABLES,
    DayRecord,
)
from downscaler.stores.weather.matching import kept_matching
from downscaler.stores.weather.store import is_weather, open_weather

Said = Callable[[dt.date, str], None]
_PATIENCE = 60.0  # s, how long another writer is waited for


def build_weather(path: Path, domain: Domain, *, order: Sequence[str] = tuple(SOURCES)) -> None:
    """Make an empty store at ``path``; a store of the same domain that is there is left as it is.

    Raises WeatherUnreadableError where something else is there, or a store of another domain.
    """
    if is_weather(path):
        if (held := open_weather(path).domain) != domain:
            raise WeatherUnreadableError(
                f"{path} holds the weather of another domain", value=held.name, allowed=domain.name
            )
        return
    if path.exists() and any(path.iterdir()):
        raise WeatherUnreadableError(f"{path} is not a weather store", allowed="a new folder, or a weather store")
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    new.mkdir()  # by the umask, as other stores: one of tempfile's would stay closed to everyone else
    try:
        _create(new, domain, order)
        if path.exists():
            path.rmdir()
        new.rename(path)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def add_days(
    path: Path,
    source: WeatherSource,
    days: Iterable[dt.date],
    *,
    elevation: Elevation | None = None,
    own: bool = False,
    said: Said = lambda _day, _what: None,
) -> list[DayRecord]:
    """Bring days of a source into a store; a day that stands there from the same files is passed over.

    Rain is matched to the prior's where the store holds a matching of the source (``matching.fit_matching``).

    Args:
        path: the store.
        source: opened weather; a day that it cannot give whole is told to ``said`` and left out, others go on.
        days: which days.
        elevation: gives the elevation of the domain's product cells [y, x], m, NaN where unknown, by which coarse
            temperature is moved to each cell's height; None leaves it as it is.
        own: whether the source is the prior's own forcing, which needs no matching.
        said: told each day that was left out, and why.

    Returns:
        The records of the days that were written.

    Raises:
        WeatherUnreadableError: no store is at ``path``, or another process keeps writing to it.
    """
    store = open_weather(path)
    bring = OnGrid(source, store.domain, elevation, kept_matching(path, source.name), own)
    written = []
    try:
        with FileLock(path / ".lock", timeout=_PATIENCE):
            known = {(r.date, r.source): r for r in open_weather(path).records}
            slot = max((r.slot for r in known.values()), default=-1) + 1
            group = zarr.open_group(path, mode="r+", zarr_format=3)
            for day in sorted(set(days)):
                try:
                    record, fields = bring.day(day)
                except WeatherError as error:
                    said(day, str(error))
                    continue
                if (held := known.get((day, source.name))) is None or not held.same_as(record):
                    record = replace(record, slot=slot)
                    _write(path, group, record, fields)
                    written.append(record)
                    known[day, source.name] = record
                    slot += 1
                del fields  # of CONUS 60 MB, while as much is made of them
                keep_antecedent(path, group, replace(store, records=tuple(known.values())).best, [day])
            later = (record.date + dt.timedelta(days=age) for record in written for age in range(FORCING_DAYS))
            keep_antecedent(path, group, replace(store, records=tuple(known.values())).best, later)
    except Timeout:
        raise WeatherUnreadableError(
            f"Another process is writing to {path}", remedy="Wait until it has finished, then run the command again."
        ) from None
    return written


def _create(path: Path, domain: Domain, order: Sequence[str]) -> None:
    shape = domain.shape(M01)
    group = zarr.create_group(path, zarr_format=3)
    for variable in VARIABLES.values():
        chunk = (1, min(CHUNK, shape.y), min(CHUNK, shape.x))
        shard = tuple(-(-size // c) * c for size, c in zip((1, shape.y, shape.x), chunk, strict=True))
        attributes: dict[str, Any] = {
            "units": variable.units,
            "long_name": variable.title,
            "cell_methods": variable.cell_methods,
            "scale_factor": variable.scale,
            "_FillValue": MISSING,
        }
        group.create_array(
            variable.name,
            shape=(SLOTS, shape.y, shape.x),
            chunks=chunk,
            shards=shard,
            dtype="uint16",
            fill_value=MISSING,
            compressors=BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle"),
            dimension_names=("slot", "y", "x"),
            attributes=attributes,
        )
    (path / RECORDS).mkdir()
    group.attrs.update(
        {
            "kind": KIND,
            "schema_version": SCHEMA_VERSION,
            "domain": domain_attributes(domain),
            "order": list(order),
            "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "vadose_version": __version__,
        }
    )


def _write(path: Path, group: zarr.Group, record: DayRecord, fields: dict[str, NDArray[np.uint16]]) -> None:
    """The day's numbers into their slot, then its record by a rename: the commit."""
    for name, numbers in fields.items():
        group[name][record.slot] = numbers  # type: ignore[index]
    final = path / RECORDS / record.name
    new = final.with_name(f".{record.name}.{os.getpid()}")
    new.write_text(record.text(), encoding="utf-8")
    sync(new)
    new.replace(final)
    sync(final.parent)
