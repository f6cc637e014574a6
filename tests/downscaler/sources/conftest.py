"""Writers of small real SMAP granules in every layout, for tests without ../shared."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from pyproj import Transformer

from downscaler.ground.grid import EaseGrid

_TO_DEGREES = Transformer.from_crs("EPSG:6933", "EPSG:4326", always_xy=True)
FILLS: dict[str, Any] = {
    "soil_moisture": np.float32(-9999.0),
    "soil_moisture_error": np.float32(-9999.0),
    "retrieval_qual_flag": np.uint16(65534),
    "surface_flag": np.uint16(65534),
    "tb_time_seconds": np.float64(-9999.0),
    "EASE_row_index": np.uint16(65534),
    "EASE_column_index": np.uint16(65534),
    "latitude": np.float32(-9999.0),
    "longitude": np.float32(-9999.0),
}
EXTRAS = {"soil_moisture": {"valid_min": np.float32(0.02), "valid_max": np.float32(0.5)}}


def noon(name: str) -> float:
    """Seconds since J2000 of noon of the date in a granule's name."""
    date = re.search(r"_(\d{8})_", name)
    return float((dt.datetime.strptime(date[1], "%Y%m%d") - dt.datetime(2000, 1, 1)).total_seconds()) if date else 486e6  # noqa: DTZ001, DTZ007


@dataclass(kw_only=True)
class Cells:
    """Retrievals to write: one entry a cell, by row and column of the global grid."""

    row: list[int]
    column: list[int]
    soil_moisture: list[float]
    qual: list[int] | None = None
    surface: list[int] | None = None
    seconds: list[float] | None = None
    error: list[float] | None = None

    def columns(self, grid: EaseGrid, seconds: float = 486000000.0) -> dict[str, np.ndarray]:
        n = len(self.row)
        x = grid.transform.c + (np.array(self.column) + 0.5) * grid.transform.a
        y = grid.transform.f + (np.array(self.row) + 0.5) * grid.transform.e
        lon, lat = _TO_DEGREES.transform(x, y)
        given = {
            "soil_moisture": self.soil_moisture,
            "soil_moisture_error": self.error or [0.04] * n,
            "retrieval_qual_flag": self.qual if self.qual is not None else [0] * n,
            "surface_flag": self.surface or [0] * n,
            "tb_time_seconds": self.seconds or [seconds] * n,
            "EASE_row_index": self.row,
            "EASE_column_index": self.column,
            "latitude": lat,
            "longitude": lon,
        }
        return {name: np.asarray(value).astype(FILLS[name].dtype) for name, value in given.items()}


@dataclass(kw_only=True)
class GranuleWriter:
    """Writes granules as SMAP's processors lay them out; ``window`` clips, None is the whole grid."""

    folder: Path
    metadata: dict[str, dict[str, Any]] = field(default_factory=dict)

    def daily(
        self,
        name: str,
        grid: EaseGrid,
        groups: dict[str, Cells],
        *,
        window: tuple[slice, slice] | None = None,
        drop: tuple[str, ...] = (),
        **metadata: str,
    ) -> Path:
        """``groups`` by the ending of the group's name: "", "_AM" or "_PM"."""
        path = self.folder / name
        with h5py.File(path, "w") as file:
            self._metadata(file, metadata)
            for ending, cells in groups.items():
                group = file.create_group(f"Soil_Moisture_Retrieval_Data{ending}")
                for variable, values in cells.columns(grid, noon(name)).items():
                    if variable in drop:
                        continue
                    called = variable + ("_pm" if ending == "_PM" else "")
                    if window is None:
                        self._write_global(group, called, grid, cells, values, variable)
                        continue
                    full = np.full(tuple(grid.shape.yx), FILLS[variable])
                    full[cells.row, cells.column] = values
                    self._write(group, called, full[window], variable)
        return path

    def orbit(self, name: str, grid: EaseGrid, cells: Cells, *, drop: tuple[str, ...] = (), **metadata: str) -> Path:
        path = self.folder / name
        with h5py.File(path, "w") as file:
            self._metadata(file, metadata)
            group = file.create_group("Soil_Moisture_Retrieval_Data")
            for variable, values in cells.columns(grid).items():
                if variable not in drop:
                    self._write(group, variable, values, variable)
        return path

    @staticmethod
    def _write(group: h5py.Group, name: str, values: np.ndarray, variable: str) -> None:
        chunks = (min(203, values.shape[0]), min(482, values.shape[1])) if values.ndim == 2 else None
        dataset = group.create_dataset(name, data=values, chunks=chunks, compression="gzip" if chunks else None)
        GranuleWriter._describe(dataset, variable)

    @staticmethod
    def _write_global(
        group: h5py.Group, name: str, grid: EaseGrid, cells: Cells, values: np.ndarray, variable: str
    ) -> None:
        """The whole globe without computing it: HDF5 reads the fill value where no chunk was ever written."""
        fill, shape = FILLS[variable], tuple(grid.shape.yx)
        layout = {"chunks": (203, 482), "compression": "gzip", "fillvalue": fill}
        dataset = group.create_dataset(name, shape=shape, dtype=values.dtype, **layout)
        if cells.row:
            (top, bottom), (left, right) = ((min(part), max(part) + 1) for part in (cells.row, cells.column))
            box = np.full((bottom - top, right - left), fill)
            box[np.array(cells.row) - top, np.array(cells.column) - left] = values
            dataset[top:bottom, left:right] = box
        GranuleWriter._describe(dataset, variable)

    @staticmethod
    def _describe(dataset: h5py.Dataset, variable: str) -> None:
        dataset.attrs["_FillValue"] = FILLS[variable]
        for key, value in EXTRAS.get(variable, {}).items():
            dataset.attrs[key] = value

    @staticmethod
    def _metadata(file: h5py.File, metadata: dict[str, str]) -> None:
        """Keys ``Group__attribute`` below Metadata; ``root__attribute`` on the file."""
        for key, value in metadata.items():
            place, attribute = key.split("__")
            target = file if place == "root" else file.require_group(f"Metadata/{place}")
            target.attrs[attribute] = np.bytes_(value)


@pytest.fixture
def smap_writer(tmp_path: Path) -> GranuleWriter:
    return GranuleWriter(folder=tmp_path)


@pytest.fixture
def smap_cells() -> Callable[..., Cells]:
    return Cells
