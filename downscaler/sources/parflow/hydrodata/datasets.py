"""HydroFrame's ParFlow-CLM runs, declared once: what to ask for, on which lattice, over which time."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from downscaler.errors import ConfigError
from downscaler.ground.lattice import CONUS1, CONUS2, Parent


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run with daily soil moisture: ``layers`` of the model; ``hourly`` where it has hourly saturation too.

    ``statics`` maps this project's names to HydroFrame's variables in the dataset ``domain``; ``forcing`` is the
    dataset of daily weather on the same lattice; ``by_table`` says that the soil's hydraulic parameters are looked up
    from the indicator.
    """

    dataset: str
    parent: Parent
    layers: int
    hourly: bool
    first: dt.date
    last: dt.date | None
    domain: str
    forcing: str
    statics: dict[str, str]
    by_table: bool
    title: str

    @property
    def grid(self) -> str:
        """HydroFrame's name of the lattice."""
        return self.parent.name.lower()

    @property
    def top(self) -> int:
        """Index of the top layer; ParFlow counts from the bottom."""
        return self.layers - 1


_TERRAIN = {
    "elevation": "elevation",
    "slope_x": "slope_x",
    "slope_y": "slope_y",
    "indicator": "pf_indicator",
    "land_cover": "veg_type_IGBP",
}
_SOIL = {name: name for name in ("porosity", "permeability", "van_genuchten_alpha", "van_genuchten_n")}
RUNS: dict[str, Run] = {
    run.dataset: run
    for run in (
        Run(
            dataset="conus1_baseline_mod",
            parent=CONUS1,
            layers=5,
            hourly=True,
            first=dt.date(2002, 10, 1),
            last=dt.date(2006, 9, 30),
            domain="conus1_domain",
            forcing="NLDAS2",
            statics=_TERRAIN | _SOIL,
            by_table=False,
            title="ParFlow-CLM CONUS1 baseline (modern), HydroFrame",
        ),
        Run(
            dataset="conus2_baseline",
            parent=CONUS2,
            layers=10,
            hourly=True,
            first=dt.date(2002, 10, 1),
            last=None,
            domain="conus2_domain",
            forcing="CW3E",
            statics=_TERRAIN,
            by_table=True,
            title="ParFlow-CLM CONUS2 baseline, HydroFrame",
        ),
        Run(
            dataset="conus2_current_conditions",
            parent=CONUS2,
            layers=10,
            hourly=False,
            first=dt.date(2023, 8, 1),
            last=None,
            domain="conus2_domain",
            forcing="CW3E",
            statics=_TERRAIN,
            by_table=True,
            title="CONUS2 current conditions, HydroFrame",
        ),
        # Added to the catalogue on 2026-08-06 (hf_hydrodata pull 273: hourly, all layers); never fetched from here.
        Run(
            dataset="ucrb_baseline",
            parent=CONUS2,
            layers=10,
            hourly=True,
            first=dt.date(1979, 10, 1),
            last=dt.date(2024, 9, 30),
            domain="conus2_domain",
            forcing="CW3E",
            statics=_TERRAIN,
            by_table=True,
            title="ParFlow-CLM Upper Colorado baseline (a part of CONUS2), HydroFrame",
        ),
    )
}


def run_of(dataset: str | None) -> Run:
    """The run of that name; raises ConfigError when there is none."""
    if dataset not in RUNS:
        raise ConfigError("No HydroFrame run is given", value=dataset, allowed=RUNS)
    return RUNS[dataset]
