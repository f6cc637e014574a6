"""Daily and hourly series of HydroFrame's datasets on a block of a run's lattice, their shapes checked."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from downscaler.errors import AbsentDataError, PriorSchemaError
from downscaler.ground.lattice import IJWindow
from downscaler.sources.parflow.hydrodata import client, units
from downscaler.sources.parflow.hydrodata.datasets import Run
from downscaler.sources.parflow.hydrodata.files import Fields

Days = tuple[dt.date, dt.date]
_FORCING = (
    ("precipitation", "precipitation", "sum", units.check_precipitation),
    ("air_temperature", "air_temp", "mean", units.check_temperature),
)


def series(
    run: Run, options: dict[str, Any], days: Days, block: IJWindow, resolution: str, *, labelled: bool = True
) -> tuple[NDArray[np.float64], str]:
    """A variable's top layer from the first to the last day, [step, j, i], and its label.

    Raises AbsentDataError where HydroFrame has a part of the days only, PriorSchemaError for another shape.
    """
    asked = {
        **options,
        "temporal_resolution": resolution,
        "grid": run.grid,
        "date_start": days[0].isoformat(),
        "date_end": (days[1] + dt.timedelta(days=1)).isoformat(),  # exclusive
        "grid_bounds": list(block.bounds),
    }
    values = units.top_layer(client.array(asked), run.layers, leading=1)
    steps = ((days[1] - days[0]).days + 1) * (24 if resolution == "hourly" else 1)
    if values.shape[0] != steps:
        raise AbsentDataError(
            f"HydroFrame returned only a part of {days[0]:%Y-%m}", value=f"{values.shape[0]} steps", allowed=str(steps)
        )
    return shaped(values, (steps, *block.shape), options["variable"]), client.label(asked) if labelled else ""


def forcing_days(run: Run, days: Days, block: IJWindow) -> Fields:
    """The run's forcing: daily sums of precipitation (mm) and means of air temperature (K), [day, j, i]; as ``series``.

    The sums are asked for, not the hours: a twenty-fourth of the numbers.
    """
    fields: Fields = {}
    for name, variable, aggregation, check in _FORCING:
        options = {"dataset": run.forcing, "variable": variable, "aggregation": aggregation}
        values, label = series(run, options, days, block, "daily")
        fields[name] = check(values, label).astype(np.float32)
    return fields


def shaped(values: NDArray[np.float64], shape: tuple[int, ...], name: str) -> NDArray[np.float64]:
    """The values; raises PriorSchemaError where they have another shape than was asked for."""
    if values.shape != shape:
        raise PriorSchemaError(f"{name} has another shape than requested", value=values.shape, allowed=shape)
    return values
