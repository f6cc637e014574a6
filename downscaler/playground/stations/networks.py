"""Where the stations of a real network stand: from files of their readings, or from a table of places."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyproj import Transformer

from downscaler.errors import StationError
from downscaler.ground.grid import CRS
from downscaler.playground.stations.layouts import Network
from downscaler.sources import parquet
from downscaler.sources.insitu import is_known, places_in

MOST = 200_000_000
"""Bytes that a table of places may have, unpacked where it is packed."""
DEEPEST = 0.25  # m; stations count that measure near the surface, cosmic-ray probes too
_LATITUDE, _LONGITUDE = ("lat", "latitude"), ("lon", "longitude")
_PACKED: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def read_network(path: Path) -> Network:
    """A real network's stations: of station data with a sensor near the surface, or of a table of places.

    Args:
        path: what ``read_stations`` reads (ISMN, USCRN, ...), or CSV or Parquet with latitude and longitude in degrees.

    Raises:
        StationError: the file is missing, unreadable, too large, or lacks the columns or any station.
    """
    if path.is_dir() or (path.is_file() and is_known(path)):
        lat, lon = np.array(places_in(path, deepest=DEEPEST), np.float64).reshape(-1, 2).T
    else:
        lat, lon = _table(path)
    good = (np.abs(lat) <= 84.0) & (np.abs(lon) <= 180.0)
    if not good.any():
        raise StationError(
            "A table of stations has no usable coordinates", value=path, allowed="degrees; a sensor near the surface"
        )
    x, y = Transformer.from_crs("EPSG:4326", CRS, always_xy=True).transform(lon[good], lat[good])
    return Network(name=path.name, xy=np.stack([x, y], axis=1) / 1000.0)


def _table(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Latitudes and longitudes of a table, each place once."""
    allowed = "CSV or Parquet with columns lat and lon (or latitude and longitude), degrees"
    try:
        table = parquet.read(path).to_pandas() if ".parquet" in path.name else pd.read_csv(io.BytesIO(_bytes(path)))
    except (OSError, EOFError, ValueError, lzma.LZMAError, pa.ArrowException) as error:
        raise StationError("A table of stations cannot be read", value=f"{path}: {error}", allowed=allowed) from error
    names = {str(name).lower(): name for name in table.columns}
    columns = [next((names[n] for n in options if n in names), None) for options in (_LATITUDE, _LONGITUDE)]
    if None in columns:
        raise StationError("A table of stations lacks coordinates", value=f"{path}: {sorted(names)}", allowed=allowed)
    degrees = table[columns].apply(pd.to_numeric, errors="coerce").dropna().drop_duplicates()
    lat, lon = (degrees.iloc[:, column].to_numpy(np.float64) for column in (0, 1))
    return lat, lon


def _bytes(path: Path) -> bytes:
    """A file unpacked; raises ValueError beyond ``MOST`` bytes, of which it never holds more."""
    opener = _PACKED.get(path.suffix.lower())
    with path.open("rb") if opener is None else opener(path, "rb") as stream:
        content = stream.read(MOST + 1)
    if len(content) > MOST:
        raise ValueError(f"it has more than {MOST:,} bytes")
    return bytes(content)
