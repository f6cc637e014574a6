"""Several published days side by side, read window by window: what composites and percentiles are made from."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import resource
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window as RasterWindow

from catalog.items.day import is_withdrawn
from catalog.naming import DayName, collection_key
from catalog.reading.rasters import open_raster, require_grid
from catalog.store.base import Store, get_many, open_store
from catalog.store.documents import read_document, resolve
from downscaler import product
from downscaler.errors import CatalogError
from downscaler.ground.grid import Domain, Span, Window
from downscaler.records import InputRecord, RunRecord

Read = Callable[..., dict[str, NDArray[Any]]]
"""From a window, and ``cells`` where only some of its pixels are wanted, to arrays by asset name."""
_OTHER_FILES = 256  # that a process may have open besides
BLOCK = 512  # pixels, the blocks of the files: each is decompressed once


@dataclass(frozen=True, kw_only=True)
class StackedDay:
    """A published day as an input: its files by asset name, and its record with what its numbers hang on."""

    date: dt.date
    keys: Mapping[str, str]
    record: InputRecord
    simulated: bool
    caveats: tuple[str, ...]
    observed: tuple[dt.datetime, dt.datetime]


def source_of(uri: str | Path, domain: Domain, wanted: str | None = None) -> Domain:
    """The domain whose days are gathered: the analyses where there are any, else the SMAP-conserving days.

    ``wanted`` is analysis or conserving. Raises CatalogError where the catalogue holds no such days.
    """
    store, analyses = open_store(uri), product.analysis_of(domain)
    offered = {"analysis": analyses, "conserving": domain}
    for name, found in offered.items():
        if wanted in (None, name) and store.get(collection_key(found.name)) is not None:
            return found
    raise CatalogError(
        f"The catalogue holds no {wanted or 'published'} days of {domain.name!r}",
        value=store.uri,
        remedy="Make days first: vadose run, or vadose backfill.",
    )


def span_of(uri: str | Path, domain: Domain) -> tuple[dt.date, dt.date]:
    """First and last published day of a domain; raises CatalogError where it has none."""
    store, key = open_store(uri), collection_key(domain.name)
    if store.get(key) is None:
        raise CatalogError(f"The catalogue holds no items of {domain.name!r}", value=store.uri)
    first, last = read_document(store, key)["extent"]["temporal"]["interval"][0]
    return dt.date.fromisoformat(str(first)[:10]), dt.date.fromisoformat(str(last)[:10])


def stacked_days(uri: str | Path, domain: Domain, dates: Iterable[dt.date], names: Sequence[str]) -> list[StackedDay]:
    """Those of some days that are published and not withdrawn, in order; ``names`` are the assets that will be read.

    Raises CatalogError where an item is damaged or lacks an asset.
    """
    store = open_store(uri)
    days = [DayName.of(domain, date) for date in sorted(dates)]
    found = []
    for day, content in zip(days, get_many(store, [day.item_key for day in days]), strict=True):
        if content is None:
            continue
        item = _parsed(content, day)
        if not is_withdrawn(item):
            found.append(_stacked(day, item, names))
    return found


def _parsed(content: bytes, day: DayName) -> dict[str, Any]:
    try:
        item = json.loads(content)
        item["properties"], item["assets"]
    except (ValueError, KeyError, TypeError) as error:
        raise CatalogError(
            "A published item is damaged", value=f"{day.item_key}: {error!r}", remedy="`vadose catalog check`."
        ) from error
    return dict(item)


def _stacked(day: DayName, item: Mapping[str, Any], names: Sequence[str]) -> StackedDay:
    """The record's checksum is of what is read and told: files that are not read may change without effect."""
    assets, properties = item["assets"], item["properties"]
    missing = [name for name in names if name not in assets]
    if missing:
        raise CatalogError(f"{day.item_id} lacks assets", value=", ".join(missing))
    simulated, caveats = bool(properties["vadose:simulated"]), tuple(properties["vadose:caveats"])
    essence = [[name, assets[name]["file:checksum"]] for name in sorted(names)]
    told = json.dumps([essence, simulated, caveats])
    record = InputRecord(
        kind=product.DAY,
        name=day.item_id,
        version=str(properties["version"]),
        sha256=hashlib.sha256(told.encode()).hexdigest(),
        size=sum(int(assets[name]["file:size"]) for name in names),
        title=str(properties["title"]),
        href=f"../../../../{day.item_key}",
    )
    first, last = (dt.datetime.fromisoformat(time) for time in properties["vadose:observed"])
    return StackedDay(
        date=day.date,
        keys={name: resolve(day.item_key, assets[name]["href"]) for name in names},
        record=record,
        simulated=simulated,
        caveats=caveats,
        observed=(first, last),
    )


