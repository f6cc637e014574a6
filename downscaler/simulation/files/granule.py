"""Writes a simulated SPL3SMP_E granule: the current layout, the whole 9 km globe, fill outside the window.

Names, types and attributes of the two retrieval groups stand in ``smap_layout.json``: NASA's own description of
SPL3SMP version 8 (DMR), with the 9 km grid's size and name in place of the 36 km one's.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from downscaler.ground.grid import M09, Window
from downscaler.product import SIMULATED_LABEL

CRID, COUNTER, VERSION = "R19240", 1, "006"
EPOCH = np.datetime64("2000-01-01T11:58:55.816", "ms")  # of tb_time_seconds
FILL_FLOAT, FILL_FLAG, FILL_CLASS, FILL_TIME = -9999.0, 65534, 254, b"N/A"
_CHUNK = (58, 241)  # divides the grid; a chunk that holds only fill is never written
_LINKED = {  # the DCA algorithm's fields are the product's own: one array under two names
    "soil_moisture_dca": "soil_moisture",
    "retrieval_qual_flag_dca": "retrieval_qual_flag",
    "albedo_dca": "albedo",
    "roughness_coefficient_dca": "roughness_coefficient",
    "vegetation_opacity_dca": "vegetation_opacity",
}


def granule_name(date: dt.date) -> str:
    """File name of a simulated granule."""
    return f"SMAP_L3_SM_P_E_{date:%Y%m%d}_{CRID}_{COUNTER:03d}.h5"


@cache
def layout() -> dict[str, dict[str, Any]]:
    """Group -> variable -> dtype, planes (third axis) and attributes."""
    text = files(__package__).joinpath("smap_layout.json").read_text(encoding="utf-8")
    groups: dict[str, dict[str, Any]] = json.loads(text)
    return groups


def write_granule(
    folder: Path,
    date: dt.date,
    window: Window,
    overpasses: Mapping[str, Mapping[str, NDArray[np.generic]]],
    revolutions: tuple[int, int],
) -> Path:
    """Writes one day's granule.

    Args:
        folder: where to.
        date: UTC day.
        window: the arrays' place on the global 9 km grid.
        overpasses: "AM" and "PM" -> variable name without suffix -> [y, x] or [y, x, 3] on the window; NaN, 65534
            and 254 where missing. ``time`` (datetime64, NaT where missing) makes both time variables.
        revolutions: first and last orbit of the day.

    Returns:
        Path of the file.
    """
    path = folder / granule_name(date)
    with h5py.File(path, "w") as file:
        file.attrs["title"] = SIMULATED_LABEL
        file.attrs["vadose_simulated"] = "true"
        for group, variables in layout().items():
            half = group[-2:]
            suffix = "_pm" if half == "PM" else ""
            fields = dict(overpasses[half]) | _places(window, overpasses[half])
            target = file.create_group(group)
            for name, description in variables.items():
                plain = name.removesuffix("_pm")
                if plain not in _LINKED:
                    _write(target, name, description, fields.get(plain), window)
            for plain, source in _LINKED.items():
                target[plain + suffix] = target[source + suffix]
        _write_metadata(file, date, revolutions)
    return path


def _places(window: Window, fields: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
    """Coordinates, indices and times of the cells that were seen, fill elsewhere."""
    time = fields["time"].astype("datetime64[ms]")
    seen = ~np.isnat(time)
    rows = np.arange(window.rows.start, window.rows.stop)
    columns = np.arange(window.columns.start, window.columns.stop)
    latitude, longitude = cell_centres(window)
    text = np.datetime_as_string(time, unit="ms").astype("S23")
    place: dict[str, NDArray[np.generic]] = {
        "latitude": latitude,
        "longitude": longitude,
        "latitude_centroid": latitude,
        "longitude_centroid": longitude,
        "tb_time_seconds": (time - EPOCH) / np.timedelta64(1, "s"),
    }
    place = {name: np.where(seen, values, np.nan) for name, values in place.items()}
    place["tb_time_utc"] = np.where(seen, np.char.add(text, b"Z"), FILL_TIME)
    for name, index in (("EASE_row_index", rows[:, None]), ("EASE_column_index", columns[None, :])):
        place[name] = np.where(seen, np.broadcast_to(index, seen.shape), FILL_FLAG).astype(np.uint16)
    return place


def cell_centres(window: Window) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Latitudes and longitudes of a window of the 9 km grid, degrees, [y, x] each."""
    x = M09.transform.c + (np.arange(window.columns.start, window.columns.stop) + 0.5) * M09.cell
    y = M09.transform.f - (np.arange(window.rows.start, window.rows.stop) + 0.5) * M09.cell
    longitude, latitude = Transformer.from_crs("EPSG:6933", "EPSG:4326", always_xy=True).transform(*np.meshgrid(x, y))
    return np.asarray(latitude), np.asarray(longitude)


