"""What was learned of the root zone as one HDF5 file: fields on a domain's cells, and what they were learned from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

import downscaler
from downscaler import product
from downscaler.errors import BROKEN, PriorCoverageError, RootZoneError
from downscaler.ground.grid import Domain, Window, domain_attributes, domain_of
from downscaler.parts import alone, replacing
from downscaler.records import InputRecord

KIND = "vadose-rootzone"
REMEDY = "Learn it again: vadose rootzone learn."
_CHUNK = 72
Fields = Mapping[str, NDArray[np.float32]]


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

    def window(self, domain: Domain, local: Window) -> dict[str, NDArray[np.float64]]:
        """All fields of an M01 window counted from a domain's corner, by name; NaN where nothing was learned.

        Raises RootZoneError where the file is damaged.
        """
        origin = domain.window().relative_to(self.domain.window())
        place = (
            local.rows.shifted(origin.rows.start).slice,
            local.columns.shifted(origin.columns.start).slice,
        )
        try:
            with h5py.File(self.path) as file:
                return {name: file[name][(..., *place)].astype(np.float64) for name in file}
        except BROKEN as error:
            raise RootZoneError(
                "The state of the root zone is damaged", value=f"{self.path}: {error}", remedy=REMEDY
            ) from error


def open_root_zone(path: Path) -> RootZone:
    """Open a learned state; raises RootZoneError where there is none, or it is damaged."""
    try:
        with h5py.File(path) as file:
            told = json.loads(file.attrs["vadose"])
            domain = domain_of(told)
            whole = all(file[name].shape[-2:] == (domain.shape().y, domain.shape().x) for name in told["fields"])
    except BROKEN as error:
        raise RootZoneError("There is no state of the root zone", value=f"{path}: {error}", remedy=REMEDY) from error
    if told.get("kind") != KIND or not whole:
        raise RootZoneError("The file is no whole state of the root zone", value=path, remedy=REMEDY)
    return RootZone(path=Path(path), domain=domain, attributes=told)


def write_root_zone(out: Path, domain: Domain, tiles: Iterable[tuple[Window, Fields]], told: Mapping[str, Any]) -> None:
    """Write a state; whole or not at all.

    Args:
        out: the file; an older one is replaced once the new one is whole.
        domain: of the cells.
        tiles: M01 windows counted from the domain's corner with their fields [..., y, x], each of the same names.
        told: what it was learned from.

    Raises:
        OutputError: the output is a folder, or may not be written.
        BusyError: another process is writing it.
        StorageFullError: no room.
    """
    out = Path(out)
    with replacing(out, "the root zone") as staging, alone(out), h5py.File(staging, "w") as file:
        digest = _fill(file, domain, tiles)
        whole = {"kind": KIND, "domain": domain_attributes(domain), "fields": sorted(file), "digest": digest}
        version = {"vadose_version": downscaler.__version__}
        file.attrs["vadose"] = json.dumps(dict(told) | whole | version)


def _fill(file: h5py.File, domain: Domain, tiles: Iterable[tuple[Window, Fields]]) -> str:
    """Put all tiles into a file; the digest of their numbers."""
    shape, digest = domain.shape(), hashlib.sha256()
    for tile, fields in tiles:
        for name, values in fields.items():
            if name not in file:
                lead = values.shape[:-2]
                file.create_dataset(
                    name,
                    (*lead, shape.y, shape.x),
                    np.float32,
                    chunks=(*(1,) * len(lead), min(_CHUNK, shape.y), min(_CHUNK, shape.x)),
                    fillvalue=np.nan,
                    compression="gzip",
                    shuffle=True,
                )
            file[name][(..., *tile.index)] = values
            digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
