"""A small weather store, a validation with stations and their readings, for what stands beside a series."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
from validations import document

from catalog.publish.validation import publish_validation
from downscaler.ground.grid import Domain
from downscaler.sources.insitu import table
from downscaler.sources.insitu.series import Sensor, Series
from downscaler.sources.weather import open_weather_source
from downscaler.stores.weather import add_days, build_weather

STATION = {"network": "SCAN", "station": "Fort Reno", "lat": 34.82, "lon": -98.12}


def write_weather(folder: Path, domain: Domain, days: Sequence[dt.date], rain: Sequence[float]) -> Path:
    """A store whose rain is the same everywhere, one number a day."""
    with netCDF4.Dataset(folder / "rain.nc", "w") as file:
        lat, lon = np.arange(34.0, 36.01, 0.125), np.arange(-99.5, -96.9, 0.125)
        for name, values in (("time", np.arange(len(days))), ("lat", lat), ("lon", lon)):
            file.createDimension(name, len(values))
            file.createVariable(name, "f8", (name,))[:] = values
        file["time"].units = f"days since {days[0]}"
        file["lat"].units, file["lon"].units = "degrees_north", "degrees_east"
        amount = file.createVariable("precipitation", "f4", ("time", "lat", "lon"))
        amount.units = "mm day-1"
        amount[:] = np.asarray(rain, np.float32)[:, None, None]
    build_weather(folder / "weather", domain)
    source = open_weather_source("netcdf", folder / "rain.nc")
    try:
        add_days(folder / "weather", source, source.days, said=lambda _day, what: None)
    finally:
        source.close()
    return folder / "weather"


def publish_stations(root: Path, domain: Domain, folder: Path) -> None:
    """A validation of a domain with one station."""
    folder.mkdir()
    figures = {f"product_{name}{end}": value for name in ("bias", "rmsd", "ubrmsd", "r")
               for end, value in (("", 0.05), ("_low", 0.04), ("_high", 0.06))}  # fmt: skip
    pd.DataFrame([STATION | {"pairs": 31} | figures]).to_parquet(folder / "sites.parquet", index=False)
    (folder / "validation.json").write_text(json.dumps(document()))
    (folder / "report.html").write_text("<!doctype html><title>Validation</title>")
    (folder / "map.png").write_bytes(b"PNG")
    publish_validation(root, domain, folder)


def write_readings(path: Path, days: Sequence[dt.date]) -> Path:
    """A table of the station's hourly readings at 5 and 50 cm, and of another's: 0.2 rises by 0.001 each hour.

    Each day's noon is 0.9 and flagged as frozen.
    """
    hours = np.concatenate([np.datetime64(day, "s") + np.arange(24) * np.timedelta64(3600, "s") for day in days])
    value, flag = 0.2 + 0.001 * np.arange(hours.size), np.full(hours.size, "G", "U3")
    value[12::24], flag[12::24] = 0.9, "D01"

    def sensor(station: str, depth: float) -> Series:
        place = {"lat": STATION["lat"], "lon": STATION["lon"], "network": STATION["network"]}
        told = Sensor(station=station, name="probe", depth_from=depth, depth_to=depth, **place)
        return Series(sensor=told, time=hours, value=value + depth / 10, flag=flag)

    made = [sensor("Another", 0.05), sensor(STATION["station"], 0.5), sensor(STATION["station"], 0.05)]
    assert len(list(table.write(path, made))) == len(made)
    return path
