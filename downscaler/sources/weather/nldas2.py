"""NLDAS-2 primary forcing (``NLDAS_FORA0125_H`` 2.0): hourly, 1/8 degree, about 3.5 days late.

A file holds one hour: ``NLDAS_FORA0125_H.A20260205.0000.020.nc`` with ``Rainf`` (kg m-2, the hour's sum) and ``Tair``
(K). A UTC day is its files 0000 to 2300, as NASA's own daily and monthly sums have it (from 00Z to 23:59Z); where a
file tells the bounds of its hour, they have to agree with its name.

Source: Xia et al. (2012, doi:10.1029/2011JD016048); grid and names of the GES DISC collection. That the hour of a name
is the start of the sum is NASA's convention for its daily sums and was not checked against a genuine file here.
"""

from __future__ import annotations

import re
from pathlib import Path

from odc.geo import wh_, xy_

from downscaler.ground.lattice import Lattice
from downscaler.sources.weather.daily import DailyFiles, Layout, open_daily

SHORT_NAME, VERSION = "NLDAS_FORA0125_H", "2.0"
LATTICE = Lattice(name="NLDAS-2", crs="EPSG:4326", lower_left=xy_(-125.0, 25.0), shape=wh_(464, 224), cell=0.125)
FILE = re.compile(r"NLDAS_FORA0125_H\.A(\d{8})\.(?P<hour>\d{2})00\.0?20\.nc4?")
LAYOUT = Layout(
    name="nldas2",
    title="NLDAS-2 forcing (NLDAS_FORA0125_H 2.0)",
    short="NLDAS-2",
    lattice=LATTICE,
    file=FILE,
    example="NLDAS_FORA0125_H.AYYYYMMDD.HH00.020.nc",
    rain="Rainf",
    warmth="Tair",
    units=("kg m-2", "kg/m^2", "kg/m2", "mm", "kg m-2 h-1", "mm h-1"),
    hour="hour",
    latency="final",
    late="about 3.5 days late",
    version=VERSION,
)


def open_nldas2(path: Path) -> DailyFiles:
    """NLDAS-2's hourly files below a folder; raises WeatherUnreadableError where there is none."""
    return open_daily(LAYOUT, path)
