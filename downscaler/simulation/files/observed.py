"""The nature run's files: granules and truth on the product grid, made tile by tile from what lies on the lattice."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import fields as fields_of
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from downscaler.ground.grid import CRS as EASE_CRS
from downscaler.ground.grid import M01, M09, Domain, Window
from downscaler.ground.lattice import IJWindow, Lattice
from downscaler.ground.regrid import Overlap, overlap
from downscaler.product import SIMULATED_LABEL
from downscaler.simulation.files.granule import cell_centres, write_granule
from downscaler.simulation.orbit import observe
from downscaler.simulation.pieces import NATURE
from downscaler.simulation.retrieval import Scene, retrieve
from downscaler.simulation.scene import make_scene
from downscaler.simulation.weather import warm_season

_WARMTH = {"am": -4.0, "pm": 3.0}  # K at 6 and 18 h against the day's mean
_LAND = ("land_cover", "active", "clay", "porosity", "elevation", "vegetation")
_RATIO = M01.per_m36 // M09.per_m36
_BLOCK = 8 * M01.per_m36  # cells along an edge of a block of the truth: a tile
Tile = dict[str, NDArray[Any]]


class ObservedWriter:
    """Takes the nature run window by window, then writes granules and truth below a folder; memory is a tile's.

    Args:
        out: the sample's folder.
        domain: that SMAP sees.
        lattice: of the run.
        start: first day.
        days: how many.
        seed: of the retrievals' errors.
        scratch: folder for the run's fields on the way.
    """

    def __init__(
        self, out: Path, domain: Domain, lattice: Lattice, start: dt.date, days: int, seed: int, scratch: Path
    ) -> None:
        self._out, self._domain, self._lattice, self._seed = out, domain, lattice, seed
        self._dates = [start + dt.timedelta(days=n) for n in range(days)]
        shape = lattice.window.shape
        self._files: dict[str, tuple[Path, tuple[int, ...]]] = {
            "days": (scratch / "days.f4", (days, len(NATURE), *shape)),
            "land": (scratch / "land.f4", (len(_LAND), *shape)),
        }
        for path, size in self._files.values():
            with path.open("wb") as file:
                file.truncate(4 * int(np.prod(size)))

    def _open(self, name: str, mode: Any) -> NDArray[np.float32]:
        """Fields on the lattice; let go of at once, so that what was touched does not stay in memory."""
        path, shape = self._files[name]
        return np.memmap(path, np.float32, mode, shape=shape)

    def add(self, window: IJWindow, land: Mapping[str, NDArray[Any]], days: NDArray[np.float32]) -> None:
        """A window's land and its days [day, field, j, i], fields as in ``NATURE``."""
        where = (..., *window.slices)
        self._open("days", "r+")[where] = days
        self._open("land", "r+")[where] = np.stack([land[name].astype(np.float32) for name in _LAND])

    def write(self, tell: Callable[[], None]) -> None:
        """Write truth and granules; ``tell`` hears of each tile."""
        scenes = {(date, half): _blank(self._domain) for date in self._dates for half in _WARMTH}
        covered = np.zeros(self._domain.window(M09).shape, bool)
        with _Truth(self._out / "truth" / "truth.nc", self._domain, self._dates) as truth:
            for window in self._domain.blocks():
                share = overlap(self._lattice, self._domain, window)
                if share is not None:
                    self._tile(share, window, truth, scenes, covered)
                tell()
        for date in self._dates:
            self._granule(date, {half: scenes[date, half] for half in _WARMTH}, covered)

    def _tile(
        self,
        share: Overlap,
        window: Window,
        truth: _Truth,
        scenes: dict[tuple[dt.date, str], Scene],
        covered: NDArray[np.bool_],
    ) -> None:
        """A tile of the product grid: its truth, and its part of each overpass' scene."""
        land = self._land(share)
        rows, columns = (slice(s.start // _RATIO, s.stop // _RATIO) for s in (window.rows, window.columns))
        seen = np.isfinite(land["elevation"]).reshape(rows.stop - rows.start, _RATIO, -1, _RATIO)
        covered[rows, columns] = seen.any(axis=(1, 3))
        truth.put_land(window, land)
        for number, date in enumerate(self._dates):
            there = np.array(self._open("days", "r")[(number, slice(None), *share.source.slices)])
            day = dict(zip(NATURE, share.mean(there), strict=True))
            truth.put_day(window, number, np.where(land["active"], day["mean"], np.nan), day["rain"])
            for half, warmth in _WARMTH.items():
                scene = make_scene(
                    land,
                    np.where(land["active"], day[half], np.nan),
                    temperature=day["temperature"],
                    rain=day[f"{half}_rain"],
                    warmth=warmth,
                    greenness=warm_season(date),
                )
                for field in fields_of(scene):
                    getattr(scenes[date, half], field.name)[rows, columns] = getattr(scene, field.name)

    def _land(self, share: Overlap) -> Tile:
        there = np.array(self._open("land", "r")[(slice(None), *share.source.slices)])
        on = dict(zip(_LAND, there, strict=True))
        means = ("clay", "porosity", "elevation", "vegetation")
        return {
            "active": share.mean(np.where(on["active"] > 0, 1.0, np.nan)) > 0,
            "land_cover": share.mode(on["land_cover"].astype(np.int16)),
            **{name: share.mean(on[name]) for name in means},
        }

    def _granule(self, date: dt.date, scenes: Mapping[str, Scene], covered: NDArray[np.bool_]) -> None:
        window = self._domain.window(M09)
        latitude, longitude = cell_centres(window)
        y = -(np.arange(window.rows.start, window.rows.stop) + 0.5) * M09.cell / 1000.0
        x = (np.arange(window.columns.start, window.columns.stop) + 0.5) * M09.cell / 1000.0
        overpasses, seen = {}, []
        for half, scene in scenes.items():
            overpass = observe(date, latitude, longitude, half.upper())
            overpass = replace(overpass, time=np.where(covered, overpass.time, np.datetime64("NaT")))
            fields = retrieve(scene, overpass, y, x, day=date.toordinal(), seed=self._seed)
            overpasses[half.upper()] = fields | {"time": overpass.time}
            seen.extend(overpass.revolution[overpass.seen].tolist())
        revolutions = min(seen, default=0), max(seen, default=0)
        write_granule(self._out / "granules", date, window, overpasses, revolutions)


def _blank(domain: Domain) -> Scene:
    """A scene of water, to be filled tile by tile."""
    shape = domain.window(M09).shape
    return Scene(
        **{
            name: np.full(shape, value)
            for name, value in {"moisture": 0.4, "temperature": 288.0, "rain": 0.0, "vegetation": 0.0}.items()
        },
        **{name: np.zeros(shape) for name in ("urban", "clay", "bulk_density", "roughness")},
        water=np.ones(shape),
        cover=np.zeros((*shape, 3), np.uint8),
        cover_fraction=np.zeros((*shape, 3)),
    )


class _Truth:
    """``truth.nc``: the 1 km truth, filled window by window."""

    def __init__(self, path: Path, domain: Domain, dates: list[dt.date]) -> None:
        self._file = file = netCDF4.Dataset(path, "w", format="NETCDF4")
        file.setncatts(
            {
                "Conventions": "CF-1.8",
                "title": f"vadose {SIMULATED_LABEL}: 1 km truth, for evaluation only",
                "vadose_simulated": "true",
            }
        )
        geobox = domain.geobox()
        file.createDimension("time", None)
        time = file.createVariable("time", "i4", ("time",), chunksizes=(512,))
        time.setncatts({"standard_name": "time", "units": "days since 2000-01-01", "calendar": "proleptic_gregorian"})
        for name in ("y", "x"):
            centres = np.asarray(geobox.coords[name].values)
            file.createDimension(name, centres.size)
            variable = file.createVariable(name, "f8", (name,))
            variable.setncatts({"units": "m", "standard_name": f"projection_{name}_coordinate"})
            variable[:] = centres
        crs = file.createVariable("crs", "i4")
        crs.setncatts(CRS.from_user_input(EASE_CRS).to_cf())
        blocks = [min(n, _BLOCK) for n in (domain.shape().y, domain.shape().x)]
        packed: dict[str, Any] = {"zlib": True, "complevel": 3, "fill_value": np.float32(np.nan)}
        for name, units in (("soil_moisture", "m3 m-3"), ("precipitation", "mm day-1")):
            variable = file.createVariable(name, "f4", ("time", "y", "x"), chunksizes=(1, *blocks), **packed)
            variable.setncatts({"units": units, "grid_mapping": "crs", "cell_methods": "time: mean area: mean"})
        file.createVariable("active", "i1", ("y", "x"), zlib=True, chunksizes=blocks, fill_value=np.int8(0))
        file.createVariable("elevation", "f4", ("y", "x"), chunksizes=blocks, **packed)
        time[:] = [(date - dt.date(2000, 1, 1)).days for date in dates]

    def __enter__(self) -> _Truth:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def put_land(self, window: Window, land: Tile) -> None:
        """A window's active cells and elevation."""
        self._file["active"][window.index] = land["active"].astype(np.int8)
        self._file["elevation"][window.index] = land["elevation"]

    def put_day(self, window: Window, number: int, moisture: NDArray[Any], rain: NDArray[Any]) -> None:
        """A window's soil moisture and rain of one day."""
        self._file["soil_moisture"][(number, *window.index)] = moisture
        self._file["precipitation"][(number, *window.index)] = rain
