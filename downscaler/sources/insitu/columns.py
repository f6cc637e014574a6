"""What the text tables with a column, or a file, for each probe have in common: readings gathered probe by probe."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from downscaler.errors import StationError
from downscaler.ground.grid import Domain
from downscaler.sources.insitu.delimited import Table, times
from downscaler.sources.insitu.places import Site
from downscaler.sources.insitu.series import GOOD, MISSING_FLAG, FileReport, Read, Sensor, Series, checked

PERCENT = 0.01
UNSURE = "U"  # a reading that the network's own flag doubts, or that was filled in; ISMN's word for "not judged good"
_DRIEST = 0.012  # m3 m-3; a sensor of per cents that never exceeds this was in fractions


@dataclass
class Probe:
    """Readings of one probe as they are gathered; ``percent`` says that the file has them in per cent."""

    sensor: Sensor
    percent: bool = False
    daily: bool = False
    moments: list[dt.datetime] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)

    def add(self, moment: dt.datetime, value: float, *, good: bool = True) -> None:
        """One reading as the file has it; NaN where it is marked as missing."""
        self.moments.append(moment)
        self.values.append(value * PERCENT if self.percent else value)
        self.flags.append(MISSING_FLAG if np.isnan(value) else GOOD if good else UNSURE)


def sensor_of(network: str, site: str, name: str, place: Site, depth: tuple[float, float]) -> Sensor:
    """A sensor at the place and depth that ``sites.csv`` tells."""
    return Sensor(
        network=place.network or network,
        station=site,
        name=name,
        depth_from=depth[0],
        depth_to=depth[1],
        lat=place.lat,
        lon=place.lon,
    )


def spoil(table: Table, row: dict[str, str]) -> None:
    """Count a row as bad, as it stands in the file."""
    table.spoil(int(row[""]), ",".join(list(row.values())[:-1]))


def reads(table: Table, probes: Iterable[Probe], domain: Domain | None, deepest: float) -> Iterator[Read]:
    """Each probe with its report; broken lines are counted in the first. Raises StationError where none has a line."""
    found = list(probes)
    if not any(probe.values for probe in found):
        raise StationError(f"{table.path.name} holds no reading", value=table.bad[0] if table.bad else "no line")
    bad = len(table.bad)
    for probe in found:
        sensor, missing = probe.sensor, int(np.isnan(probe.values).sum())
        report = FileReport(
            file=f"{table.path.name}: {sensor.station} {sensor.name} {sensor.depth_to:g} m",
            lines=len(probe.values) + bad,
            readings=len(probe.values) - missing,
            missing=missing,
            bad_lines=bad,
            first_bad=table.bad[0] if bad else None,
            left_out=f"reaches deeper than {deepest:g} m" if sensor.depth_to > deepest else None,
            problem=_in_fractions(probe),
        )
        bad = 0  # told once
        if report.left_out or report.problem or missing == len(probe.values):
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


def _in_fractions(probe: Probe) -> str | None:
    """Why per cents cannot be right: soil is never so dry for a whole record."""
    known = [value for value in probe.values if np.isfinite(value)]
    if not probe.percent or not known or not 0 < max(known) <= _DRIEST:
        return None
    return f"unit is not per cent: the highest value is {max(known) / PERCENT:g}, apparently a fraction"
