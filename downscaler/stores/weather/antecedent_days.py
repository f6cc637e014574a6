"""Antecedent weather kept in a weather store: for each day, so that making it reads one day and not sixty.

An array of whole numbers (``antecedent``) beside the days', and a record for each day that names the slots of the days
it was made of. Where those are not the slots that count now, or nothing is kept, the days themselves are read.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, Crc32cCodec

from downscaler.errors import BROKEN
from downscaler.ground.grid import Span, Window
from downscaler.method.forcing import run_of_days
from downscaler.method.weather.antecedent import Antecedent
from downscaler.records import sync
from downscaler.stores.prior.shards import Shards
from downscaler.stores.weather.antecedent import NAMES, Numbers, Planes, from_day_before, from_days, unpacked
from downscaler.stores.weather.layout import CHUNK, MISSING, DayRecord, slots_text

ARRAY, RECORDS = "antecedent", "antecedent_days"
_LOG = logging.getLogger(__name__)
_NONE = np.uint32(2**32 - 1)
_FIRST, _TURNS = dt.date(1950, 1, 1), 64  # slots of a date, taken in turn: what a reader has opened stays for a while
_NO_DAYS = np.array([], dtype="datetime64[D]")
Slots = Mapping[dt.date, int]
Best = Mapping[dt.date, DayRecord]
ZarrArray: TypeAlias = "zarr.Array[Any]"
Part = Callable[[Sequence[slice]], NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What is kept of a day: ``of`` the slots of its run of days, how many they are, and its own slot."""

    of: str
    days: int
    slot: int


def run_slots(best: Best, date: dt.date) -> dict[dt.date, int]:
    """The days of a store alone that the predictors of a date are made from, and their slots; none without."""
    return {day: best[day].slot for day in run_of_days(date, _NO_DAYS, tuple(best))}


def kept_of(path: Path, date: dt.date, run: Slots) -> Kept | None:
    """What a store keeps of a date, if it was made of just these days."""
    found = _record(path, date)
    return found if found is not None and run and found.of == slots_text(run) else None


def open_kept(path: Path) -> Part:
    """How parts of what a store keeps are read."""
    array = zarr.open_array(path / ARRAY, mode="r", zarr_format=3)
    shards = Shards.of(array, path / ARRAY)
    return shards.read if shards is not None else lambda key: np.asarray(array[tuple(key)])


def read_kept(part: Part, kept: Kept, window: Window) -> dict[str, Antecedent] | None:
    """Antecedent rain and temperature on a window of a store (M01 cells); None where what is kept is damaged."""
    planes = _planes(part, kept.slot, window)
    return None if planes is None else unpacked(planes, kept.days)


def is_whole(path: Path, kept: Kept) -> bool:
    """Whether all numbers are there as they were written."""
    part, strips = open_kept(path), _strips(zarr.open_array(path / ARRAY, mode="r", zarr_format=3))
    return all(_whole(_planes(part, kept.slot, strip)) is not None for strip in strips)


def keep_antecedent(path: Path, group: zarr.Group, best: Best, dates: Iterable[dt.date]) -> None:
    """Make what is not kept yet, or was made of other days, for some dates of a store; under its lock.

    Args:
        path: the store.
        group: the same, open for writing.
        best: the records that count.
        dates: any; those that have no run of days are passed over.
    """
    for date in sorted(set(dates)):
        run = run_slots(best, date)
        if not run or kept_of(path, date, run) is not None:
            continue
        old = _record(path, date)
        slot = (date - _FIRST).days * _TURNS + (0 if old is None else (old.slot + 1) % _TURNS)
        _make(path, group, best, date, slot)
        _put(path, date, Kept(of=slots_text(run), days=len(run), slot=slot))
        if old is not None:
            shutil.rmtree(path / ARRAY / "c" / str(old.slot), ignore_errors=True)


def _make(path: Path, group: zarr.Group, best: Best, date: dt.date, slot: int) -> None:
    """The planes of a date, strip by strip, from those of the day before where they are kept."""
    array, yesterday = _array(group), date - dt.timedelta(days=1)
    run, before = run_slots(best, date), run_slots(best, yesterday)
    kept, part = kept_of(path, yesterday, before), open_kept(path)
    for strip in _strips(array):

        def read(name: str, day: dt.date, strip: Window = strip) -> Numbers:
            if name not in best[day].sha256:
                return np.full((len(strip.rows), len(strip.columns)), MISSING, np.uint16)
            return np.asarray(group[name][best[day].slot, strip.rows.slice, :])  # type: ignore[index]

        known = None if kept is None else _whole(_planes(part, kept.slot, strip))
        made = from_days(sorted(run), read) if known is None else from_day_before(known, min(before), date, read)
        array[slot, :, strip.rows.slice, :] = made


def _planes(part: Part, slot: int, window: Window) -> Planes | None:
    key = (slice(slot, slot + 1), slice(0, len(NAMES)), window.rows.slice, window.columns.slice)
    try:
        return np.asarray(part(key)[0])
    except BROKEN as error:
        _LOG.warning("Antecedent weather is damaged, the days are read instead: %s", error)
        return None


def _whole(planes: Planes | None) -> Planes | None:
    """The planes, if no part of them is gone."""
    return None if planes is None or (planes == _NONE).any() else planes


def _strips(array: ZarrArray) -> Iterator[Window]:
    """Rows of the store that are made and written at once."""
    _, _, rows, columns = array.shape
    for top in range(0, rows, CHUNK):
        yield Window(rows=Span(start=top, stop=min(top + CHUNK, rows)), columns=Span(start=0, stop=columns))


def _array(group: zarr.Group) -> ZarrArray:
    """The array of a store; stores of before get it now."""
    if ARRAY not in group:
        _, rows, columns = group["precipitation"].shape  # type: ignore[union-attr]
        chunk = (1, len(NAMES), min(CHUNK, rows), min(CHUNK, columns))
        group.create_array(
            ARRAY,
            shape=(_TURNS * 2**16, len(NAMES), rows, columns),
            chunks=chunk,
            shards=(*chunk[:3], -(-columns // chunk[3]) * chunk[3]),
            dtype="uint32",
            fill_value=int(_NONE),
            compressors=(BloscCodec(cname="zstd", clevel=5, shuffle="shuffle"), Crc32cCodec()),
            dimension_names=("slot", "plane", "y", "x"),
            attributes={"planes": list(NAMES), "long_name": "Antecedent precipitation and air temperature"},
        )
    return group[ARRAY]  # type: ignore[return-value]


def _record(path: Path, date: dt.date) -> Kept | None:
    try:
        told = json.loads((path / RECORDS / f"{date}.json").read_text(encoding="utf-8"))
        return Kept(of=str(told["of"]), days=int(told["days"]), slot=int(told["slot"]))
    except BROKEN:
        return None


def _put(path: Path, date: dt.date, kept: Kept) -> None:
    """Write a record by a rename: the commit."""
    final = path / RECORDS / f"{date}.json"
    final.parent.mkdir(exist_ok=True)
    new = final.with_name(f".{final.name}.{os.getpid()}")
    new.write_text(json.dumps({"of": kept.of, "days": kept.days, "slot": kept.slot}), encoding="utf-8")
    sync(new)
    new.replace(final)
    sync(final.parent)
