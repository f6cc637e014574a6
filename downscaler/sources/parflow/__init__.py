"""Readers of ParFlow-CLM output: native .pfb, NetCDF and Zarr."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from downscaler.errors import ConfigError, PriorSchemaError
from downscaler.sources.parflow.describe import describe, describe_folder, is_run
from downscaler.sources.parflow.names import STATIC_NAMES
from downscaler.sources.parflow.native import NativeSource
from downscaler.sources.parflow.netcdf import open_netcdf
from downscaler.sources.parflow.source import PriorSource, SourceInfo
from downscaler.sources.parflow.typed import TypedSource, typed
from downscaler.sources.parflow.zarrstore import open_zarr

__all__ = ["SOURCES", "PriorSource", "SourceInfo", "describe", "describe_folder", "is_run", "open_source"]


def _open_pfb(path: Path, statics: Path | None) -> PriorSource:
    if statics is not None:
        raise ConfigError(
            "--statics is for netcdf and zarr",
            value=statics,
            remedy="List static .pfb files in prior.toml under [files].",
        )
    return NativeSource(path)


SOURCES: tuple[tuple[str, Callable[[Path, Path | None], PriorSource]], ...] = (
    ("pfb", _open_pfb),
    ("netcdf", open_netcdf),
    ("zarr", open_zarr),
)


def open_source(kind: str, path: Path, statics: Path | None = None) -> PriorSource:
    """Open ParFlow-CLM output of a kind ("pfb", "netcdf" or "zarr").

    Raises ConfigError for another kind, PriorUnreadableError and PriorSchemaError as the readers do, the latter also
    where ``statics`` is given and there is no static field but a mask.
    """
    readers = dict(SOURCES)
    if kind not in readers:
        raise ConfigError("Unknown kind of ParFlow-CLM source", value=repr(kind), allowed=readers)
    with typed(Path(path)):
        source = TypedSource(readers[kind](Path(path), Path(statics) if statics is not None else None), Path(path))
    if statics is not None and not set(source.statics) - {"mask"}:  # else a model would be trained without any terrain
        raise PriorSchemaError(
            "--statics brings no static field",
            value=statics,
            allowed=f"a file with any of {', '.join(STATIC_NAMES)}",
            remedy="Name the file that holds them, or leave --statics out.",
        )
    return source
