"""The check of one published file: the recorded SHA-256, and a Cloud-Optimized GeoTIFF where it says it is one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from rasterio.errors import RasterioError
from rasterio.io import MemoryFile
from rio_cogeo.cogeo import cog_validate

from catalog.items.assets import multihash
from catalog.store.base import Store

_COG = "profile=cloud-optimized"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@dataclass(frozen=True, kw_only=True)
class FileFault:
    """What is wrong with a file: ``kind`` is asset, checksum or cog."""

    kind: str
    what: str


def check_file(store: Store, key: str, checksum: str | None, media_type: str) -> FileFault | None:
    """Compare a file with its recorded checksum (multihash) and media type; None if it is correct.

    The file is read into memory. Raises CatalogError when the store cannot be read.
    """
    content = store.get(key)
    if content is None:
        return FileFault(kind="asset", what="is missing")
    found = multihash(hashlib.sha256(content).hexdigest())
    if checksum is not None and checksum != found:
        return FileFault(kind="checksum", what=f"has SHA-256 {found[4:16]}..., recorded is {checksum[4:16]}...")
    return _cog_fault(content) if _COG in media_type else None


def _cog_fault(content: bytes) -> FileFault | None:
    if content[:4] not in _TIFF:  # GDAL would open a list of other files under this name
        return FileFault(kind="cog", what="is not a GeoTIFF")
    try:
        with MemoryFile(content) as memory:
            valid, errors, warnings = cog_validate(memory.name, strict=True, quiet=True)
    except RasterioError as error:
        return FileFault(kind="cog", what=f"is not a raster: {error}")
    return None if valid else FileFault(kind="cog", what=f"is not a valid COG: {'; '.join([*errors, *warnings])}")
