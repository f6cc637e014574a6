"""What a day was made from: the provenance record and the fingerprint that tells whether it is still current."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Mapping
from typing import Any

import rasterio

from catalog.rasters.cog import Raster
from downscaler import __version__, product
from downscaler.ground.grid import M01, Domain
from downscaler.records import InputRecord, RunRecord

_LIBRARIES = ("numpy", "pystac", "rasterio", "xarray", "xgboost-cpu")


def fingerprint(run: RunRecord, domain: Domain) -> str:
    """SHA-256 over all that shapes the numbers: inputs by content, parameters, versions, domain and day.

    Two runs with the same fingerprint would publish the same values; names and order of inputs do not count.
    """
    window = domain.m36
    essence = {
        "date": run.date.isoformat(),
        "domain": [window.rows.start, window.rows.stop, window.columns.start, window.columns.stop],
        "inputs": sorted([record.kind, record.sha256] for record in run.inputs),
        "parameters": run.parameters,
        "versions": [product.PRODUCT_VERSION, product.ALGORITHM_VERSION, product.SCHEMA_VERSION],
    }
    return hashlib.sha256(json.dumps(essence, sort_keys=True, default=str).encode()).hexdigest()


def software() -> dict[str, str]:
    """Versions of this code and of the libraries that touch the numbers or the files."""
    versions = {"vadose": __version__, "python": platform.python_version(), "GDAL": rasterio.__gdal_version__}
    return versions | {name: importlib.metadata.version(name) for name in _LIBRARIES}


def provenance(run: RunRecord, domain: Domain, rasters: Mapping[str, Raster]) -> dict[str, Any]:
    """The content of the ``provenance`` asset: inputs by checksum, code, parameters, findings, statistics."""
    window = domain.window(M01)
    return {
        "product": product.PRODUCT_NAME,
        "product_version": product.PRODUCT_VERSION,
        "algorithm_version": product.ALGORITHM_VERSION,
        "schema_version": product.SCHEMA_VERSION,
        "method": {"doi": product.METHOD_DOI, "citation": product.METHOD_CITATION},
        "date": run.date.isoformat(),
        "observed": [time.isoformat() for time in run.observed],
        "domain": {
            "name": domain.name,
            "title": domain.title,
            "grid": M01.name,
            "rows": [window.rows.start, window.rows.stop],
            "columns": [window.columns.start, window.columns.stop],
        },
        "simulated": run.simulated,
        "caveats": list(run.caveats),
        "depth_note": product.DEPTH_NOTE,
        "inputs": [_input(record) for record in run.inputs],
        "parameters": dict(run.parameters),
        "findings": dict(run.findings),
        "software": software(),
        "statistics": {name: raster.statistics.as_stac() for name, raster in rasters.items()},
        "fingerprint": fingerprint(run, domain),
    }


def _input(record: InputRecord) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "kind": record.kind,
        "name": record.name,
        "title": record.title,
        "version": record.version,
        "sha256": record.sha256,
        "size": record.size,
        "href": record.href,
    }
    return entry | {"attributes": dict(record.attributes)}
