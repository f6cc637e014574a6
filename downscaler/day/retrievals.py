"""The error of a day's retrievals: stated by SMAP, found in its own pass or nominal, and how that is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from downscaler.day.inputs import Inputs
from downscaler.day.reading import Reading
from downscaler.day.record import is_modelled
from downscaler.ground.blocks import Floats
from downscaler.ground.coarse_day import CoarseDay
from downscaler.method.coarse.sensor import PassError
from downscaler.method.hybrid import DEFAULT_ERROR
from downscaler.method.tile.levels import with_error
from downscaler.method.tile.predict import Keeping
from downscaler.product import SMAP_ERROR


def with_told_error(
    reading: Reading, inputs: Inputs, keeping: Keeping | None = None
) -> tuple[CoarseDay, Mapping[str, Any]]:
    """A day with the error of each retrieval where it is known, and what is to be told of it.

    The pixels are those of the day as it was read: ``predict`` would find the same.

    Returns:
        The day, and for provenance: ``product.SMAP_ERROR`` with median, minimum and maximum over the retrievals used,
        m3 m-3, and of how many the error is ``stated``, ``found`` in the pass or ``nominal``; where it was found the
        ``observation`` (footprint, error of a cell's mean, smooth share), ``footprint_share`` and
        ``departures_scale``, in the prior's climatology, as of an analysis. Of an analysis the median alone, of
        the passes of its window; empty without any retrieval, as where SMAP L4 stands in.
    """
    day = reading.day
    if "analysed" in day.data:
        return day, _of_window(reading, inputs)
    if is_modelled(day):  # no retrieval at all
        return day, {}
    memory = inputs.model.memory.get(day.grid.name)
    known, found = with_error(day, inputs.prior, memory, (keeping or Keeping()).land, inputs.matching)
    return known, _of_pass(day, known, found)


def _of_window(reading: Reading, inputs: Inputs) -> dict[str, Any]:
    day = reading.day
    if not (day.data["age_days"].values >= 0).any():
        return {}
    scale = float(np.nanmedian(inputs.matching.scale(day.date))) if inputs.matching else 1.0
    return {SMAP_ERROR.name: {"median": _short(scale * reading.analysis["observation"]["error"])}}


def _of_pass(day: CoarseDay, known: CoarseDay, found: PassError | None) -> dict[str, Any]:
    used = day.data["recommended"].values & np.isfinite(day.data["soil_moisture"].values)
    if not used.any():
        return {}
    stated, error = (_positive(each.data["soil_moisture_error"].values[used]) for each in (day, known))
    by_smap = int(np.isfinite(stated).sum())
    of_pass = int(np.isfinite(error).sum()) - by_smap if found is not None and found.found else 0
    error = np.where(np.isfinite(error), error, DEFAULT_ERROR)
    sizes = {"median": np.median(error), "minimum": error.min(), "maximum": error.max()}
    told: dict[str, Any] = {name: _short(size) for name, size in sizes.items()}
    told |= {"stated": by_smap, "found": of_pass, "nominal": int(used.sum()) - by_smap - of_pass}
    if not of_pass or found is None:
        return {SMAP_ERROR.name: told}
    return {
        SMAP_ERROR.name: told,
        "observation": {name: value for name, value in found.observation.as_dict().items() if name != "revisit"},
        "footprint_share": found.sensor.level,
        "departures_scale": found.scale,
    }


def _positive(error: Floats) -> Floats:
    return np.where(np.isfinite(error) & (error > 0), error, np.nan)


def _short(size: float) -> float:
    """Three digits, however small: what is positive stays so."""
    return float(f"{size:.3g}")