def _write(
    group: h5py.Group,
    name: str,
    description: Mapping[str, Any],
    values: NDArray[np.generic] | None,
    window: Window,
) -> None:
    dtype = np.dtype(description["dtype"])
    fill = _fill(dtype)
    planes = (description["planes"],) if "planes" in description else ()
    dataset = group.create_dataset(
        name,
        shape=(M09.shape.y, M09.shape.x, *planes),
        dtype=dtype,
        chunks=(*_CHUNK, *planes),
        compression="gzip",
        compression_opts=6,
        shuffle=True,
        fillvalue=fill,
        track_times=False,
    )
    for key, value in description["attributes"].items():
        dataset.attrs[key] = np.bytes_(value) if isinstance(value, str) else dtype.type(value)
    if values is not None:
        if dtype.kind == "f":
            values = np.nan_to_num(values.astype(np.float64), nan=FILL_FLOAT)
        dataset[window.rows.slice, window.columns.slice] = values.astype(dtype)


def _fill(dtype: np.dtype[Any]) -> float | int | bytes:
    if dtype.kind == "f":
        return FILL_FLOAT
    if dtype.kind == "S":
        return FILL_TIME
    return FILL_CLASS if dtype.itemsize == 1 else FILL_FLAG


def _write_metadata(file: h5py.File, date: dt.date, revolutions: tuple[int, int]) -> None:
    """ISO 19115 groups as in the real file; a simulated granule has no DOI and says who made it."""
    common = {
        "shortName": "SPL3SMP_E",
        "SMAPShortName": "L3_SM_P_E",
        "ECSVersionID": VERSION,
        "characterSet": "utf8",
        "language": "eng",
        "topicCategory": "geoscientificInformation",
        "spatialRepresentationType": "grid",
        "abstract": "Simulated sample in the layout of SPL3SMP_E; no satellite saw this.",
    }
    groups: dict[str, dict[str, Any]] = {
        "DatasetIdentification": common
        | {
            "CompositeReleaseID": CRID,
            "fileName": granule_name(date),
            "format": "HDF5",
            "originatorOrganizationName": f"vadose {SIMULATED_LABEL}",
            "creationDate": f"{date:%Y-%m-%d}",
        },
        "SeriesIdentification": common | {"CompositeReleaseID": CRID[:3], "mission": "none (simulated SMAP)"},
        "Extent": _extent(date),
        "OrbitMeasuredLocation": {
            "startRevNumber": np.int32(revolutions[0]),
            "stopRevNumber": np.int32(revolutions[1]),
        },
        "ProcessStep": {"timeVariableEpoch": "J2000", "epochUTCDateTime": "2000-01-01T11:58:55.816Z"},
        "GridSpatialRepresentation": {"cellGeometry": "point", "numberOfDimensions": np.int64(2)},
        "GridSpatialRepresentation/Row": {"dimensionSize": np.uint32(M09.shape.y), "resolution": np.float32(9.0)},
        "GridSpatialRepresentation/Column": {"dimensionSize": np.uint32(M09.shape.x), "resolution": np.float32(9.0)},
    }
    for name, attributes in groups.items():
        file.require_group(f"Metadata/{name}").attrs.update(attributes)


def _extent(date: dt.date) -> dict[str, Any]:
    return {
        "description": "Soil moisture on the descending (AM) and ascending (PM) simulated half orbits.",
        "westBoundLongitude": np.float32(-180.0),
        "eastBoundLongitude": np.float32(180.0),
        "southBoundLatitude": np.float32(-85.04450226),
        "northBoundLatitude": np.float32(85.04450226),
        "rangeBeginningDateTime": f"{date:%Y-%m-%d}T00:00:00.000Z",
        "rangeEndingDateTime": f"{date:%Y-%m-%d}T23:59:59.999Z",
    }
