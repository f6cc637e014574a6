"""The prior run's files, day by day: ``daily.nc``, ``static.nc``, the newest ``.pfb`` states, ``prior.toml``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from downscaler.ground.lattice import Lattice
from downscaler.simulation.files.prior import (
    PREFIX,
    THICKNESS,
    DailyFile,
    write_description,
    write_state,
    write_statics,
)
from downscaler.simulation.hydrology import Soil
from downscaler.simulation.landscape import Landscape
from downscaler.simulation.noise import Field
from downscaler.simulation.soils import BEDROCK, soil_property
from downscaler.simulation.weather import STEPS, Weather

_PFB_BYTES = 80e6  # room for the states
_LEAST_DAYS = 10
_NOON = STEPS // 2 - 1  # the step that ends at 12 UTC


class PriorWriter:
    """Writes a prior's folder; as a context, it ends ``daily.nc`` and describes the states at the end."""

    def __init__(self, folder: Path, lattice: Lattice, land: Landscape, first: dt.date, days: int) -> None:
        self._folder, self._lattice, self._land = folder, lattice, land
        self._daily = DailyFile(folder / "daily.nc", lattice, first, land.active)
        room = int(_PFB_BYTES // (8 * len(THICKNESS) * land.active.size))
        kept = min(days, max(room, _LEAST_DAYS))
        self._first_state = first + dt.timedelta(days=days - kept)
        self._write_statics()

    def __enter__(self) -> PriorWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._daily.close()

    def add(self, date: dt.date, moisture: Sequence[Field], root: Field, weather: Weather, soil: Soil) -> None:
        """Adds a day: surface soil moisture of its steps (m3 m-3), root zone saturation after it, weather."""
        mean = np.mean(np.stack(moisture), axis=0)
        self._daily.append(
            {
                "soil_moisture": mean,
                "precipitation": weather.rain.sum(axis=0),
                "air_temperature": weather.temperature,
            }
        )
        number = (date - self._first_state).days
        if number >= 0:
            path = self._folder / f"{PREFIX}.out.satur.{number:05d}.pfb"
            state = saturation(moisture[_NOON], root, soil)
            write_state(path, state, self._land.active, processes=2 if number % 2 else 1)

    def _write_statics(self) -> None:
        land, layers = self._land, layered(self._land)
        flat = {
            "elevation": land.elevation,
            "slope_x": land.slope_x,
            "slope_y": land.slope_y,
            "mask": land.active,
            "landcover": land.land_cover,
            "sand_fraction": land.sand,
            "clay_fraction": land.clay,
        }
        write_statics(self._folder / "static.nc", self._lattice, {**flat, **layers})
        names = {"saturation": f"{PREFIX}.out.satur.*.pfb"}
        states = {
            "porosity": layers["porosity"],
            "permeability": layers["permeability"],
            "indicator": layers["indicator"],
            "residual_saturation": layers["vg_sres"],
            "van_genuchten_alpha": layers["vg_alpha"],
            "van_genuchten_n": layers["vg_n"],
            "elevation": land.elevation,
            "slope_x": land.slope_x,
            "slope_y": land.slope_y,
            "land_cover": land.land_cover,
            "mask": land.active,
        }
        everywhere = np.ones(land.shape, bool)
        for key, values in states.items():
            names[key] = f"{PREFIX}.out.{key}.pfb"
            active = everywhere if key in ("mask", "elevation", "slope_x", "slope_y") else land.active
            write_state(self._folder / names[key], values.astype(np.float64), active)
        noon = dt.datetime.combine(self._first_state, dt.time(12), tzinfo=dt.UTC)
        write_description(self._folder / "prior.toml", self._lattice, noon, names)


def layered(land: Landscape) -> dict[str, NDArray[np.generic]]:
    """Static fields on the five layers, [z, y, x] bottom first: the top's soil down to 2 m, rock below."""
    indicator = np.stack([np.full_like(land.indicator, BEDROCK), *[land.indicator] * (len(THICKNESS) - 1)])
    porosity = soil_property(indicator, "porosity")
    return {
        "indicator": indicator,
        "porosity": porosity,
        "permeability": soil_property(indicator, "permeability"),
        "vg_alpha": soil_property(indicator, "van_genuchten_alpha"),
        "vg_n": soil_property(indicator, "van_genuchten_n"),
        "vg_sres": soil_property(indicator, "residual") / porosity,
    }


def saturation(moisture: Field, root: Field, soil: Soil) -> Field:
    """Saturation on the five layers, [z, y, x] bottom first, from two: the deepest is ground water."""
    top = moisture / soil.porosity
    below = (soil.residual + root * (soil.porosity - soil.residual)) / soil.porosity
    drained = (soil.residual + soil.drained * (soil.porosity - soil.residual)) / soil.porosity
    return np.stack([np.ones_like(top), 0.5 * (below + drained), below, 0.35 * top + 0.65 * below, top])
