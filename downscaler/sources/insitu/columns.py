"""Networks' own text tables with a column for each probe: AmeriFlux BASE, NEON soil water, reports of NRCS (SCAN).

None of these tells where its station is (NEON's stands in its file of sensor positions): ``sites.csv`` does.

Sources: AmeriFlux "Half-Hourly / Hourly Data Product" (BASE: TIMESTAMP_START in local standard time, SWC_h_v_r in
percent, -9999 missing); NEON DP1.00094.001 with its ``sensor_positions`` file (HOR.VER, zOffset in m,
locationReferenceLatitude); NRCS report generator ("Soil Moisture Percent -2in (pct)", depths in inches). Read from
public code and documentation; no genuine file of the three was at hand.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from downscaler.errors import StationError
from downscaler.ground.grid import Domain
from downscaler.sources.insitu.delimited import (
    Site,
    Table,
    degrees_of,
    header_of,
    moment_of,
    number_of,
    read_table,
    site_of,
    times,
)
from downscaler.sources.insitu.series import GOOD, MISSING_FLAG, FileReport, Read, Sensor, Series, checked

_INCH, _PERCENT = 0.0254, 0.01
_SWC = re.compile(r"swc(?:_pi)?(?:_f)?_\d+_\d+_\d+(?:_a)?|swc_\d+")
_NRCS = re.compile(r"soil moisture percent -(\d+)in \(pct\)(.*)")
_NEON_FILE = re.compile(r"NEON\.D\d{2}\.([A-Z]{4})\.DP1\.00094\.001\.(\d{3})\.(\d{3})\.")
_SITE = re.compile(r"#\s*Site:\s*(\S+)")
_NUMBER = re.compile(r"\((\d{1,4})\)")
UNSURE = "U"  # a reading that the network's own flag doubts; ISMN's word for "not judged good"


@dataclass
class _Probe:
    """Readings of one probe as they are gathered."""

    sensor: Sensor
    moments: list[dt.datetime] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    daily: bool = False

    def add(self, moment: dt.datetime, value: float, *, good: bool = True) -> None:
        self.moments.append(moment)
        self.values.append(value)
        self.flags.append(MISSING_FLAG if np.isnan(value) else GOOD if good else UNSURE)


def claims(path: Path) -> bool:
    """Whether a text table has the columns of one of the three."""
    return _kind(header_of(path)) is not None


def _kind(names: tuple[str, ...]) -> str | None:
    if "timestamp_start" in names and any(_SWC.fullmatch(name) for name in names):
        return "AmeriFlux"
    if "vswcmean" in names and "startdatetime" in names:
        return "NEON"
    return "NRCS" if names[:1] == ("date",) and any(_NRCS.search(name) for name in names) else None


def read(path: Path, *, domain: Domain | None = None, deepest: float = np.inf) -> Iterator[Read]:
    """Sensors of a file, each with its report; broken lines are counted in the first.

    Raises StationError when nothing tells where the station or how deep a probe is, or no line is a reading.
    """
    table = read_table(path)
    probes = {"AmeriFlux": _ameriflux, "NEON": _neon, "NRCS": _nrcs}[str(_kind(table.columns))](table)
    if not any(probe.values for probe in probes):
        raise StationError(f"{path.name} holds no reading", value=table.bad[0] if table.bad else "no line")
    bad = len(table.bad)
    for probe in probes:
        sensor, missing = probe.sensor, int(np.isnan(probe.values).sum())
        report = FileReport(
            file=f"{path.name}: {sensor.name} {sensor.depth_to:g} m",
            lines=len(probe.values) + bad,
            readings=len(probe.values) - missing,
            missing=missing,
            bad_lines=bad,
            first_bad=table.bad[0] if bad else None,
            left_out=f"reaches deeper than {deepest:g} m" if sensor.depth_to > deepest else None,
        )
        bad = 0  # told once
        if report.left_out or missing == len(probe.values):
            yield None, report
            continue
        series = Series(
            sensor=sensor,
            time=times(probe.moments),
            value=np.array(probe.values),
            flag=np.array(probe.flags),
            daily=probe.daily,
        )
        yield checked(series, report, domain)


def _ameriflux(table: Table) -> list[_Probe]:
    told = next((m[1] for line in table.comments if (m := _SITE.search(line))), None)
    named = re.match(r"AMF_([A-Z]{2}-\w{3})_", table.path.name)
    site = told or (named[1] if named else table.path.stem)
    place = site_of(table.path, site)
    probes = {}
    for name in (name for name in table.columns if _SWC.fullmatch(name)):
        if name not in place.depths:
            raise StationError(
                f"No depth of {name.upper()} of {site} is told",
                value=table.path.name,
                allowed="a line in sites.csv with site, lat, lon, utc_offset, variable and depth (m)",
            )
        probes[name] = _Probe(_sensor("AmeriFlux", site, name.upper(), place, place.depths[name]))
    for row in table.rows():
        moment = moment_of(row["timestamp_start"], place.utc_offset)
        values = {name: number_of(row[name]) for name in probes}
        if moment is None or None in values.values():
            table.spoil(int(row[""]), ",".join(list(row.values())[:-1]))
            continue
        for name, value in values.items():
            assert value is not None
            probes[name].add(moment, value * _PERCENT)
    return list(probes.values())


def _nrcs(table: Table) -> list[_Probe]:
    """Columns of the report generator; of several stations in one report each has its number before the name."""
    offsets: dict[str, Site] = {}
    probes: dict[str, _Probe] = {}
    in_comments = next((m[1] for line in table.comments if (m := _NUMBER.search(line))), None)
    for name in table.columns:
        found = _NRCS.search(name)
        if found is None:
            continue
        before = _NUMBER.search(name[: found.start()])
        site = before[1] if before else in_comments
        if site is None:
            raise StationError(f"{table.path.name} does not name its station", allowed="(number) in a remark or column")
        offsets[name] = site_of(table.path, site)
        depth = int(found[1]) * _INCH
        probe = _Probe(_sensor("SCAN", site, f"{found[1]}in", offsets[name], (depth, depth)))
        probe.daily = "mean of" in found[2] or "average" in found[2]
        probes[name] = probe
    for row in table.rows():
        values = {name: number_of(row[name]) for name in probes}
        moments = {name: moment_of(row["date"], offsets[name].utc_offset) for name in probes}
        if None in moments.values() or None in values.values():
            table.spoil(int(row[""]), ",".join(list(row.values())[:-1]))
            continue
        for name, value in values.items():
            moment = moment_of(row["date"]) if probes[name].daily else moments[name]
            assert moment is not None
            assert value is not None
            probes[name].add(moment, value * _PERCENT)
    return list(probes.values())


def _neon(table: Table) -> list[_Probe]:
    named = _NEON_FILE.match(table.path.name)
    positions = _positions(table.path)
    probes: dict[tuple[str, str, str], _Probe] = {}
    for row in table.rows():
        key = (row.get("siteid") or "", row.get("horizontalposition") or "", row.get("verticalposition") or "")
        if not all(key) and named:
            key = (named[1], named[2], named[3])
        moment, value = moment_of(row["startdatetime"]), number_of(row["vswcmean"])
        if moment is None or value is None or not all(key):
            table.spoil(int(row[""]), ",".join(list(row.values())[:-1]))
            continue
        if key not in probes:
            probes[key] = _Probe(_neon_sensor(key, positions, table.path))
        probes[key].add(moment, value, good=row.get("vswcfinalqf", "0") in ("0", ""))
    return list(probes.values())


def _neon_sensor(key: tuple[str, str, str], positions: Mapping[str, Mapping[str, str]], path: Path) -> Sensor:
    site, horizontal, vertical = key
    told = positions.get(f"{int(horizontal):03d}.{int(vertical):03d}")
    lat = degrees_of((told or {}).get("locationreferencelatitude") or (told or {}).get("referencelatitude") or "")
    lon = degrees_of((told or {}).get("locationreferencelongitude") or (told or {}).get("referencelongitude") or "")
    down = number_of((told or {}).get("zoffset", ""))
    if lat is None or lon is None or down is None or not np.isfinite([lat, lon, down]).all():
        raise StationError(
            f"{path.name} does not say where its probe is, and no file of sensor positions does",
            value=f"{site} {horizontal}.{vertical}",
            allowed="NEON's own file of sensor_positions beside it, with HOR.VER, zOffset and the reference place",
        )
    depth = max(-down, 0.0)
    return Sensor(
        network="NEON",
        station=f"{site}-{horizontal}",
        name=f"{horizontal}.{vertical}",
        depth_from=depth,
        depth_to=depth,
        lat=lat,
        lon=lon,
    )


def _positions(path: Path) -> dict[str, dict[str, str]]:
    """Lines of the files of sensor positions beside a file, by horizontal and vertical position."""
    found: dict[str, dict[str, str]] = {}
    for file in sorted(path.resolve().parent.glob("*sensor_positions*.csv")):
        for row in read_table(file).rows():
            parts = row.get("hor.ver", "").strip('"').split(".")
            if len(parts) == 2 and all(part.isdigit() for part in parts):
                found[f"{int(parts[0]):03d}.{int(parts[1]):03d}"] = dict(row)
    return found


def _sensor(network: str, site: str, name: str, place: Site, depth: tuple[float, float]) -> Sensor:
    return Sensor(
        network=place.network or network,
        station=site,
        name=name,
        depth_from=depth[0],
        depth_to=depth[1],
        lat=place.lat,
        lon=place.lon,
    )
