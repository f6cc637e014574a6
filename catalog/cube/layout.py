"""How a cube holds the product: axes, chunks, packing and CF attributes, all from ``downscaler.product``. Pure.

The time axis has every day since SMAP's first, published or not, so that a day's place never moves. A chunk is a month
of a small square: ten years at a point are some hundred small reads. A shard is an object: the same days of one block
of the GeoTIFFs, so that neither objects nor what a new day rewrites become many.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from catalog.naming import domain_name
from catalog.rasters.cog import BLOCK
from catalog.rasters.encoding import quantum
from downscaler import product
from downscaler.errors import CatalogError, CubeError
from downscaler.product import FIRST_DAY, QUALITY_FLAG, Flag, Variable

Array = NDArray[np.generic]
DAYS = 32  # of a chunk and a shard along time
CHUNK = 32  # cells of a chunk's side
SHARD = BLOCK  # cells of a shard's side: each block of a GeoTIFF is decoded once
REVISION, DIGEST = "item_revision", "item_digest"
GRID_MAPPING = "crs"
_MISSING = 65535  # of packed quantities; the largest that occurs is valid_max / quantum, 16384
_CF = "CF-1.11"


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The cube's cells: rows and columns, their affine and reference system, as an item's projection fields say."""

    shape: tuple[int, int]
    transform: Affine
    code: str

    @classmethod
    def of(cls, properties: Mapping[str, Any]) -> Grid:
        """The grid of an item's properties."""
        rows, columns = properties["proj:shape"]
        return cls(
            shape=(int(rows), int(columns)),
            transform=Affine(*properties["proj:transform"][:6]),
            code=str(properties["proj:code"]),
        )

    def axes(self) -> dict[str, NDArray[np.float64]]:
        """Cell centres: x [columns] and y [rows] in metres, and lon [columns], lat [rows] in degrees.

        The projection is cylindrical, so a column has one longitude and a row one latitude.
        """
        rows, columns = self.shape
        x = self.transform.c + (np.arange(columns) + 0.5) * self.transform.a
        y = self.transform.f + (np.arange(rows) + 0.5) * self.transform.e
        to_degrees = Transformer.from_crs(self.code, "EPSG:4326", always_xy=True)
        lon, _ = to_degrees.transform(x, np.zeros_like(x))
        _, lat = to_degrees.transform(np.zeros_like(y), y)
        return {"x": x, "y": y, "lon": np.asarray(lon), "lat": np.asarray(lat)}

    def mapping(self) -> dict[str, Any]:
        """Attributes of the grid mapping variable: CF's and, for GDAL and rioxarray, spatial_ref and GeoTransform."""
        cf = CRS.from_user_input(self.code).to_cf()
        a, b, c, d, e, f = self.transform[:6]
        wkt = str(cf["crs_wkt"])
        return cf | {"spatial_ref": wkt, "GeoTransform": " ".join(repr(float(v)) for v in (c, a, b, f, d, e))}


def item_digest(item: Mapping[str, Any]) -> int:
    """Digest of a published day: identifier, revision and checksums of its files; never 0."""
    files = {key: asset.get("file:checksum") for key, asset in item["assets"].items()}
    identity = [item["id"], item["properties"]["version"], files]
    hashed = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).digest()
    return int.from_bytes(hashed[:8], "big") or 1


def index_of(date: dt.date) -> int:
    """A day's place on the time axis; raises CubeError before SMAP's first day."""
    if date < FIRST_DAY:
        raise CubeError("A published day is before SMAP's first day", value=date, allowed=f"{FIRST_DAY} or later")
    return (date - FIRST_DAY).days


def date_of(index: int) -> dt.date:
    """The day at a place of the time axis."""
    return FIRST_DAY + dt.timedelta(days=index)


def dtype_of(variable: Variable) -> np.dtype[Any]:
    """The type of a variable's array: that of the GeoTIFFs, so that every reader finds the same numbers."""
    return np.dtype(variable.dtype)


def fill_of(variable: Variable, dtype: np.dtype[Any] | None = None) -> float | int:
    """What an array holds where there is nothing; of the flags it is ``FILL``, so that bits can be tested.

    ``dtype`` is the array's: cubes made by earlier versions hold quantities packed as 16 bits.
    """
    if variable.precision is not None:
        return _MISSING if _is_packed(variable, dtype) else math.nan
    return Flag.FILL.value if variable is QUALITY_FLAG else int(variable.nodata)


