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
    "SMAP granule (.h5), ParFlow file (.pfb, .nc), climatology (.nc), prior, model, weather store, "
    "station archive (.zip or folder), STAC .json"
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
    suffix = path.suffix.lower()
    if suffix in {".h5", ".hdf5", ".he5"}:
        return _granule
    if suffix in {".pfb", ".nc", ".nc4"}:
        return _prior
    if suffix == ".zip":
        return _stations
    if suffix == ".json":
        return _stac
    with path.open("rb") as stream:
        return _granule if stream.read(8) == b"\x89HDF\r\n\x1a\n" else None


def _of_folder(path: Path) -> Callable[[Path], dict[str, Any]] | None:
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
    if next(path.rglob("*.stm"), None):
        return _stations
    archives = list(path.glob("*.zip"))
    return (lambda _folder: _stations(archives[0])) if len(archives) == 1 else None


def _granule(path: Path) -> dict[str, Any]:
    from downscaler.sources.smap import describe

    return describe(path)


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
    from downscaler.sources.insitu.ismn import describe

    return describe(path)


def _stac(path: Path) -> dict[str, Any]:
    from catalog.reading.days import describe

    return describe(path)
