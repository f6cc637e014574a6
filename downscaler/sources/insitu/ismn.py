"""Reads archives of the International Soil Moisture Network, in CEOP and header + values format.

The network's own package ``ismn`` parses the files; here it is kept quiet, kept from writing beside the archive, and
its silent omissions become errors.

Source: Dorigo et al. (2011, doi:10.5194/hess-15-1675-2011; 2021, doi:10.5194/hess-25-5749-2021).
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from downscaler.errors import StationError

COLUMNS = ("network", "station", "sensor", "depth_from", "depth_to", "lat", "lon", "time", "value", "flag")
_FORMATS = {"ceop_sep": "CEOP", "header_values": "header+values"}
_VARIABLE = "soil_moisture"


def read_archive(path: str | Path) -> pd.DataFrame:
    """All soil moisture readings of an archive, tidy: one row for each reading.

    Args:
        path: zip file or unpacked folder, as ISMN delivers it.

    Returns:
        Columns ``network``, ``station``, ``sensor``, ``depth_from`` and ``depth_to`` (m), ``lat`` and ``lon``
        (degrees), ``time`` (UTC, no zone), ``value`` (m3 m-3), ``flag`` (ISMN's, ``G`` is good).

    Raises:
        StationError: when the archive is missing, broken, or holds no readable soil moisture.
    """
    return _collect(Path(path))[0]


def describe(path: str | Path) -> dict[str, Any]:
    """What an archive holds: kind, stations, readings, sensors, networks, period, format.

    ``readings`` counts soil moisture readings. Raises StationError as ``read_archive`` does.
    """
    readings, formats = _collect(Path(path))
    stations = readings[["network", "station"]].drop_duplicates()
    sensors = readings[["network", "station", "sensor", "depth_from", "depth_to"]].drop_duplicates()
    return {
        "kind": "station-archive",
        "name": Path(path).name,
        "stations": len(stations),
        "sensors": len(sensors),
        "readings": len(readings),
        "good": int(is_good(readings["flag"]).sum()),
        "networks": sorted(str(name) for name in stations["network"].unique()),
        "period": [readings["time"].min().isoformat(), readings["time"].max().isoformat()],
        "format": ", ".join(sorted(formats)),
    }


def is_good(flags: pd.Series[str]) -> pd.Series[bool]:
    """Readings that ISMN flags good: ``G`` alone, not in company of a doubt."""
    return flags.str.strip() == "G"


def _collect(path: Path) -> tuple[pd.DataFrame, set[str]]:
    files = _soil_moisture_files(path)
    parts, formats, read = [], set(), set()
    with _opened(path) as archive:
        for network, station, sensor in archive.collection.iter_sensors(variable=_VARIABLE):
            parts.append(_tidy(network, station, sensor))
            formats.add(_FORMATS.get(sensor.filehandler.file_type, sensor.filehandler.file_type))
            read.add(PurePosixPath(str(sensor.filehandler.file_path).replace("\\", "/")).name)
    missed = sorted(files - read)
    if missed or not parts:
        raise StationError(
            f"Station archive {path.name} has files that cannot be read",
            value=", ".join(missed[:3]) or "no sensor",
            allowed="ISMN files in CEOP or header+values format",
            remedy="Download the archive again, or take these files out.",
        )
    return pd.concat(parts, ignore_index=True), formats


def _tidy(network: Any, station: Any, sensor: Any) -> pd.DataFrame:
    data = sensor.read_data()
    return pd.DataFrame(
        {
            "network": network.name,
            "station": station.name,
            "sensor": sensor.instrument,
            "depth_from": float(sensor.depth.start),
            "depth_to": float(sensor.depth.end),
            "lat": float(station.lat),
            "lon": float(station.lon),
            "time": data.index.to_numpy(),
            "value": data[_VARIABLE].to_numpy(dtype=float),
            "flag": data[f"{_VARIABLE}_flag"].astype(str).to_numpy(),
        },
        columns=list(COLUMNS),
    )


def _soil_moisture_files(path: Path) -> set[str]:
    """Names of the soil moisture files; raises StationError where there are none to be had."""
    if not path.exists():
        raise StationError("Station archive not found", value=path, remedy="Give an ISMN zip file or its folder.")
    if path.is_dir():
        names = [p.name for p in path.rglob("*.stm")]
    else:
        try:
            with zipfile.ZipFile(path) as archive:
                broken = archive.testzip()
                names = [PurePosixPath(n).name for n in archive.namelist() if n.endswith(".stm")]
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            raise StationError(
                "Station archive is no zip file or is cut short", value=path.name, remedy="Download it again."
            ) from error
        if broken is not None:
            raise StationError(
                "Station archive is damaged", value=f"{path.name}: {broken}", remedy="Download it again."
            )
    found = {name for name in names if "_sm_" in name}
    if not found:
        raise StationError(
            "Station archive holds no soil moisture",
            value=path.name,
            allowed="files NETWORK_NETWORK_STATION_sm_FROM_TO_SENSOR_START_END.stm",
        )
    return found


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The package's archive object, silent, with its index in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="vadose-ismn-") as scratch, _quiet():
        from ismn.interface import ISMN_Interface

        try:
            archive = ISMN_Interface(path, meta_path=scratch, temp_root=scratch, parallel=False)
        except (OSError, ValueError, KeyError, IndexError, AttributeError, RuntimeError) as error:
            raise StationError(f"Station archive {path.name} cannot be read", value=error) from error
        try:
            yield archive
        finally:
            archive.close_files()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars, prints, log lines or warnings of the package; its logger is as before afterwards."""
    loggers = [logging.getLogger(name) for name in ("ismn", "ismn_meta_collector")]
    before = [logger.disabled for logger in loggers]
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.disabled = True
        try:
            yield
        finally:
            for logger, disabled in zip(loggers, before, strict=True):
                logger.disabled = disabled
