"""GPM IMERG Late daily (``GPM_3IMERGDL`` 07): 0.1 degree, all the globe, about 14 hours late; rain alone.

``3B-DAY-L.MS.MRG.3IMERG.20260205-S000000-E235959.V07B.nc4``: ``precipitation`` is the day's mean rate in mm/day with
dimensions (time, lon, lat), south to north; ``precipitation_cnt`` counts the half hours with an estimate, so 0 means
that there is none, not that it was dry. Fill -9999.9.

Source: Huffman et al. (2023, doi:10.5067/GPM/IMERGDL/DAY/07).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from odc.geo import wh_, xy_

from downscaler.ground.lattice import IJWindow, Lattice
from downscaler.sources.weather.daily import DailyFiles, Layout, open_daily
from downscaler.sources.weather.files import latlon_field

SHORT_NAME, VERSION = "GPM_3IMERGDL", "07"
LATTICE = Lattice(name="IMERG", crs="EPSG:4326", lower_left=xy_(-180.0, -90.0), shape=wh_(3600, 1800), cell=0.1)
FILE = re.compile(r"3B-DAY-L\.MS\.MRG\.3IMERG\.(\d{8})-S000000-E235959\.(?P<release>V07[A-Z])\.nc4?(?:\.nc4)?")
NOTE = "IMERG has no air temperature: the prior's mean of the month stands in for it."


def _estimated(data: xr.Dataset, window: IJWindow, path: Path) -> NDArray[np.bool_]:
    """Where any half hour of the day has an estimate; everywhere in a file that does not tell."""
    if "precipitation_cnt" not in data:
        return np.ones(window.shape, bool)
    return np.asarray(np.nan_to_num(latlon_field(data["precipitation_cnt"], LATTICE, window, path)) > 0)


LAYOUT = Layout(
    name="imerg",
    title="GPM IMERG Late daily (GPM_3IMERGDL 07)",
    short="IMERG",
    lattice=LATTICE,
    file=FILE,
    example="3B-DAY-L.MS.MRG.3IMERG.YYYYMMDD-S000000-E235959.V07B.nc4",
    rain="precipitation",
    units=("mm/day", "mm day-1", "mm d-1", "mm"),
    release="release",
    latency="preliminary",
    late="about 14 hours late",
    known=_estimated,
    notes=lambda _version: (NOTE,),
)


def open_imerg(path: Path) -> DailyFiles:
    """IMERG's daily files below a folder; raises WeatherUnreadableError where there is none."""
    return open_daily(LAYOUT, path)
