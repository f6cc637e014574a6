"""ParFlow-CLM output as a Zarr store, read as NetCDF is."""

from __future__ import annotations

from pathlib import Path

from downscaler.errors import PriorUnreadableError
from downscaler.records import folder_sha256
from downscaler.sources.parflow.cf import open_dataset
from downscaler.sources.parflow.gridded import GriddedSource
from downscaler.sources.parflow.source import file_inputs


def open_zarr(path: Path | str, statics: Path | None = None) -> GriddedSource:
    """Open a Zarr store of days, with static fields in it or in ``statics`` (Zarr or NetCDF).

    Raises PriorUnreadableError when there is no store, PriorSchemaError for missing variables or other units.
    """
    path = Path(path)
    if not path.is_dir():
        raise PriorUnreadableError("No Zarr store was found", value=path, allowed="a folder that is a Zarr store")
    days = open_dataset(path)
    others = [open_dataset(statics)] if statics is not None else []
    inputs = [_store_input(path)]
    if statics is not None:
        inputs.append(_store_input(statics) if statics.is_dir() else file_inputs([statics])[0])
    return GriddedSource([days], others, where=str(path), inputs=tuple(inputs))


def _store_input(path: Path) -> dict[str, object]:
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return {"name": path.name, "sha256": folder_sha256(path), "size": size}
