"""Adding the days that a run has gained to a prior store, without building it anew."""

from __future__ import annotations

import datetime as dt
import errno
import json
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import downscaler
from downscaler.errors import PriorSchemaError, StorageFullError
from downscaler.ground.prior import Prior
from downscaler.ground.regrid import Overlap, overlap
from downscaler.parts import alone
from downscaler.sources.parflow.source import PriorSource
from downscaler.stores.prior.layout import StoreWriter
from downscaler.stores.prior.schema import DAILY, FIELDS
from downscaler.stores.prior.store import open_prior, swap
from downscaler.stores.prior.tile import blocks, check_fraction

Progress = Callable[[int, int], None]


def extend_prior(source: PriorSource, path: Path, *, progress: Progress | None = None) -> Prior:
    """Append the source's days after the store's last one; all or nothing.

    Statistics and climatology stay those of the record that the store was built from, which models were trained with:
    ``statistics_period`` tells which. Who reads the store meanwhile goes on: new files take the place of old ones
    only when all are written, and days that were there are the same in both.

    Args:
        source: the run, with its new days.
        path: the store.
        progress: called with (tiles done, tiles in all).

    Raises:
        PriorUnreadableError, PriorSchemaError: as ``open_prior``; or the source is of another lattice or lacks a field.
        BusyError: another process is writing the store.
        StorageFullError: no room.
    """
    open_prior(path)  # what is no prior gets no lock beside it
    with alone(path):
        return _extend(source, path, progress)


def _extend(source: PriorSource, path: Path, progress: Progress | None) -> Prior:
    prior = open_prior(path)
    new = [number for number, day in enumerate(source.days) if day > prior.period[1]]
    _check(prior, source)
    if not new:
        return prior
    staging = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        shutil.copytree(path, staging, copy_function=_link)
        _append(prior, source, slice(new[0], new[-1] + 1), staging, progress)
        swap(staging, path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFullError("The disk filled up while the prior was extended", value=path) from error
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return open_prior(path)


def _link(source: str, target: str) -> None:
    """A second name of the same file where the disk allows it: Zarr replaces files and never writes into them."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _check(prior: Prior, source: PriorSource) -> None:
    lattice = source.lattice
    there = [prior.attributes[name] for name in ("lattice", "registration", "lower_left")]
    given = [lattice.name, lattice.registration, [lattice.lower_left.x, lattice.lower_left.y]]
    if there != given:
        raise PriorSchemaError("The run lies on another lattice than the prior's", value=given, allowed=there)
    lacking = [name for name in _daily(prior) if name not in source.daily]
    if lacking:
        raise PriorSchemaError("The run lacks daily fields of the prior", value=", ".join(lacking))


def _daily(prior: Prior) -> list[str]:
    return [name for name, spec in FIELDS.items() if spec.dims == DAILY and name in prior.data]


def _append(prior: Prior, source: PriorSource, new: slice, staging: Path, progress: Progress | None) -> None:
    days = source.days[new]
    first = prior.data.sizes["time"]
    writer = StoreWriter(staging)
    writer.add_days(days, _daily(prior))
    windows = list(prior.domain.blocks())
    digests = [str(prior.attributes["digest"])]
    for done, window in enumerate(windows, start=1):
        share = overlap(source.lattice, prior.domain, window)
        if share is not None:
            for name in _daily(prior):
                for block in blocks(len(days)):
                    _append_block(writer, source, name, share, block, new.start, first)
        digests.append(writer.take_digest())
        if progress is not None:
            progress(done, len(windows))
    writer.finish(_attributes(prior, source, days), _unsigned(), digests)


def _append_block(
    writer: StoreWriter, source: PriorSource, name: str, share: Overlap, block: slice, new: int, first: int
) -> None:
    """One daily field of one tile: days ``block`` counted from ``new`` in the run and from ``first`` in the store."""
    native = source.read_days(name, slice(new + block.start, new + block.stop), share.source)
    if name == "soil_moisture":
        check_fraction(native)
    writer.put(name, share.mean(native), share.window, slice(first + block.start, first + block.stop))


def _attributes(prior: Prior, source: PriorSource, days: tuple[dt.date, ...]) -> dict[str, Any]:
    unsigned = ("digest", "files", "bytes", "created", "vadose_version")
    kept = {name: value for name, value in prior.attributes.items() if name not in unsigned}
    known = [json.dumps(record, sort_keys=True) for record in kept["inputs"]]
    more = [dict(r) for r in source.info.inputs if json.dumps(dict(r), sort_keys=True) not in known]
    return {
        **kept,
        "built_digest": kept.get("built_digest", prior.attributes["digest"]),  # of the record that statistics are of
        "period": [kept["period"][0], days[-1].isoformat()],
        "days": int(kept["days"]) + len(days),
        "inputs": [*kept["inputs"], *more],
    }


def _unsigned() -> dict[str, str]:
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    return {"created": now, "vadose_version": downscaler.__version__}
