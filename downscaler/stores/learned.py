"""What was learned from a prior as one HDF5 file: fields on a domain's cells, and what they were learned from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

import downscaler
from downscaler import product
from downscaler.errors import BROKEN, OutlookError, PriorCoverageError, RootZoneError, VadoseError
from downscaler.ground.grid import Domain, Window, domain_attributes, domain_of
from downscaler.ground.prior import Prior
from downscaler.parts import alone, replacing
from downscaler.records import InputRecord

_CHUNK = 72
_OF_THE_FILE = ("kind", "domain", "fields", "digest", "title", "simulated", "vadose_version")
Fields = Mapping[str, NDArray[np.float32]]
Told = Mapping[str, Any] | Callable[[], Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Form:
    """What kind of state a file holds: its name as an input, what it is of in words, and the error of a bad one."""

    name: str
    what: str
    error: type[VadoseError]

    @property
    def kind(self) -> str:
        """By which a file says what it is."""
        return f"vadose-{self.name}"

    @property
    def remedy(self) -> str:
        """What to do about a file that is of no use."""
        return f"Learn it again: vadose {self.name} learn."


def facts_of(prior: Prior) -> dict[str, Any]:
    """What a state tells of the prior that it was learned from."""
    return {
        "title": prior.title,
        "prior": str(prior.attributes["digest"]),
        "period": list(prior.attributes["period"]),
        "days": int(prior.attributes["days"]),
        "simulated": prior.simulated,
        "notes": list(prior.notes),
    }


ROOT_ZONE = Form(name="rootzone", what="the root zone", error=RootZoneError)
OUTLOOK = Form(name="outlook", what="the outlook", error=OutlookError)


@dataclass(frozen=True)
class Learned:
    """A learned state, opened by ``open_state``; what is asked for is read from disk."""

    form: Form
    path: Path
    domain: Domain
    attributes: Mapping[str, Any] = field(repr=False)

    @property
    def simulated(self) -> bool:
        """Whether the prior that it was learned from says that it is a simulated sample."""
        return bool(self.attributes["simulated"])

    def record(self) -> InputRecord:
        """The state as an input; ``sha256`` is of its numbers."""
        told = [name for name in self.attributes if name not in _OF_THE_FILE]
        return InputRecord(
            kind=self.form.name,
            name=self.path.name,
            version=product.SCHEMA_VERSION,
            sha256=str(self.attributes["digest"]),
            size=self.path.stat().st_size,
            title=f"State of {self.form.what}, learned from {self.attributes['title']}",
            attributes={name: self.attributes[name] for name in told},
        )

    def require(self, domain: Domain) -> None:
        """Raise PriorCoverageError unless the state covers a domain."""
        if not self.domain.holds(domain):
            raise PriorCoverageError(
                f"The state of {self.form.what} does not cover the domain {domain.name!r}",
                value=f"{self.path}: of {self.domain.name!r}",
                remedy=f"Learn one from a prior that does: vadose {self.form.name} learn.",
            )

    def window(self, domain: Domain, local: Window) -> dict[str, NDArray[np.float64]]:
        """All fields of an M01 window counted from a domain's corner, by name; NaN where nothing was learned.

        Raises the form's error where the file is damaged.
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
            raise self.form.error(
                f"The state of {self.form.what} is damaged", value=f"{self.path}: {error}", remedy=self.form.remedy
            ) from error


def open_state(path: Path, form: Form) -> Learned:
    """Open a learned state; raises the form's error where there is none, or it is damaged."""
    try:
        with h5py.File(path) as file:
            told = json.loads(file.attrs["vadose"])
            domain = domain_of(told)
            whole = all(file[name].shape[-2:] == (domain.shape().y, domain.shape().x) for name in told["fields"])
    except BROKEN as error:
        raise form.error(f"There is no state of {form.what}", value=f"{path}: {error}", remedy=form.remedy) from error
    if told.get("kind") != form.kind or not whole:
        raise form.error(f"The file is no whole state of {form.what}", value=path, remedy=form.remedy)
    return Learned(form=form, path=Path(path), domain=domain, attributes=told)


def write_state(out: Path, form: Form, domain: Domain, tiles: Iterable[tuple[Window, Fields]], told: Told) -> None:
    """Write a state; whole or not at all.

    Args:
        out: the file; an older one is replaced once the new one is whole.
        form: what it is of.
        domain: of the cells.
        tiles: M01 windows counted from the domain's corner with their fields [..., y, x], each of the same names.
        told: what it was learned from, or a function that gives it once all tiles were written.

    Raises:
        OutputError: the output is a folder, or may not be written.
        BusyError: another process is writing it.
        StorageFullError: no room.
    """
    out = Path(out)
    with replacing(out, form.what) as staging, alone(out), h5py.File(staging, "w") as file:
        digest = _fill(file, domain, tiles)
        whole = {"kind": form.kind, "domain": domain_attributes(domain), "fields": sorted(file), "digest": digest}
        version = {"vadose_version": downscaler.__version__}
        file.attrs["vadose"] = json.dumps(dict(told() if callable(told) else told) | whole | version)


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