def _is_packed(variable: Variable, dtype: np.dtype[Any] | None) -> bool:
    return dtype is not None and variable.precision is not None and dtype.kind == "u"


def unpack(variable: Variable, held: Array) -> NDArray[np.float64]:
    """An array's values as they are in the GeoTIFFs, NaN for quantities where there is nothing."""
    if variable.precision is None or not _is_packed(variable, held.dtype):
        return held.astype(np.float64)
    return np.where(held == _MISSING, np.nan, held.astype(np.float64) * quantum(variable.precision))


def pack(variable: Variable, stored: Array, dtype: np.dtype[Any]) -> Array:
    """A GeoTIFF's values as an array of the cube stores them, any shape; ``unpack`` brings back the very same values.

    Raises CatalogError when the values are of another type, or cannot be packed into an older cube.
    """
    if stored.dtype != np.dtype(variable.dtype):
        raise CatalogError(f"{variable.name} has another data type", value=stored.dtype, allowed=variable.dtype)
    if variable.precision is None or not _is_packed(variable, dtype):
        return stored
    step = quantum(variable.precision)
    values = stored.astype(np.float64) / step
    missing = np.isnan(values)
    whole = np.where(missing, _MISSING, np.rint(values))
    if not np.array_equal(whole[~missing], values[~missing]) or (whole < 0).any() or (whole > _MISSING).any():
        raise CatalogError(
            f"{variable.name} has values that the cube cannot store exactly",
            allowed=f"multiples of {step:g} from 0 to {variable.valid_max:g}",
            remedy="The day was made by another version of the product: publish it again.",
        )
    return whole.astype(np.uint16)


def attributes(variable: Variable) -> dict[str, Any]:
    """CF attributes of a variable; the grid mapping is a coordinate too, so that any way of opening keeps it."""
    found = product.cf_attributes(variable, grid_mapping=GRID_MAPPING, coordinates=f"lat lon {REVISION} {GRID_MAPPING}")
    if variable is QUALITY_FLAG:
        return found
    if variable.precision is not None:
        found["valid_range"] = [float(np.float32(v)) for v in (variable.valid_min, variable.valid_max)]
    else:
        found["_FillValue"] = fill_of(variable)
        found["valid_range"] = [int(variable.valid_min), int(variable.valid_max)]
    if variable.name == product.SOIL_MOISTURE.name:
        found["ancillary_variables"] = " ".join(v.name for v in product.VARIABLES if v.name != variable.name)
    return found


def axis_attributes() -> dict[str, dict[str, Any]]:
    """CF attributes of the coordinates."""
    return {
        "time": {
            "standard_name": "time",
            "long_name": "Day (UTC)",
            "units": f"days since {FIRST_DAY.isoformat()}",
            "calendar": "standard",
            "axis": "T",
        },
        "y": {"standard_name": "projection_y_coordinate", "long_name": "y", "units": "m", "axis": "Y"},
        "x": {"standard_name": "projection_x_coordinate", "long_name": "x", "units": "m", "axis": "X"},
        "lat": {"standard_name": "latitude", "long_name": "Latitude", "units": "degrees_north"},
        "lon": {"standard_name": "longitude", "long_name": "Longitude", "units": "degrees_east"},
        REVISION: {"long_name": "Revision of the day's item, 0 where the day is not published", "units": "1"},
        DIGEST: {"long_name": "First 8 bytes of the SHA-256 of the item's identity; 0 without one", "units": "1"},
    }


def cube_attributes(collection: str, *, simulated: bool, caveats: list[str]) -> dict[str, Any]:
    """Global attributes; a cube with any simulated day says so in its title."""
    label = f" ({product.SIMULATED_LABEL})" if simulated else ""
    return {
        "Conventions": _CF,
        "title": f"{product.TITLE}, {collection}{label}",
        "summary": f"{product.describe_days(domain_name(collection))} {product.DEPTH_NOTE}",
        "source": "Cloud-Optimized GeoTIFFs of the STAC collection of the same name, value for value",
        "references": f"https://doi.org/{product.METHOD_DOI}",
        "license": product.LICENSE,
        "product_version": product.PRODUCT_VERSION,
        "simulated": int(simulated),
        "caveats": "\n".join(caveats),
    }
