"""SMAP's days as arrays that can be kept: what the analyses of later days draw on, without the granules' bytes."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from downscaler.errors import BROKEN
from downscaler.ground.coarse_day import CoarseDay, empty_day
from downscaler.ground.grid import M09, M36, Domain
from downscaler.records import InputRecord

_TOLD = "told"


def packed(day: CoarseDay) -> dict[str, NDArray[Any]]:
    """A day's fields by name, and its grid and inputs as JSON in bytes."""
    told = {"grid": day.grid.name, "simulated": day.simulated, "inputs": [asdict(record) for record in day.inputs]}
    fields = {str(name): field.values for name, field in day.data.items()}
    return {**fields, _TOLD: np.frombuffer(json.dumps(told).encode(), np.uint8)}


def unpacked(arrays: Mapping[str, NDArray[Any]], date: dt.date, domain: Domain) -> CoarseDay | None:
    """The inverse of ``packed``, attributes of the fields aside; None where the arrays are not of such a day."""
    try:
        told = json.loads(arrays[_TOLD].tobytes())
        day = empty_day(date, domain, {grid.name: grid for grid in (M09, M36)}[told["grid"]])
        fields = {str(name): arrays[str(name)] for name in day.data}
        if any(field.shape != day.data[name].shape for name, field in fields.items()):
            return None
        inputs = tuple(InputRecord(**record) for record in told["inputs"])
        data = day.data.assign({name: (("y", "x"), field) for name, field in fields.items()})
        return replace(day, data=data, inputs=inputs, simulated=bool(told["simulated"]))
    except BROKEN:
        return None
