"""Learning the root zone from a prior's own layers, and reading what was learned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from downscaler.derived.profile import LAYERS, LEAST_DAYS, Profile, learn_profile
from downscaler.derived.rootzone import SCALES, WINDOW, filters
from downscaler.errors import RootZoneError
from downscaler.ground.grid import Domain, Window
from downscaler.ground.prior import Prior
from downscaler.stores.learned import ROOT_ZONE, Learned, facts_of, open_state, write_state

SOIL = ("porosity", "residual", "van_genuchten_alpha", "van_genuchten_n")
BELOW = ("soil_moisture_layer2", "soil_moisture_layer3")
_CELLS = 2  # M36 cells a side that are learned at once: a record of ten years fits into memory
_FIELDS = {"weights": (len(LAYERS), 1 + len(SCALES)), "errors": (len(LAYERS),), "root": (), **dict.fromkeys(SOIL, ())}
Progress = Callable[[int, int], None]


def open_learned(path: Path) -> Learned:
    """A learned state that this version can use; raises RootZoneError where it is none."""
    found = open_state(path, ROOT_ZONE)
    told = found.attributes
    if (told.get("scales"), told.get("window")) != (list(SCALES), WINDOW) or set(told["fields"]) != set(_FIELDS):
        raise RootZoneError("The state of the root zone is of another version", value=path, remedy=ROOT_ZONE.remedy)
    return found


def read_learned(state: Learned, domain: Domain, local: Window) -> tuple[Profile, dict[str, NDArray[np.float64]]]:
    """Profile and soil of an M01 window counted from a domain's corner; NaN where nothing was learned.

    Raises RootZoneError where the file is damaged.
    """
    found = state.window(domain, local)
    profile = Profile(weights=found["weights"], errors=found["errors"], root=found["root"])
    return profile, {name: found[name] for name in SOIL}


def learn_root_zone(prior: Prior, out: Path, *, progress: Progress | None = None) -> Learned:
    """Learn the layers below the surface from a prior's own, cell by cell, and write the state; whole or not at all.

    The error of a cell is stretched as the cells of its tile, two SMAP cells a side, ask for together.

    Args:
        prior: with the layers ``BELOW``.
        out: the file; an older one is replaced once the new one is whole.
        progress: called with (tiles done, tiles in all).

    Raises:
        RootZoneError: the prior lacks the layers, or has too few days.
        BusyError: another process is writing it.
        StorageFullError: no room.
    """
    lacking = [name for name in BELOW if name not in prior.data]
    days = int(prior.data.sizes["time"])
    if lacking or days < LEAST_DAYS:
        without = f", without {', '.join(lacking)}" if lacking else ""
        raise RootZoneError(
            "The root zone cannot be learned from this prior",
            value=f"{prior.path}: {days} days{without}",
            allowed=f"{LEAST_DAYS} days or more with {' and '.join(BELOW)}",
            remedy="Build the prior from a run whose files have these layers: vadose prior build.",
        )
    told = {**facts_of(prior), "scales": list(SCALES), "window": WINDOW}
    write_state(out, ROOT_ZONE, prior.domain, _tiles(prior, progress), told)
    return open_learned(out)


def _tiles(prior: Prior, progress: Progress | None) -> Iterator[tuple[Window, dict[str, NDArray[np.float32]]]]:
    tiles = list(prior.domain.blocks(_CELLS))
    for done, tile in enumerate(tiles, start=1):
        yield tile, _tile(prior, tile)
        if progress is not None:
            progress(done, len(tiles))


def _tile(prior: Prior, tile: Window) -> dict[str, NDArray[np.float32]]:
    """All fields of one tile, NaN where the prior has no cell."""
    shape = (tile.shape.y, tile.shape.x)
    found = {name: np.full((*lead, *shape), np.nan, np.float32) for name, lead in _FIELDS.items()}
    data = prior.window(prior.domain, tile)
    with prior.reading(tile):
        active = data["active"].values.astype(bool)
        if not active.any():
            return found
        for name in SOIL:
            if name in data:
                found[name][active] = data[name].values[active]
        surface, *layers = (days_of_cells(data, name, active) for name in ("soil_moisture", *BELOW))
    whole = np.logical_and.reduce([np.isfinite(one).any(axis=0) for one in (surface, *layers)])
    if not whole.any():
        return found
    surface, layers = surface[:, whole], [layer[:, whole] for layer in layers]
    try:
        profile = learn_profile(filters(surface), surface, layers)
    except ValueError as error:
        raise RootZoneError("The root zone cannot be learned", value=f"{prior.path}: {error}") from error
    rows, columns = (place[whole] for place in np.nonzero(active))
    for name, values in (("weights", profile.weights), ("errors", profile.errors), ("root", profile.root)):
        found[name][..., rows, columns] = values
    return found


def days_of_cells(data: Any, name: str, active: NDArray[np.bool_]) -> NDArray[np.float64]:
    """A daily field of the active cells without gaps in days [day, cell]; NaN on days that the record lacks."""
    numbers = data["time"].values.astype("datetime64[D]").astype(np.int64)
    found = np.full((numbers[-1] - numbers[0] + 1, int(active.sum())), np.nan)
    found[numbers - numbers[0]] = data[name].values[:, active]
    return found
