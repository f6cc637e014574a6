"""One gate for Zarr stores of others: files that are the store's own, and arrays that may be read.

A Zarr store is a folder, so what makes a file of it another one is the file system: a link to a file of this machine
would pass for data, a pipe is waited for without end. Its metadata are JSON that a few bytes make declare anything.
"""

from __future__ import annotations

import json
import math
import os
import stat
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from downscaler.sources.refused import LARGEST_BLOCK, RefusedFileError, require_regular

if TYPE_CHECKING:
    import xarray as xr

METADATA = ("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")
LARGEST_METADATA = 1 << 24  # bytes of one file of them
_HOLLOW, _HOLLOW_BLOCK, _RATIO = 10_000_000_000, 1 << 26, 3_000
"""Declared bytes of an array, and of one block, from which the store has to hold one byte for each 3,000."""
_LONG_AXIS = 20_000_000  # values of an array of one dimension, which is read whole
_DIMENSIONS = 8
_CODE = "pickle"  # a codec that runs what it reads
_AS_DELIVERED = "Take the store as its maker delivers it."


def is_store(path: Path) -> bool:
    """Whether a folder is a Zarr store by the name of its metadata."""
    return path.is_dir() and any((path / name).exists() for name in ("zarr.json", ".zgroup", ".zmetadata"))


def attributes_of(path: Path) -> Mapping[str, Any]:
    """The attributes that a store of Zarr's third version tells of itself.

    Raises RefusedFileError, and what broken JSON makes Python raise.
    """
    file = path / "zarr.json"
    require_regular(file)
    _require_short(path, file, file.stat().st_size)
    attributes: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))["attributes"]
    return attributes


def dataset(path: Path, **decoding: Any) -> xr.Dataset:
    """A Zarr store, opened lazily by xarray; ``decoding`` is that of ``xarray.open_dataset``.

    Raises RefusedFileError as ``check``, and where values are read for a block that unpacks to more than
    ``LARGEST_BLOCK``; otherwise what xarray raises.
    """
    import xarray as xr

    from downscaler.sources import zarr_codecs

    check(path)
    zarr_codecs.install()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of stores without consolidated metadata
        warnings.simplefilter("ignore", UserWarning)  # of files beside the arrays
        return xr.open_dataset(path, engine="zarr", chunks=None, **decoding)


def check(path: Path) -> None:
    """Raise RefusedFileError unless a store's files are its own and its arrays no larger than what it holds.

    Metadata that are no JSON, or of another form than Zarr's, are left to the reader.
    """
    held: dict[Path, int] = {}
    described: list[Path] = []
    for file, facts in own_files(path):
        if file.name in METADATA:
            _require_short(path, file, facts.st_size)
            described.append(file)
            continue
        for folder in file.relative_to(path).parents:
            held[path / folder] = held.get(path / folder, 0) + facts.st_size
    for file in described:
        for folder, node in _arrays(file):
            _require_filled(_told(path, folder), node, held.get(folder, 0))


def own_files(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Every file of a store with its facts; RefusedFileError for one that leads out of it or is no regular file.

    The store itself may be reached by a link, and links within it may lead to its own files.
    """
    whole = path.resolve()
    pending = [path]
    while pending:
        folder = pending.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except FileNotFoundError:
            continue  # it went meanwhile: a store that is being written
        except OSError as error:
            told = f"{_told(path, folder)} cannot be listed ({error.strerror})"
            raise RefusedFileError(told, "Check its permissions.") from error
        for entry in entries:
            file = folder / entry.name
            if entry.is_symlink():
                _require_within(path, file, whole)
            if entry.is_dir(follow_symlinks=False):
                pending.append(file)
                continue
            try:
                facts = file.stat()
            except FileNotFoundError:
                continue
            if not stat.S_ISREG(facts.st_mode):
                raise RefusedFileError(f"{_told(path, file)} is not a regular file", _AS_DELIVERED)
            yield file, facts


def _require_short(path: Path, file: Path, size: int) -> None:
    if size > LARGEST_METADATA:
        raise RefusedFileError(f"{_told(path, file)} is of {size:,} bytes", _AS_DELIVERED)


def _require_within(path: Path, file: Path, whole: Path) -> None:
    """A link has to lead to a file of the store; not to a folder, which could hold itself."""
    target = Path(os.path.realpath(file))
    if not target.is_relative_to(whole) or not target.is_file():
        raise RefusedFileError(
            f"{_told(path, file)} is a link out of the store or to nothing", "Copy the store with its files: cp -rL."
        )


def _told(path: Path, file: Path) -> str:
    return str(file.relative_to(path)) if file != path else path.name


def _arrays(file: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The arrays that a file of metadata describes, with their folders; consolidated ones too."""
    try:
        node = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        return
    if not isinstance(node, dict):
        return
    if file.name == ".zarray" or node.get("node_type") == "array":
        yield file.parent, node
    inner = node.get("consolidated_metadata")
    for kept in (inner, node if file.name == ".zmetadata" else None):
        entries = kept.get("metadata") if isinstance(kept, dict) else None
        for name, other in entries.items() if isinstance(entries, dict) else ():
            if isinstance(other, dict) and isinstance(other.get("shape"), list):
                yield file.parent / name.removesuffix("/.zarray"), other


def _require_filled(name: str, node: Mapping[str, Any], held: int) -> None:
    """Raise RefusedFileError for an array of code, of too large blocks, or far larger than what is held of it."""
    if f'"{_CODE}"' in json.dumps([node.get(key) for key in ("codecs", "filters", "compressor")]):
        raise RefusedFileError(f"{name} is packed as {_CODE}, which can run any program", "Write it with zstd.")
    shape, size = _lengths(node.get("shape")), _item_size(node)
    if shape is None:
        return
    declared, block = size * math.prod(shape), size * math.prod(_block(node) or [1])
    hollow = declared > max(_HOLLOW, _RATIO * held) or block > max(_HOLLOW_BLOCK, _RATIO * held)
    long = len(shape) == 1 and shape[0] > _LONG_AXIS
    if hollow or long or block > LARGEST_BLOCK or len(shape) > _DIMENSIONS:
        raise RefusedFileError(
            f"{name} declares {declared:,} bytes in blocks of {block:,}, shape {tuple(shape)}, and holds {held:,}",
            _AS_DELIVERED,
        )


def _block(node: Mapping[str, Any]) -> list[int] | None:
    """Lengths of what is unpacked at once: of a shard its inner blocks."""
    for codec in node.get("codecs") or [] if isinstance(node.get("codecs"), list) else []:
        if isinstance(codec, dict) and codec.get("name") == "sharding_indexed":
            return _lengths((codec.get("configuration") or {}).get("chunk_shape"))
    grid = node.get("chunk_grid")
    told = grid.get("configuration") if isinstance(grid, dict) else {"chunk_shape": node.get("chunks")}
    return _lengths(told.get("chunk_shape")) if isinstance(told, dict) else None


def _lengths(told: object) -> list[int] | None:
    if not isinstance(told, list) or not all(isinstance(n, int) and n >= 0 for n in told):
        return None
    return told


def _item_size(node: Mapping[str, Any]) -> int:
    """Bytes of a value; 8 of what is no number."""
    told = node.get("data_type", node.get("dtype"))
    try:
        return max(np.dtype(told).itemsize, 1) if isinstance(told, str) else 8
    except (TypeError, ValueError):
        return 8
