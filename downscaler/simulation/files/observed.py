"""The nature run's files, day by day: granules and truth on the product grid, station readings from single cells."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import netCDF4
import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from downscaler.ground.grid import CRS as EASE_CRS
from downscaler.ground.grid import M09, Domain
from downscaler.ground.lattice import Lattice
from downscaler.ground.regrid import Overlap, overlap
from downscaler.product import SIMULATED_LABEL
from downscaler.simulation.files.granule import cell_centres, write_granule
from downscaler.simulation.files.stations import Series, Station, write_archive
from downscaler.simulation.hydrology import Soil
from downscaler.simulation.landscape import Landscape
from downscaler.simulation.noise import Field, Stream
from downscaler.simulation.orbit import observe
from downscaler.simulation.retrieval import retrieve
from downscaler.simulation.scene import COVER_NAMES, choose_sites, make_scene
from downscaler.simulation.weather import STEPS, Weather, warm_season

_SENSORS = ((0.05, "Simulated-Probe-05"), (0.2, "Simulated-Probe-20"))
_HOURS = 24 // STEPS
_WARMTH = {"AM": -4.0, "PM": 3.0}  # K at 6 and 18 h against the day's mean


class ObservedWriter:
    """Writes granules, truth and stations below a folder; as a context, it ends truth and stations at the end."""

    def __init__(self, out: Path, domain: Domain, lattice: Lattice, land: Landscape, seed: int) -> None:
        self._out, self._domain, self._seed = out, domain, seed
        self._overlaps = _overlaps(lattice, domain)
        self._active = self._means(np.where(land.active, 1.0, np.nan)) > 0
        self._statics = {
            "active": self._active,
            "land_cover": self._modes(land.land_cover),
            **{name: self._means(getattr(land, name)) for name in ("clay", "porosity", "elevation", "vegetation")},
        }
        self._window = domain.window(M09)
        self._latitude, self._longitude = cell_centres(self._window)
        self._truth = _create_truth(out / "truth" / "truth.nc", domain, self._active, self._statics)
        self._sites = _Sites(lattice, land, seed)
        self._count = 0

    def __enter__(self) -> ObservedWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._truth.close()
        if kind is None:
            self._sites.write(self._out / "stations")

    def add(
        self, date: dt.date, before: Field | None, moisture: Sequence[Field], root: Field, weather: Weather, soil: Soil
    ) -> None:
        """Adds a day: soil moisture at its start (``before``) and after each step, root zone saturation, weather."""
        mean = self._means(np.mean(np.stack(moisture), axis=0))
        rain = self._means(weather.rain.sum(axis=0))
        self._append_truth(date, mean, rain)
        noon = STEPS // 2 - 1
        states = {
            "AM": (moisture[noon], weather.rain[noon]),
            "PM": (moisture[0] if before is None else before, weather.rain[0]),
        }
        overpasses, seen = {}, []
        for name, (state, shower) in states.items():
            overpass = observe(date, self._latitude, self._longitude, name)
            scene = make_scene(
                self._statics,
                np.where(self._active, self._means(state), np.nan),
                temperature=self._means(weather.temperature),
                rain=self._means(shower),
                warmth=_WARMTH[name],
                greenness=warm_season(date),
            )
            fields = retrieve(scene, overpass, *self._centres(), day=date.toordinal(), seed=self._seed)
            overpasses[name] = fields | {"time": overpass.time}
            seen.extend(overpass.revolution[overpass.seen].tolist())
        write_granule(
            self._out / "granules", date, self._window, overpasses, (min(seen, default=0), max(seen, default=0))
        )
        self._sites.read(date, moisture, root, soil)

    def _centres(self) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Cell centres of the 9 km window in km, rows from the north."""
        y = -(np.arange(self._window.rows.start, self._window.rows.stop) + 0.5) * M09.cell / 1000.0
        x = (np.arange(self._window.columns.start, self._window.columns.stop) + 0.5) * M09.cell / 1000.0
        return y, x

    def _means(self, field: NDArray[np.floating]) -> NDArray[np.float32]:
        shape = self._domain.shape()
        out = np.full((shape.y, shape.x), np.nan, np.float32)
        for one in self._overlaps:
            j, i = one.source.slices
            out[one.window.rows.slice, one.window.columns.slice] = one.mean(field[j, i])
        return out

    def _modes(self, field: NDArray[np.integer]) -> NDArray[np.int16]:
        shape = self._domain.shape()
        out = np.full((shape.y, shape.x), -1, np.int16)
        for one in self._overlaps:
            j, i = one.source.slices
            out[one.window.rows.slice, one.window.columns.slice] = one.mode(field[j, i])
        return out

    def _append_truth(self, date: dt.date, moisture: Field, rain: Field) -> None:
        values = np.where(self._active, moisture, np.nan)
        self._truth["soil_moisture"][self._count] = values
        self._truth["precipitation"][self._count] = rain
        self._truth["time"][self._count] = (date - dt.date(2000, 1, 1)).days
        self._count += 1


