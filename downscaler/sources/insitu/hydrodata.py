"""SCAN and SNOTEL through HydroFrame's client ``hf_hydrodata`` (an optional dependency; a free PIN is needed).

The client's server answers with a pickled table, which the client itself unpickles: it trusts that server.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from downscaler.errors import HydroDataError
from downscaler.ground.cells import bounds_of
from downscaler.ground.grid import Domain
from downscaler.sources.insitu.series import GOOD, MISSING_FLAG, FileReport, Read, Sensor, Series, checked
from downscaler.sources.secrets import scrub

NETWORKS = ("scan", "snotel")
_INCH = 0.0254  # m
DEPTHS = (2, 4, 8, 20, 40)  # inches
_PLACE = ("site_id", "latitude", "longitude")
_PIN = (
    "Create a PIN at https://hydrogen.princeton.edu/pin, then register it once: "
    "python -c \"import hf_hydrodata; hf_hydrodata.register_api_pin('EMAIL', 'PIN')\". "
    "It expires after 7 days without use."
)


def read(network: str, start: dt.date, end: dt.date, *, domain: Domain, deepest: float = np.inf) -> Iterator[Read]:
    """Daily readings (start of day) of a network's stations in a domain, one request for each depth.

    The client gives no soil temperature: whether the ground is frozen is left to SMAP's own flag.

    Args:
        network: ``scan`` or ``snotel``.
        start: first day.
        end: last day, included.
        domain: where; stations at its rim but outside are refused.
        deepest: m; deeper sensors are not asked for.

    Raises:
        HydroDataError: the client is not installed, no PIN is registered or it has lapsed, or the server fails.
    """
    client = _client()
    for depth in (inches for inches in DEPTHS if inches * _INCH <= deepest + 1e-9):
        query = _query(network, start, end, domain) | {"depth_level": depth}
        try:
            # each call gets its own copy: the client changes what it is given
            places, values = client.get_point_metadata(dict(query)), client.get_point_data(dict(query))
        except Exception as error:  # noqa: BLE001  (whatever the client raises may quote the PIN)
            if "zero sites" in str(error).lower():
                yield None, FileReport(file=f"{network} {depth} in", problem="no station in the domain")
                continue
            raise _refused(network, error) from None  # the client's error may quote the PIN
        yield from _sensors(network, depth, places, values, domain)


def _client() -> Any:
    try:
        import hf_hydrodata
    except ImportError as error:
        raise HydroDataError(
            "SCAN and SNOTEL need the package hf_hydrodata, which is not installed",
            remedy="Install it with: pip install 'vadose[hydrodata]'",
        ) from error
    return hf_hydrodata


def _query(network: str, start: dt.date, end: dt.date, domain: Domain) -> dict[str, Any]:
    if network not in NETWORKS:
        raise HydroDataError("HydroData has no such soil moisture network", value=network, allowed=NETWORKS)
    west, south, east, north = (round(edge, 4) for edge in bounds_of(domain))
    return {
        "dataset": network,
        "variable": "soil_moisture",
        "temporal_resolution": "daily",
        "aggregation": "sod",
        "date_start": start.isoformat(),
        "date_end": end.isoformat(),
        "latitude_range": (south, north),
        "longitude_range": (west, east),
    }


def _refused(network: str, error: Exception) -> HydroDataError:
    text = scrub(str(error))
    of_pin = "pin" in text.lower() or "authenticate" in text.lower() or "validate user" in text.lower()
    remedy = _PIN if of_pin else "Try again later, or leave this network out."
    what = "HydroData does not accept the PIN" if of_pin else "HydroData does not answer"
    return HydroDataError(f"{what} for {network.upper()}", value=text, remedy=remedy)


def _sensors(network: str, depth: int, places: pd.DataFrame, values: pd.DataFrame, domain: Domain) -> Iterator[Read]:
    """One read for each site of an answer; raises HydroDataError where the answer is not what it should be."""
    lacking = [name for name in _PLACE if name not in places]
    if lacking or "date" not in values:
        raise HydroDataError(
            f"HydroData's answer for {network.upper()} could not be interpreted",
            value=f"columns {list(places.columns)[:8]}, {list(values.columns)[:4]}",
            allowed=f"{', '.join(_PLACE)} of the sites, date and a column for each site",
            remedy="Check that hf_hydrodata has version 1.4.",
        )
    metres = depth * _INCH
    sites = zip(places["site_id"].astype(str), places["latitude"], places["longitude"], strict=True)
    where = {site: (float(lat), float(lon)) for site, lat, lon in sites}
    time = pd.to_datetime(values["date"]).to_numpy(dtype="datetime64[s]")
    for site in (str(column) for column in values.columns if column != "date"):
        name = f"{network} {site}, {depth} in"
        if site not in where:
            yield None, FileReport(file=name, lines=time.size, problem="the location of the site is missing")
            continue
        value = pd.to_numeric(values[site], errors="coerce").to_numpy(dtype=float)
        missing = int(np.isnan(value).sum())
        sensor = Sensor(
            network=network.upper(),
            station=site,
            name=f"{depth}-inch probe",
            depth_from=metres,
            depth_to=metres,
            lat=where[site][0],
            lon=where[site][1],
        )
        flag = np.where(np.isnan(value), MISSING_FLAG, GOOD).astype(np.str_)
        series = Series(sensor=sensor, time=time, value=value, flag=flag, daily=True)
        report = FileReport(file=name, lines=time.size, readings=time.size - missing, missing=missing)
        yield checked(series, report, domain)
