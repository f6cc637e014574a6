"""NLDAS-3 daily forcing (beta): 0.01 degree, about 700 MB a day; only the window is read.

``NLDAS_FOR0010_D.A20220704.030.beta.nc``, 6500 x 11700 cells, ``Rainf`` (kg m-2, the day's sum) and ``Tair`` (K). Beta
files have too much rain along coasts and no temperature over water. Reference files of the same data were once a day
late: the date in the file is held against the one in its name. A domain's window that was fetched is a file of the
same name, whose attribute ``vadose_window`` says which.

Layout from public listings; no genuine file was at hand here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from odc.geo import wh_, xy_

from downscaler.errors import WeatherUnreadableError
from downscaler.ground.lattice import IJWindow, Lattice
from downscaler.sources.weather.daily import DailyFiles, Layout, open_daily

LATTICE = Lattice(name="NLDAS-3", crs="EPSG:4326", lower_left=xy_(-169.0, 7.0), shape=wh_(11700, 6500), cell=0.01)
FILE = re.compile(r"NLDAS_FOR0010_D\.A(\d{8})\.(?P<release>030[\w.]*?)\.nc4?")
NOTE = "NLDAS-3 is a beta release: it has too much rain along coasts and no temperature over water."
WINDOW = "vadose_window"  # of a file that has values in a part alone: i0, j0, i1, j1


def held_window(attributes: Mapping[str, Any]) -> IJWindow | None:
    """The cells that a file has values of; None for all. Raises PriorSchemaError where that is malformed."""
    told = attributes.get(WINDOW)
    return None if told is None else IJWindow.from_bounds([int(number) for number in np.ravel(told)])


def _known(data: xr.Dataset, window: IJWindow, path: Path) -> NDArray[np.bool_]:
    """All cells; raises WeatherUnreadableError where a file was fetched for another window."""
    held = held_window(data.attrs)
    if held is not None and not (held.i.holds(window.i) and held.j.holds(window.j)):
        raise WeatherUnreadableError(
            f"{path.name} holds the window of another domain",
            value=f"cells {held.bounds}",
            allowed=f"cells {window.bounds}",
            remedy="Fetch it again: vadose weather extend --fetch --start --end, or keep each domain's files apart.",
        )
    return np.ones(window.shape, dtype=bool)


LAYOUT = Layout(
    name="nldas3",
    title="NLDAS-3 daily forcing (beta)",
    short="NLDAS-3",
    lattice=LATTICE,
    file=FILE,
    example="NLDAS_FOR0010_D.AYYYYMMDD.030.beta.nc",
    rain="Rainf",
    warmth="Tair",
    units=("kg m-2", "kg/m^2", "mm", "mm/day", "mm day-1", "kg m-2 day-1"),
    release="release",
    latency="final",
    late="beta files end years before today",
    known=_known,
    notes=lambda version: (NOTE,) if "beta" in version else (),
)


def open_nldas3(path: Path) -> DailyFiles:
    """NLDAS-3's daily files below a folder; raises WeatherUnreadableError where there is none."""
    return open_daily(LAYOUT, path)
