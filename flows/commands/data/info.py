"""``vadose info``: what a file or folder is, according to the reader that would use it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from downscaler.errors import ConfigError
from flows import console
from flows.commands.options import Json

KINDS = (
    "SMAP granule or folder of them (SMAP L4 too), ParFlow file or run (.pfb, .nc, folder), climatology (.nc), prior, "
    "weather, model, station archive, file or folder, product to compare with (NISAR SME2, GeoTIFF), STAC .json"
)


def info(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=f"{KINDS[0].upper()}{KINDS[1:]}.")],
    json: Json = False,
) -> None:
    """Describe a granule, prior, model, climatology, station archive or STAC item."""
    found = describe(file)
    if json:
        console.say_json(found)
    else:
        console.facts(f"{file}", found)


def describe(path: Path) -> dict[str, Any]:
    """Facts about any file or folder that vadose reads or writes; ``kind`` says what it is.

    Raises:
        ConfigError: the path does not exist, or its type is unrecognised.
        VadoseError: the typed error of the reader when the file is broken.
    """
    if not path.exists():
        raise ConfigError("No such file or folder", value=path)
    reader = _of_folder(path) if path.is_dir() else _of_file(path)
    if reader is None:
        raise ConfigError("Unrecognised file type", value=path, allowed=KINDS)
    return dict(reader(path))


def _of_file(path: Path) -> Callable[[Path], dict[str, Any]] | None:
    """By what the file holds, since services and people give every ending to everything; by its ending last."""
    from downscaler.sources import hdf5, insitu
    from downscaler.sources.insitu import own_csv

    try:
        hdf5.require_regular(path)
    except hdf5.RefusedFileError as error:
        raise ConfigError(f"This cannot be read: {error.what}", value=path, remedy=error.remedy) from error
    with path.open("rb") as stream:
        start = stream.read(len(hdf5.MAGIC))
    suffix = path.suffix.lower()
    if start == hdf5.MAGIC:
        return _hdf5(path)
    if start[:3] == b"CDF" or suffix in {".pfb", ".nc", ".nc4"}:
        return _prior
    if suffix in {".h5", ".hdf5", ".he5"}:
        return _granule
    if start[:2] == b"PK" or suffix == ".zip":
        return _stations
    if suffix == ".json":
        return _stac
    if suffix in {".tif", ".tiff"}:
        return _product
    return insitu.describe if insitu.is_known(path) or own_csv.nearly(path) else None


def _hdf5(path: Path) -> Callable[[Path], dict[str, Any]]:
    """A granule by its groups, else a NetCDF file; one that is refused is told by the granule's reader."""
    from downscaler.sources import hdf5, products
    from downscaler.sources.smap.layout import GROUP

    if products.kind_of(path) is not None:
        return _product
    try:
        with hdf5.opened(path) as file:
            is_granule = any(str(name).startswith((GROUP, "Metadata")) for name in file)
    except hdf5.RefusedFileError:
        return _granule
    return _granule if is_granule or path.suffix.lower() in {".h5", ".he5"} else _prior


def _of_folder(path: Path) -> Callable[[Path], dict[str, Any]] | None:
    from downscaler.sources import geotiff, insitu, products
    from downscaler.sources.parflow import describe_folder, is_run
    from downscaler.sources.smap import describe_granules, granule_files
    from downscaler.stores.model import MANIFEST
    from downscaler.stores.weather import describe as describe_weather
    from downscaler.stores.weather import is_weather

    if is_weather(path):
        return describe_weather
    if (path / "zarr.json").is_file():
        return _prior
    if (path / MANIFEST).is_file():
        return _model
    if (path / "catalog.json").is_file():
        return lambda folder: _stac(folder / "catalog.json")
    if is_run(path):
        return describe_folder
    if products.files_of(path) or geotiff.claims(path):
        return _product
    if granule_files(path):
        return describe_granules
    return _stations if any(insitu.is_known(part) for part in insitu.files_of(path)) else None


def _granule(path: Path) -> dict[str, Any]:
    from downscaler.sources.smap import describe

    return describe(path)


def _product(path: Path) -> dict[str, Any]:
    from downscaler.sources import products

    return products.describe(path)


def _prior(path: Path) -> dict[str, Any]:
    from downscaler.stores import climatology as statistics
    from downscaler.stores import prior

    if path.is_file() and statistics.is_statistics(path):
        return statistics.describe(path)
    return prior.describe(path)


def _model(path: Path) -> dict[str, Any]:
    from downscaler.stores.model import describe

    return describe(path)


def _stations(path: Path) -> dict[str, Any]:
    from downscaler.sources import insitu
    from downscaler.sources.insitu import ismn

    parts = insitu.files_of(path)
    return ismn.describe(parts[0]) if len(parts) == 1 and ismn.claims(parts[0]) else insitu.describe(path)


def _stac(path: Path) -> dict[str, Any]:
    from catalog.reading.days import describe

    return describe(path)
