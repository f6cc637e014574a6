"""The prior run's files: ``daily.nc``, ``static.nc``, the newest ``.pfb`` states, ``prior.toml``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from downscaler.ground.lattice import IJWindow, Lattice
from downscaler.simulation.files.prior import (
    PREFIX,
    THICKNESS,
    DailyFile,
    StaticFile,
    write_description,
    write_state,
)
from downscaler.simulation.soils import BEDROCK, soil_property

_PFB_BYTES = 80e6  # room for the states
_LEAST_DAYS = 10
Rasters = Mapping[str, NDArray[Any]]  # those of a landscape by name


def states_kept(lattice: Lattice, days: int) -> int:
    """How many of the newest days are written as ``.pfb`` states."""
    room = int(_PFB_BYTES // (8 * len(THICKNESS) * lattice.shape.x * lattice.shape.y))
    return min(days, max(room, _LEAST_DAYS))


class PriorWriter:
    """Writes a prior's folder window by window; as a context, it ends the files.

    Args:
        folder: where to.
        lattice: of the run.
        first: its first day.
        days: how many.
        edge: cells along an edge of the blocks that the files are kept in.
    """

    def __init__(self, folder: Path, lattice: Lattice, first: dt.date, days: int, edge: int) -> None:
        self._folder, self._lattice, self._end = folder, lattice, first + dt.timedelta(days=days)
        self._daily = DailyFile(folder / "daily.nc", lattice, first, days, edge)
        self._static = StaticFile(folder / "static.nc", lattice, edge)

    def __enter__(self) -> PriorWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._daily.close()
        self._static.close()

    def add(self, window: IJWindow, land: Rasters, days: NDArray[np.float32]) -> None:
        """A window's land and its days [day, field, j, i]: soil moisture (m3 m-3), rain (mm), air temperature (K)."""
        self._daily.put(window, days, land["active"])
        flat = {
            "elevation": land["elevation"],
            "slope_x": land["slope_x"],
            "slope_y": land["slope_y"],
            "mask": land["active"],
            "landcover": land["land_cover"],
            "sand_fraction": land["sand"],
            "clay_fraction": land["clay"],
        }
        self._static.put(window, {**flat, **layered(land)})

    def add_states(self, land: Rasters, states: NDArray[np.float32]) -> None:
        """The whole lattice's newest days as ``.pfb`` saturations [day, layer, j, i], with their ``prior.toml``."""
        layers = layered(land)
        fields = {
            "porosity": layers["porosity"],
            "permeability": layers["permeability"],
            "indicator": layers["indicator"],
            "residual_saturation": layers["vg_sres"],
            "van_genuchten_alpha": layers["vg_alpha"],
            "van_genuchten_n": layers["vg_n"],
            "elevation": land["elevation"],
            "slope_x": land["slope_x"],
            "slope_y": land["slope_y"],
            "land_cover": land["land_cover"],
            "mask": land["active"],
        }
        everywhere, names = np.ones(land["active"].shape, bool), {"saturation": f"{PREFIX}.out.satur.*.pfb"}
        for key, values in fields.items():
            names[key] = f"{PREFIX}.out.{key}.pfb"
            active = everywhere if key in ("mask", "elevation", "slope_x", "slope_y") else land["active"]
            write_state(self._folder / names[key], values.astype(np.float64), active)
        for number, state in enumerate(states):
            path = self._folder / f"{PREFIX}.out.satur.{number:05d}.pfb"
            write_state(path, state, land["active"], processes=2 if number % 2 else 1)
        noon = dt.datetime.combine(self._end - dt.timedelta(days=len(states)), dt.time(12), tzinfo=dt.UTC)
        write_description(self._folder / "prior.toml", self._lattice, noon, names)


def layered(land: Rasters) -> dict[str, NDArray[np.generic]]:
    """Static fields on the five layers, [z, y, x] bottom first: the top's soil down to 2 m, rock below."""
    units = land["indicator"]
    indicator = np.stack([np.full_like(units, BEDROCK), *[units] * (len(THICKNESS) - 1)])
    porosity = soil_property(indicator, "porosity")
    return {
        "indicator": indicator,
        "porosity": porosity,
        "permeability": soil_property(indicator, "permeability"),
        "vg_alpha": soil_property(indicator, "van_genuchten_alpha"),
        "vg_n": soil_property(indicator, "van_genuchten_n"),
        "vg_sres": soil_property(indicator, "residual") / porosity,
    }
