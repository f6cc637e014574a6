"""What was learned of the root zone as one HDF5 file: weights and errors of every cell, and its soil."""

from __future__ import annotations

import errno
import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

import downscaler
from downscaler import product
from downscaler.derived.profile import LAYERS, LEAST_DAYS, Profile, learn_profile
from downscaler.derived.rootzone import SCALES, WINDOW, filters
from downscaler.errors import BROKEN, PriorCoverageError, RootZoneError, StorageFullError
from downscaler.ground.grid import Domain, Window, domain_attributes, domain_of
from downscaler.ground.prior import Prior
from downscaler.parts import alone
from downscaler.records import InputRecord

KIND = "vadose-rootzone"
SOIL = ("porosity", "residual", "van_genuchten_alpha", "van_genuchten_n")
BELOW = ("soil_moisture_layer2", "soil_moisture_layer3")
_REMEDY = "Learn it again: vadose rootzone learn."
_CHUNK = 72
_CELLS = 2  # M36 cells a side that are learned at once: a record of ten years fits into memory
_FIELDS = {"weights": (len(LAYERS), 1 + len(SCALES)), "errors": (len(LAYERS),), "root": (), **dict.fromkeys(SOIL, ())}
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class RootZone:
    """A learned state, opened by ``open_root_zone``; what is asked for is read from disk."""

    path: Path
    domain: Domain
    attributes: Mapping[str, Any] = field(repr=False)

    @property
    def simulated(self) -> bool:
        """Whether the prior that it was learned from says that it is a simulated sample."""
        return bool(self.attributes["simulated"])

    def record(self) -> InputRecord:
        """The state as an input; ``sha256`` is of its numbers."""
        told = ("prior", "period", "days", "scales", "window", "notes")
        return InputRecord(
            kind="rootzone",
            name=self.path.name,
            version=product.SCHEMA_VERSION,
            sha256=str(self.attributes["digest"]),
            size=self.path.stat().st_size,
            title=f"Root zone learned from {self.attributes['title']}",
            attributes={name: self.attributes[name] for name in told},
        )

    def require(self, domain: Domain) -> None:
        """Raise PriorCoverageError unless the state covers a domain."""
        if not self.domain.holds(domain):
            raise PriorCoverageError(
                f"The state of the root zone does not cover the domain {domain.name!r}",
                value=f"{self.path}: of {self.domain.name!r}",
                remedy="Learn one from a prior that does: vadose rootzone learn.",
            )

    def window(self, domain: Domain, local: Window) -> tuple[Profile, dict[str, NDArray[np.float64]]]:
        """Profile and soil of an M01 window counted from a domain's corner; NaN where nothing was learned.

        Raises RootZoneError where the file is damaged.
        """
        origin = domain.window().relative_to(self.domain.window())
        place = (
            local.rows.shifted(origin.rows.start).slice,
            local.columns.shifted(origin.columns.start).slice,
        )
        try:
            with h5py.File(self.path) as file:
                found = {name: file[name][(..., *place)].astype(np.float64) for name in _FIELDS}
        except BROKEN as error:
            raise RootZoneError(
                "The state of the root zone is damaged", value=f"{self.path}: {error}", remedy=_REMEDY
            ) from error
        profile = Profile(weights=found["weights"], errors=found["errors"], root=found["root"])
        return profile, {name: found[name] for name in SOIL}


def open_root_zone(path: Path) -> RootZone:
    """Open a learned state; raises RootZoneError where there is none, or it is damaged or of another version."""
    try:
        with h5py.File(path) as file:
            told = json.loads(file.attrs["vadose"])
            whole = {name: file[name].shape for name in _FIELDS}
    except BROKEN as error:
        raise RootZoneError("There is no state of the root zone", value=f"{path}: {error}", remedy=_REMEDY) from error
    if told.get("kind") != KIND or (told["scales"], told["window"]) != (list(SCALES), WINDOW) or not whole:
        raise RootZoneError("The state of the root zone is of another version", value=path, remedy=_REMEDY)
    return RootZone(path=Path(path), domain=domain_of(told), attributes=told)


def learn_root_zone(prior: Prior, out: Path, *, progress: Progress | None = None) -> RootZone:
    """Learn the layers below the surface from a prior's own, cell by cell, and write the state; whole or not at all.

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
        raise RootZoneError(
            "The root zone cannot be learned from this prior",
            value=f"{prior.path}: {days} days, without {', '.join(lacking)}"
            if lacking
            else f"{prior.path}: {days} days",
            allowed=f"{LEAST_DAYS} days or more with {' and '.join(BELOW)}",
            remedy="Build the prior from a run whose files have these layers: vadose prior build.",
        )
    out = Path(out)
    if out.is_dir():
        raise RootZoneError("The output is a folder", value=out, allowed="a file, such as rootzone.h5")
    out.parent.mkdir(parents=True, exist_ok=True)
    staging = out.parent / f".{out.name}.{uuid.uuid4().hex[:8]}.partial"
    with alone(out):
        try:
            with h5py.File(staging, "w") as file:
                _fill(file, prior, progress)
            staging.replace(out)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFullError("The disk filled up while writing the root zone", value=out) from error
            raise
        finally:
            staging.unlink(missing_ok=True)
    return open_root_zone(out)


def _fill(file: h5py.File, prior: Prior, progress: Progress | None) -> None:
    """All tiles of the prior's domain, and what the state was learned from."""
    shape, digest = prior.domain.shape(), hashlib.sha256()
    chunk = (min(_CHUNK, shape.y), min(_CHUNK, shape.x))
    for name, lead in _FIELDS.items():
        whole, chunks = (*lead, shape.y, shape.x), (*(1,) * len(lead), *chunk)
        file.create_dataset(name, whole, np.float32, chunks=chunks, fillvalue=np.nan, compression="gzip", shuffle=True)
    tiles = list(prior.domain.blocks(_CELLS))
    for done, tile in enumerate(tiles, start=1):
        for name, values in _tile(prior, tile).items():
            file[name][(..., *tile.index)] = values
            digest.update(np.ascontiguousarray(values).tobytes())
        if progress is not None:
            progress(done, len(tiles))
    told = {
        "kind": KIND,
        "title": prior.title,
        "domain": domain_attributes(prior.domain),
        "prior": str(prior.attributes["digest"]),
        "period": list(prior.attributes["period"]),
        "days": int(prior.attributes["days"]),
        "simulated": prior.simulated,
        "notes": list(prior.notes),
        "scales": list(SCALES),
        "window": WINDOW,
        "vadose_version": downscaler.__version__,
        "digest": digest.hexdigest(),
    }
    file.attrs["vadose"] = json.dumps(told)


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
        surface, *layers = (_days_of(data, name, active) for name in ("soil_moisture", *BELOW))
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


def _days_of(data: Any, name: str, active: NDArray[np.bool_]) -> NDArray[np.float64]:
    """A daily field of the active cells without gaps in days [day, cell]; NaN on days that the record lacks."""
    numbers = data["time"].values.astype("datetime64[D]").astype(np.int64)
    found = np.full((numbers[-1] - numbers[0] + 1, int(active.sum())), np.nan)
    found[numbers - numbers[0]] = data[name].values[:, active]
    return found