def gathered_record(
    first: dt.date, target: Domain, days: Sequence[StackedDay], parameters: Mapping[str, Any]
) -> RunRecord:
    """The record of a run that makes an item of ``target`` from published days, which are its inputs.

    What a user has to know of any of the days is to be known of the item.
    """
    return RunRecord(
        date=first,
        domain_name=target.name,
        inputs=tuple(day.record for day in days),
        observed=(min(day.observed[0] for day in days), max(day.observed[1] for day in days)),
        simulated=any(day.simulated for day in days),
        caveats=tuple(dict.fromkeys(caveat for day in days for caveat in day.caveats)),
        parameters=parameters,
    )


@contextmanager
def open_stack(store: Store, domain: Domain, days: Sequence[StackedDay], names: Sequence[str]) -> Iterator[Read]:
    """The days' rasters, opened once; yields a function from a window to arrays [day, y, x] by asset name.

    With ``cells``, a mask [y, x] of the window, the arrays are [day, cell] and no more than these is held. Floats have
    NaN where they lack a value. Raises CatalogError where a raster is missing, damaged or on another grid.
    """
    _allow_files(len(days) * len(names))
    with ExitStack() as stack:
        files = {
            name: [_opened(stack.enter_context(open_raster(store, day.keys[name])), domain, day) for day in days]
            for name in names
        }

        def read(window: Window, cells: NDArray[np.bool_] | None = None) -> dict[str, NDArray[Any]]:
            """All days' pixels in a window that is counted from the domain's corner."""
            rows, columns = window.rows, window.columns
            part = RasterWindow(columns.start, rows.start, len(columns), len(rows))

            def of_day(name: str, at: int) -> NDArray[Any]:
                values = _part(files[name][at], part, days[at].keys[name])
                return values if cells is None else values[cells]

            return {name: np.stack([of_day(name, at) for at in range(len(days))]) for name in names}

        yield read


def _part(file: rasterio.DatasetReader, part: RasterWindow, key: str) -> NDArray[Any]:
    try:
        return np.asarray(file.read(1, window=part))
    except rasterio.errors.RasterioError as error:
        raise CatalogError(
            "A raster of a published day cannot be read",
            value=key,
            remedy="It is cut or damaged. Make its day again with --force, or restore it.",
        ) from error


def _allow_files(number: int) -> None:
    """Let this process open so many files besides its own: ten years' season is more than some systems allow at first.

    What the system allows at most stays; beyond it opening fails, and says so.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def _opened(file: rasterio.DatasetReader, domain: Domain, day: StackedDay) -> rasterio.DatasetReader:
    require_grid(file, domain, day.record.name)
    return file


def windows(domain: Domain, side: int = BLOCK) -> Iterator[Window]:
    """Windows that cover a domain once and along whose edges the blocks of its files end."""
    shape = domain.shape()
    for top in range(0, shape.y, side):
        for left in range(0, shape.x, side):
            rows = Span(start=top, stop=min(top + side, shape.y))
            yield Window(rows=rows, columns=Span(start=left, stop=min(left + side, shape.x)))
