"""Describes a SMAP granule and counts its cells, for ``vadose info``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from downscaler.ground.grid import EaseGrid
from downscaler.sources.smap.composite import NAMES
from downscaler.sources.smap.flags import recommended
from downscaler.sources.smap.granule import Granule, open_granules, opened
from downscaler.sources.smap.layout import Group, find
from downscaler.sources.smap.placement import latitudes, longitudes, place, whole
from downscaler.sources.smap.retrievals import values, words
from downscaler.sources.smap.search import granule_files, identify

CONUS_BOX = {"west": -125.0, "south": 25.0, "east": -67.0, "north": 50.0}
"""Degrees; the box in which retrievals over the contiguous USA are counted."""


def describe(path: Path) -> dict[str, Any]:
    """Identity, layout and counts of a granule, ready for JSON.

    ``cells`` the cells of the file's arrays, ``valid`` those with a soil moisture value in any group whatever its
    flags, ``recommended`` those that may be used; ``conus_`` the same for cells whose centre lies in ``CONUS_BOX``;
    ``overpasses`` the counts of each group. Of a stack of days the counts are of the first, and ``days`` says how many
    there are. Raises the errors of ``open_granule`` and GranuleGridError.
    """
    granules = open_granules(Path(path))
    granule = granules[0]
    with opened(granule.path) as file:
        groups = [_cells(file, granule, group) for group in granule.groups]
        cells = max(int(find(file, group, "soil_moisture").size) for group in granule.groups)
    valid, good = (np.logical_or.reduce([g[i] for g in groups]) for i in (0, 1))
    conus = _conus(granule.grid)
    observed = [moment.isoformat() for moment in granule.observed] if granule.observed else [None, None]
    return {
        "kind": "granule",
        "short_name": granule.name.short_name,
        "version": granule.collection_version,
        "crid": granule.name.crid,
        "counter": granule.name.counter,
        "date": granule.name.date.isoformat(),
        **({"days": len(granules), "last": granules[-1].name.date.isoformat()} if len(granules) > 1 else {}),
        "grid": granule.grid.name,
        "layout": granule.layout,
        "cells": cells,
        "valid": int(valid.sum()),
        "recommended": int(good.sum()),
        "conus_valid": int((valid & conus).sum()),
        "conus_recommended": int((good & conus).sum()),
        "overpasses": {
            NAMES[group.overpass]: {"valid": int(counts[0].sum()), "recommended": int(counts[1].sum())}
            for group, counts in zip(granule.groups, groups, strict=True)
        },
        "observed_start": observed[0],
        "observed_end": observed[1],
        "simulated": granule.simulated,
    }


def describe_granules(folder: Path) -> dict[str, Any]:
    """What granules lie below a folder: files and days of each product, and the files that are none."""
    files = granule_files(Path(folder))
    named = {path: identify(path) for path in files}
    days: dict[str, set[str]] = {}
    for names in named.values():
        for name in names:
            days.setdefault(name.short_name, set()).add(name.date.isoformat())
    return {
        "kind": "granules",
        "name": Path(folder).name,
        "files": len(files),
        "products": {product: len(found) for product, found in sorted(days.items())},
        "period": [min(min(d) for d in days.values()), max(max(d) for d in days.values())] if days else None,
        "files_not_read": [path.name for path, names in named.items() if not names],
    }


def _cells(file: Any, granule: Granule, group: Group) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Cells of the whole grid with a value, and those recommended."""
    placement = place(file, granule, group, whole(granule.grid))
    value, valid = values(file, granule, group, placement)
    qual = words(file, granule, group, placement, "retrieval_qual_flag")
    return np.isfinite(value), recommended(qual, value, valid_min=valid[0], valid_max=valid[1])


def _conus(grid: EaseGrid) -> NDArray[np.bool_]:
    """Cells of the whole grid whose centre lies in the box."""
    lat, lon = latitudes(grid, whole(grid)), longitudes(grid, whole(grid))
    rows = (lat >= CONUS_BOX["south"]) & (lat <= CONUS_BOX["north"])
    columns = (lon >= CONUS_BOX["west"]) & (lon <= CONUS_BOX["east"])
    return np.asarray(rows[:, None] & columns[None, :])
