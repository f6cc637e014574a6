"""STAC assets and item-asset definitions, all derived from ``downscaler.product``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pystac

from catalog.rasters.cog import Raster
from downscaler import product
from downscaler.product import FLAG_MEANINGS, Variable
from downscaler.records import file_sha256

_OTHERS: dict[str, tuple[str, str, str, list[str]]] = {
    "thumbnail": ("thumbnail.png", pystac.MediaType.PNG, "Map of the day's soil moisture", ["thumbnail", "overview"]),
    "provenance": (
        "provenance.json",
        pystac.MediaType.JSON,
        "Every input with checksum and version, code, parameters, statistics",
        ["metadata"],
    ),
}


_SHOWN = {kind.variables[0].name for kind in (product.CONSERVING, *product.KINDS)}


def multihash(sha256: str) -> str:
    """A hexadecimal SHA-256 as multihash: code 0x12, length 0x20."""
    return f"1220{sha256}"


@dataclass(frozen=True, kw_only=True)
class FileFacts:
    """Where an asset is staged, its size and SHA-256."""

    path: Path
    size: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> FileFacts:
        """Measure a file."""
        return cls(path=path, size=path.stat().st_size, sha256=file_sha256(path))

    @property
    def fields(self) -> dict[str, Any]:
        """In the file extension's words."""
        return {"file:size": self.size, "file:checksum": multihash(self.sha256)}


@dataclass(frozen=True, kw_only=True)
class StagedFile:
    """A file that becomes an asset: its place below the revision, where it is staged, and all else of the asset."""

    relative: str
    facts: FileFacts
    fields: Mapping[str, Any]


def _band(variable: Variable) -> dict[str, Any]:
    nodata: float | int | str = "nan" if math.isnan(variable.nodata) else int(variable.nodata)
    return {
        "name": variable.name,
        "description": variable.description,
        "data_type": variable.dtype,
        "nodata": nodata,
        "unit": variable.units,
        "raster:sampling": "area",
        "raster:spatial_resolution": round(product.GRID.cell, 3),
    }


def bitfields() -> list[dict[str, Any]]:
    """The quality flag's bits as the classification extension describes them."""
    return [
        {
            "name": str(flag.name).lower(),
            "description": meaning,
            "offset": flag.value.bit_length() - 1,
            "length": 1,
            "classes": [
                {"value": 0, "name": "no", "description": "does not apply"},
                {"value": 1, "name": "yes", "description": meaning},
            ],
        }
        for flag, meaning in FLAG_MEANINGS.items()
    ]


def _definition(variable: Variable) -> dict[str, Any]:
    """All of a variable's asset that is the same every day."""
    own: dict[str, Any] = {"vadose:valid_range": [variable.valid_min, variable.valid_max]}
    if variable.precision is not None:
        own["vadose:precision"] = variable.precision
    if variable.standard_name is not None:
        own["vadose:standard_name"] = variable.standard_name
    if variable is product.QUALITY_FLAG:
        own["classification:bitfields"] = bitfields()
    return {
        "type": pystac.MediaType.COG.value,
        "title": variable.title,
        "description": variable.description,
        "roles": ["data"] if variable.name in _SHOWN else ["data", "metadata"],
        "bands": [_band(variable)],
        **own,
    }


def item_asset_definitions(domain_name: str = "") -> dict[str, dict[str, Any]]:
    """``item_assets`` of a domain's collection."""
    others = {
        key: {"type": str(kind), "title": title, "roles": roles} for key, (_, kind, title, roles) in _OTHERS.items()
    }
    return {variable.name: _definition(variable) for variable in product.variables_of(domain_name)} | others


def data_asset(raster: Raster, folder: str, facts: FileFacts) -> pystac.Asset:
    """A COG as an asset, with the statistics of its values."""
    fields = _definition(raster.variable) | {"href": f"./{folder}/{facts.path.name}"} | facts.fields
    fields["bands"][0]["statistics"] = raster.statistics.as_stac()
    return pystac.Asset.from_dict(fields)


def other_assets(folder: str, files: Mapping[str, FileFacts]) -> dict[str, pystac.Asset]:
    """Thumbnail and provenance as assets."""
    definitions = item_asset_definitions()
    return {
        key: pystac.Asset.from_dict(definitions[key] | {"href": f"./{folder}/{name}"} | files[key].fields)
        for key, (name, _, _, _) in _OTHERS.items()
    }


def other_file(key: str) -> str:
    """File name of the thumbnail or the provenance record."""
    return _OTHERS[key][0]