def _overlaps(lattice: Lattice, domain: Domain) -> list[Overlap]:
    found = (overlap(lattice, domain, window) for window in domain.blocks())
    return [one for one in found if one is not None]


def _create_truth(
    path: Path, domain: Domain, active: NDArray[np.bool_], statics: dict[str, NDArray[np.generic]]
) -> netCDF4.Dataset:
    file = netCDF4.Dataset(path, "w", format="NETCDF4")
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
    for name, units in (("soil_moisture", "m3 m-3"), ("precipitation", "mm day-1")):
        variable = file.createVariable(
            name, "f4", ("time", "y", "x"), zlib=True, complevel=3, fill_value=np.float32(np.nan)
        )
        variable.setncatts({"units": units, "grid_mapping": "crs", "cell_methods": "time: mean area: mean"})
    for name, values in {"active": active.astype(np.int8), "elevation": statics["elevation"]}.items():
        variable = file.createVariable(name, values.dtype, ("y", "x"), zlib=True)
        variable[:] = values
    return file


class _Sites:
    """Readings of the simulated networks: each sensor has a gain, an offset and a noise of its own."""

    def __init__(self, lattice: Lattice, land: Landscape, seed: int) -> None:
        self._random = Stream(seed=seed, name="stations").generator()
        longitude, latitude = lattice.lonlat()
        statics = {name: getattr(land, name) for name in ("land_cover", "active", "slope_x", "slope_y")}
        self._cells: list[tuple[int, int]] = []
        self._stations: list[Station] = []
        for network, cells in choose_sites(statics, seed).items():
            for number, (row, column) in enumerate(cells):
                self._cells.append((row, column))
                self._stations.append(
                    Station(
                        network=network,
                        name=f"Site-{number + 1:03d}",
                        latitude=float(latitude[row, column] + self._random.uniform(-0.004, 0.004)),
                        longitude=float(longitude[row, column] + self._random.uniform(-0.004, 0.004)),
                        elevation=float(land.elevation[row, column]),
                        land_cover=COVER_NAMES[int(land.land_cover[row, column])],
                        saturation=float(land.porosity[row, column]),
                        clay=float(land.clay[row, column]),
                        sand=float(land.sand[row, column]),
                    )
                )
        shape = (len(_SENSORS), len(self._stations))
        self._gain = self._random.normal(1.0, 0.12, shape)
        self._offset = self._random.normal(0.0, 0.02, shape)
        self._times: list[np.datetime64] = []
        self._readings: list[NDArray[np.float64]] = []

    def read(self, date: dt.date, moisture: Sequence[Field], root: Field, soil: Soil) -> None:
        """Takes the readings of a day, one at the end of each step."""
        rows, columns = (np.array(axis) for axis in zip(*self._cells, strict=True))
        pores = (soil.porosity - soil.residual)[rows, columns]
        deep = soil.residual[rows, columns] + root[rows, columns] * pores
        for step, field in enumerate(moisture):
            true = np.stack([field[rows, columns], deep])
            noise = self._random.normal(0.0, 0.006, true.shape)
            self._readings.append(np.clip(self._offset + self._gain * true + noise, 0.01, 0.6))
            self._times.append(np.datetime64(date, "h") + np.timedelta64((step + 1) * _HOURS, "h"))

    def write(self, folder: Path) -> None:
        """Writes the archive; some readings are spikes and are flagged so."""
        times, readings = np.array(self._times), np.stack(self._readings)
        spikes = self._random.random(readings.shape) < 0.01
        readings = np.where(spikes, np.clip(readings * 2.0, 0.0, 0.95), readings)
        series = [
            Series(
                station=station,
                depth=depth,
                sensor=sensor,
                times=times,
                values=readings[:, level, number],
                flags=["D06" if spike else "G" for spike in spikes[:, level, number]],
            )
            for number, station in enumerate(self._stations)
            for level, (depth, sensor) in enumerate(_SENSORS)
        ]
        first, last = (str(t)[:10].replace("-", "") for t in times[[0, -1]])
        write_archive(folder / f"Data_simulated_sample_{first}_{last}.zip", series)
