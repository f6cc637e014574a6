"""Reading a published day's rasters back, from any store."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.io import MemoryFile

from catalog.items.schema import read_document, resolve
from catalog.naming import DayName
from catalog.store.base import open_store
from downscaler.errors import CatalogError
from downscaler.ground.grid import Domain

Array = NDArray[np.generic]


def read_rasters(
    uri: str | Path, domain: Domain, date: dt.date, names: Sequence[str]
) -> dict[str, NDArray[np.generic]]:
    """Whole rasters of a published day by asset key, [y, x] as stored; of domains that fit into memory.

    Raises CatalogError when the day, an asset or its file is missing or no raster.
    """
    store, name = open_store(uri), DayName.of(domain, date)
    assets = read_document(store, name.item_key)["assets"]
    found = {}
    for key in names:
        if key not in assets:
            raise CatalogError(f"{name.item_id} has no asset of that name", value=key, allowed=sorted(assets))
        file = resolve(name.item_key, assets[key]["href"])
        content = store.get(file)
        if content is None:
            raise CatalogError("An asset is missing from the catalogue", value=f"{store.uri}/{file}")
        try:
            with MemoryFile(content) as memory, memory.open() as raster:
                found[key] = raster.read(1)
        except rasterio.errors.RasterioError as error:
            raise CatalogError("An asset is no raster", value=f"{store.uri}/{file}: {error}") from error
    return found
