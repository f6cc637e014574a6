"""Weather files as their archives lay them out, made from one field."""

import datetime as dt
from pathlib import Path

import netCDF4
import numpy as np

from downscaler.ground.lattice import CONUS2, Lattice
from downscaler.sources.weather import imerg, nldas2, nldas3

DAY = dt.date(2026, 2, 5)
LON, LAT = -124.9375 + 0.125 * np.arange(464), 25.0625 + 0.125 * np.arange(224)


def rain(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """A day's sum, mm, [lat, lon]: smooth, with a dry half."""
    field = 20.0 + 15.0 * np.sin(np.radians(lon[None, :] * 7)) * np.cos(np.radians(lat[:, None] * 9))
    return np.where(lon[None, :] < -110, 0.0, field)


def warmth(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Mean temperature, K, [lat, lon]."""
    return 310.0 - 0.7 * lat[:, None] + 0.05 * lon[None, :]


def patches(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """A day's sum, mm, [lat, lon]: another in each half degree, whose edges are those of cells in every product."""
    return patch(*np.meshgrid(lon, lat))


def patch(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """The same at places."""
    column, row = np.floor(2 * np.round(lon, 6)), np.floor(2 * np.round(lat, 6))
    return np.asarray(3.0 + (7.0 * column + 13.0 * row) % 29)


def _coordinates(data: netCDF4.Dataset, lon: np.ndarray, lat: np.ndarray) -> None:
    for name, values, units in (("lon", lon, "degrees_east"), ("lat", lat, "degrees_north")):
        data.createDimension(name, values.size)
        variable = data.createVariable(name, "f4", (name,))
        variable.units = units
        variable[:] = values
    data.createDimension("time", 1)


def nldas2_hours(folder: Path, day: dt.date = DAY, hours: range = range(24), **change: object) -> list[Path]:
    """24 files of an hour each: a twenty-fourth of the day's rain, temperature with a daily course of mean zero."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for hour in hours:
        path = folder / f"NLDAS_FORA0125_H.A{day:%Y%m%d}.{hour:02d}00.020.nc"
        with netCDF4.Dataset(path, "w") as data:
            _coordinates(data, LON, LAT)
            data.createDimension("bnds", 2)
            time = data.createVariable("time", "f8", ("time",))
            time.units, time.bounds = "hours since 1979-01-01 00:00:00", "time_bnds"
            start = (day - dt.date(1979, 1, 1)).days * 24 + hour
            time[:] = start + float(change.get("shift", 0))  # type: ignore[arg-type]
            bounds = data.createVariable("time_bnds", "f8", ("time", "bnds"))
            bounds[:] = [[time[0], time[0] + 1]]
            for name, units, field in (
                ("Rainf", str(change.get("units", "kg m-2")), change.get("field", rain)(LON, LAT) / 24),  # type: ignore[operator]
                ("Tair", "K", warmth(LON, LAT) + 5 * np.sin(2 * np.pi * hour / 24)),
            ):
                variable = data.createVariable(name, "f4", ("time", "lat", "lon"), fill_value=-9999.0)
                variable.units = units
                variable[0] = field * (float(change.get("times", 1)) if name == "Rainf" else 1)  # type: ignore[arg-type]
                if "hole" in change:
                    variable[0, :, 300:310] = -9999.0
        made.append(path)
    return made


def imerg_day(folder: Path, day: dt.date = DAY, release: str = "V07B", **change: object) -> Path:
    """The globe at 0.1 degree, (time, lon, lat)."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"3B-DAY-L.MS.MRG.3IMERG.{day:%Y%m%d}-S000000-E235959.{release}.nc4"
    lon, lat = -179.95 + 0.1 * np.arange(3600), -89.95 + 0.1 * np.arange(1800)
    assert (lon.size, lat.size) == (imerg.LATTICE.shape.x, imerg.LATTICE.shape.y)
    with netCDF4.Dataset(path, "w") as data:
        _coordinates(data, lon, lat)
        time = data.createVariable("time", "i4", ("time",))
        time.units = "days since 1980-01-06 00:00:00 UTC"
        time[:] = (day - dt.date(1980, 1, 6)).days + int(change.get("shift", 0))  # type: ignore[call-overload]
        field = data.createVariable("precipitation", "f4", ("time", "lon", "lat"), fill_value=-9999.9, zlib=True)
        field.units = str(change.get("units", "mm/day"))
        field[0] = rain(lon, lat).T
        count = data.createVariable("precipitation_cnt", "i4", ("time", "lon", "lat"), zlib=True)
        count[0] = 48
        if "empty" in change:
            count[0, change["empty"]] = 0
    return path


def nldas3_day(folder: Path, day: dt.date = DAY, **change: object) -> Path:
    """All 6500 x 11700 cells declared, written only where CONUS's middle lies."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"NLDAS_FOR0010_D.A{day:%Y%m%d}.030.beta.nc"
    lattice = nldas3.LATTICE
    lon = lattice.lower_left.x + lattice.cell * (np.arange(lattice.shape.x) + 0.5)
    lat = lattice.lower_left.y + lattice.cell * (np.arange(lattice.shape.y) + 0.5)
    with netCDF4.Dataset(path, "w") as data:
        _coordinates(data, lon, lat)
        time = data.createVariable("time", "f8", ("time",))
        time.units = "days since 2001-01-01 00:00:00"
        time[:] = (day - dt.date(2001, 1, 1)).days + int(change.get("shift", 0))  # type: ignore[call-overload]
        rows, columns = slice(2600, 3000), slice(6900, 7400)  # 33 to 37 N, 100 to 95 W
        if "wide" in change:
            rows, columns = slice(1500, 3500), slice(5400, 8100)
        for name, units, field in (("Rainf", "kg m-2", change.get("field", rain)), ("Tair", "K", warmth)):
            variable = data.createVariable(
                name, "f4", ("time", "lat", "lon"), fill_value=-9999.0, zlib=True, chunksizes=(1, 500, 900)
            )
            variable.units = units
            variable[0, rows, columns] = field(lon[columns], lat[rows])  # type: ignore[operator]
    return path


CUT = (2056, 1062, 2141, 1154)  # ij of CONUS2 around Little Washita


def pfb(path: Path, values: np.ndarray) -> Path:
    """An array [z, j, i] as ParFlow writes it."""
    from parflow.tools.io import write_pfb

    write_pfb(str(path), np.ascontiguousarray(values), dist=False)
    return path


def conus2_cut() -> Lattice:
    """The lattice of the cut."""
    return CONUS2.cut(CUT, "hydrodata")


def cw3e_days(folder: Path, day: dt.date = DAY, days: int = 1, **change: object) -> list[Path]:
    """ParFlow's forcing of the cut: 24 planes a file in kg m-2 s-1, all of a day's rain in its first half."""
    folder.mkdir(parents=True, exist_ok=True)
    lon, lat = conus2_cut().lonlat()
    total, made = patch(lon, lat), []
    course = np.repeat([2.0, 0.0], 12)[:, None, None]
    for number in range(days):
        first = 24 * number + 1 + int(change.get("late", 0))  # type: ignore[call-overload]
        name = f"000{first:03d}_to_000{first + 23:03d}.pfb"
        rate = total[None] * course / 86_400 * float(change.get("times", 1))  # type: ignore[arg-type]
        rate[:, 5, 7] = float(change.get("fill", -3.4e38))  # type: ignore[arg-type]
        warm = np.broadcast_to(warmth(lon[0], lat[:, 0])[None], rate.shape)
        made.append(pfb(folder / f"CW3E.APCP.{name}", rate.transpose(0, 2, 1) if "turned" in change else rate))
        made.append(pfb(folder / f"CW3E.Temp.{name}", warm))
    (folder / "weather.toml").write_text(
        f"""[grid]
lattice = "CONUS2"
ij_bounds = {list(CUT)}
[time]
start = "{day}T00:00:00Z"
step = "1h"
[files]
precipitation = "CW3E.APCP.*.pfb"
air_temperature = "CW3E.Temp.*.pfb"
{change.get("units", "")}
""",
        encoding="utf-8",
    )
    return made


def grid_of(name: str) -> object:
    """The lattice of a source."""
    return {"nldas2": nldas2, "imerg": imerg, "nldas3": nldas3}[name].LATTICE
