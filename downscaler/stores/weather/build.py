"""Writing a weather store: days of a source brought onto the product grid, one at a time, the record of a day last."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import shutil
import tempfile
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
from downscaler.errors import WeatherError, WeatherUnreadableError, WeatherValueError
from downscaler.ground.grid import M01, Domain, Window, domain_attributes
from downscaler.ground.latlon import FromLatLon, from_latlon, is_geographic
from downscaler.ground.lattice import IJWindow
from downscaler.ground.regrid import Overlap, overlap
from downscaler.records import sync
from downscaler.sources.weather import SOURCES, WeatherSource
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
from downscaler.stores.weather.store import is_weather, open_weather

Array = NDArray[np.float32]
Said = Callable[[dt.date, str], None]
_PATIENCE = 60.0  # s, how long another writer is waited for
_DRY_LIMIT = 1_000_000  # product cells (km2) over which a day without a drop is no weather
_POINTS = (34, 21)  # samples of a product cell for lattices of about its size


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
    new = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
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
    elevation: Callable[[Domain], Array] | None = None,
    said: Said = lambda _day, _what: None,
) -> list[DayRecord]:
    """Bring days of a source into a store; a day that stands there from the same files is passed over.

    Args:
        path: the store.
        source: opened weather; a day that it cannot give whole is told to ``said`` and left out, others go on.
        days: which days.
        elevation: gives the elevation of the domain's product cells [y, x], m, NaN where unknown, by which coarse
            temperature is moved to each cell's height; None leaves it as it is.
        said: told each day that was left out, and why.

    Returns:
        The records of the days that were written.

    Raises:
        WeatherUnreadableError: no store is at ``path``, or another process keeps writing to it.
    """
    store = open_weather(path)
    bring = _Bring(source, store.domain, elevation)
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
                if (
                    (held := known.get((day, source.name))) is not None
                    and held.sha256 == record.sha256
                    and (
                        held.latency,
                        held.version,
                    )
                    == (record.latency, record.version)
                ):
                    continue
                record = replace(record, slot=slot)
                _write(path, group, record, fields)
                written.append(record)
                slot += 1
    except Timeout:
        raise WeatherUnreadableError(
            f"Another process is writing to {path}", remedy="Wait until it has finished, then run the command again."
        ) from None
    return written


class _Bring:
    """Fields of a source on a domain's product grid, packed."""

    def __init__(self, source: WeatherSource, domain: Domain, elevation: Callable[[Domain], Array] | None) -> None:
        self._source, self._domain = source, domain
        lattice = source.lattice
        self._degrees: FromLatLon | None = None
        self._overlaps: list[tuple[Window, Overlap]] = []
        if is_geographic(lattice):
            self._degrees = from_latlon(lattice, domain)
            self._window = _needed(self._degrees, lattice.window)
            self._degrees = _cut(self._degrees, self._window)
        else:
            found = ((w, overlap(lattice, domain, w, fibonacci=_POINTS)) for w in domain.blocks())
            self._overlaps = [(w, o) for w, o in found if o is not None]
            self._window = lattice.window
        self._elevation = elevation(domain) if elevation is not None and self._degrees is not None else None

    def day(self, day: dt.date) -> tuple[DayRecord, dict[str, NDArray[np.uint16]]]:
        """The record (its slot still open) and the packed fields [y, x]; raises as the source, WeatherValueError."""
        read = self._source.read(day, self._window)
        fields = {"precipitation": self._mean(np.maximum(read.precipitation, 0.0))}
        if not np.isfinite(fields["precipitation"]).any():
            raise WeatherValueError(f"{self._source.title} has no precipitation in the domain on {day}")
        if fields["precipitation"].size > _DRY_LIMIT and not np.nansum(fields["precipitation"]) > 0:
            raise WeatherValueError(
                f"{self._source.title} has no drop of rain on {day}",
                value=f"0 mm over {fields['precipitation'].size} km2",
                remedy="The file is empty or damaged: download it again.",
            )
        if read.air_temperature is not None:
            fields["air_temperature"] = self._temperature(read.air_temperature)
        packed = {name: VARIABLES[name].pack(values) for name, values in fields.items()}
        notes = read.notes
        if self._degrees is not None and self._elevation is None and read.air_temperature is not None:
            notes = (*notes, "Air temperature is not moved to the height of each cell: no elevation was given.")
        return DayRecord(
            date=day,
            source=self._source.name,
            title=self._source.title,
            slot=-1,
            latency=read.latency,
            version=read.version,
            fetched=dt.datetime.now(dt.UTC).replace(microsecond=0),
            sha256={name: hashlib.sha256(numbers.tobytes()).hexdigest() for name, numbers in packed.items()},
            inputs=read.inputs,
            notes=notes,
            mean={name: round(float(np.nanmean(values)), 3) for name, values in fields.items()},
        ), packed

    def _mean(self, values: NDArray[np.floating]) -> Array:
        if self._degrees is not None:
            return self._degrees.mean(values)
        shape = self._domain.shape(M01)
        made = np.full((shape.y, shape.x), np.nan, dtype=np.float32)
        for window, share in self._overlaps:
            made[window.rows.slice, window.columns.slice] = share.mean(values[share.source.slices])
        return made

    def _temperature(self, values: NDArray[np.floating]) -> Array:
        if self._degrees is None:
            return self._mean(values)
        return self._degrees.temperature(values, self._elevation)


def _needed(matrices: FromLatLon, whole: IJWindow) -> IJWindow:
    """The source cells that the domain needs: what lies under it or next to it."""
    spans = []
    for share, near, span in (
        (matrices.columns, matrices.near_columns, whole.i),
        (matrices.rows, matrices.near_rows, whole.j),
    ):
        used = np.flatnonzero(np.asarray((share + near).sum(axis=0)).ravel() > 0)
        if used.size == 0:
            used = np.array([0])
        spans.append(replace(span, start=int(used[0]), stop=int(used[-1]) + 1))
    return IJWindow(i=spans[0], j=spans[1])


def _cut(matrices: FromLatLon, window: IJWindow) -> FromLatLon:
    j, i = window.slices
    return FromLatLon(
        rows=matrices.rows[:, j],
        columns=matrices.columns[:, i],
        near_rows=matrices.near_rows[:, j],
        near_columns=matrices.near_columns[:, i],
    )


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
