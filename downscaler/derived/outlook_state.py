"""Learning the outlook from a prior's record, and reading what was learned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from downscaler.derived.learned import days_of_cells
from downscaler.derived.outlook import LEADS, LEAST_DAYS, Fading, angles_of, learn_fading
from downscaler.errors import OutlookError
from downscaler.ground.grid import Domain, Window
from downscaler.ground.prior import Prior
from downscaler.stores.learned import OUTLOOK, Learned, facts_of, open_state, write_state

_CELLS = 2  # M36 cells a side that are learned, and judged, at once
_FIELDS = {"level": (), "wave": (2,), **dict.fromkeys(("left", "errors", "given"), (len(LEADS),))}
Progress = Callable[[int, int], None]


def open_outlook(path: Path) -> Learned:
    """A learned state that this version can use; raises OutlookError where it is none."""
    found = open_state(path, OUTLOOK)
    told = found.attributes
    if told.get("leads") != list(LEADS) or set(told["fields"]) != set(_FIELDS):
        raise OutlookError("The state of the outlook is of another version", value=path, remedy=OUTLOOK.remedy)
    return found


def read_outlook(state: Learned, domain: Domain, local: Window) -> Fading:
    """What was learned of an M01 window counted from a domain's corner; NaN where nothing was.

    Raises OutlookError where the file is damaged.
    """
    return Fading(**state.window(domain, local))


def learn_outlook(prior: Prior, out: Path, *, progress: Progress | None = None) -> Learned:
    """Learn how departures from climatology fade in a prior, cell by cell, and write the state; whole or not at all.

    Leads are judged by tile, two SMAP cells a side: what persists in winter rain may not in a desert.

    Args:
        prior: with 200 days or more.
        out: the file; an older one is replaced once the new one is whole.
        progress: called with (tiles done, tiles in all).

    Raises:
        OutlookError: the prior has too few days, or nowhere a lead that beats persistence and climatology.
        BusyError: another process is writing it.
        StorageFullError: no room.
    """
    days = int(prior.data.sizes["time"])
    if days < LEAST_DAYS:
        raise OutlookError(
            "The outlook cannot be learned from this prior",
            value=f"{prior.path}: {days} days",
            allowed=f"{LEAST_DAYS} days or more",
            remedy="Build the prior from a longer run: vadose prior build.",
        )
    cells, given = [0], np.zeros(len(LEADS))

    def told() -> dict[str, Any]:
        if not given.any():
            raise OutlookError(
                "No lead beats persistence and climatology on the kept days of this prior", value=prior.path
            )
        return {
            **facts_of(prior),
            "leads": list(LEADS),
            "given_share": [round(float(share), 4) for share in given / max(cells[0], 1)],
        }

    def tiles() -> Iterator[tuple[Window, dict[str, NDArray[np.float32]]]]:
        parts = list(prior.domain.blocks(_CELLS))
        for done, tile in enumerate(parts, start=1):
            found = _tile(prior, tile)
            known = np.isfinite(found["level"])
            cells[0] += int(known.sum())
            given[:] += (found["given"][:, known] > 0).sum(axis=1)
            yield tile, found
            if progress is not None:
                progress(done, len(parts))

    write_state(out, OUTLOOK, prior.domain, tiles(), told)
    return open_outlook(out)


def _tile(prior: Prior, tile: Window) -> dict[str, NDArray[np.float32]]:
    """All fields of one tile, NaN where the prior has no cell."""
    shape = (tile.shape.y, tile.shape.x)
    found = {name: np.full((*lead, *shape), np.nan, np.float32) for name, lead in _FIELDS.items()}
    data = prior.window(prior.domain, tile)
    with prior.reading(tile):
        active = data["active"].values.astype(bool)
        if not active.any():
            return found
        surface = days_of_cells(data, "soil_moisture", active)
        first = data["time"].values.astype("datetime64[D]")[0]
    whole = np.isfinite(surface).any(axis=0)
    if not whole.any():
        return found
    dates = first + np.arange(len(surface)).astype("timedelta64[D]")
    of_year = (dates - dates.astype("datetime64[Y]").astype("datetime64[D]")).astype(int) + 1
    try:
        fading = learn_fading(surface[:, whole], angles_of(of_year))
    except ValueError as error:
        raise OutlookError("The outlook cannot be learned", value=f"{prior.path}: {error}") from error
    rows, columns = (place[whole] for place in np.nonzero(active))
    for name in _FIELDS:
        found[name][..., rows, columns] = getattr(fading, name)
    return found
