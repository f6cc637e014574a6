"""A ParFlow-CLM record on a domain's product grid."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from downscaler.errors import BROKEN, PriorCoverageError, PriorUnreadableError, VadoseError
from downscaler.ground.grid import M01, Domain, Span, Window
from downscaler.records import InputRecord


@dataclass(frozen=True)
class Prior:
    """A prior store, opened lazily by ``stores.prior.open_prior``; ``data`` reads from disk what is indexed."""

    path: Path
    data: xr.Dataset
    domain: Domain
    attributes: Mapping[str, Any] = field(repr=False)
    _active: dict[Window, NDArray[np.bool_]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def title(self) -> str:
        """What run this is."""
        return str(self.attributes["title"])

    @property
    def simulated(self) -> bool:
        """True where the run says that it is a simulated sample."""
        return bool(self.attributes["simulated"])

    @property
    def lattice(self) -> str:
        """Name of the model lattice it came from."""
        return str(self.attributes["lattice"])

    @property
    def period(self) -> tuple[dt.date, dt.date]:
        """First and last day with data (days between may lack)."""
        first, last = self.attributes["period"]
        return dt.date.fromisoformat(first), dt.date.fromisoformat(last)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user has to know of the run."""
        return tuple(self.attributes["notes"])

    def record(self) -> InputRecord:
        """The prior as an input of a product; ``sha256`` is of the stored numbers, not of their packing."""
        first, last = self.attributes["period"]
        return InputRecord(
            kind="prior",
            name=self.path.name,
            version=str(self.attributes["schema_version"]),
            sha256=str(self.attributes["digest"]),
            size=int(self.attributes["bytes"]),
            title=self.title,
            attributes={
                "model": self.attributes["model"],
                "lattice": self.lattice,
                "registration": self.attributes["registration"],
                "period": f"{first}/{last}",
                "days": self.attributes["days"],
                "simulated": self.simulated,
                "notes": list(self.notes),
                "sources": list(self.attributes["inputs"]),
            },
        )

    def require(self, domain: Domain) -> None:
        """Raise PriorCoverageError unless the prior covers the domain and has active cells in it."""
        if not self.domain.holds(domain):
            raise PriorCoverageError(
                f"The prior {self.path} does not cover the domain {domain.name!r}",
                value=f"prior of {self.domain.name!r}: {_extent(self.domain)}",
                allowed=f"a prior that holds {_extent(domain)}",
                remedy=f"Build one with: vadose prior build --domain {domain.name} ...",
            )
        if not self.active(domain).any():
            raise PriorCoverageError(
                f"The prior {self.path} has no active cell in the domain {domain.name!r}",
                value=_extent(domain),
                remedy="Choose a domain inside the model's land mask.",
            )

    def active(self, domain: Domain) -> NDArray[np.bool_]:
        """Cells of a domain with a record [y, x]; read once."""
        if domain.m36 not in self._active:
            rows, columns = (Span(start=0, stop=size) for size in (domain.shape(M01).y, domain.shape(M01).x))
            whole = self.window(domain, Window(rows=rows, columns=columns), ("active",))
            self._active[domain.m36] = whole["active"].values.astype(bool)
        return self._active[domain.m36]

    @contextmanager
    def reading(self, window: Window) -> Iterator[None]:
        """Reading what lies in a window; raises PriorUnreadableError that names it where a block is damaged."""
        try:
            yield
        except VadoseError:
            raise
        except BROKEN as error:
            if not isinstance(error, OSError) and not _of_codec(error):
                raise
            rows, columns = window.rows, window.columns
            raise PriorUnreadableError(
                "A block of the prior store is damaged",
                value=f"{self.path}, rows {rows.start}-{rows.stop}, columns {columns.start}-{columns.stop}: {error}",
                remedy="Copy it again or build it again: vadose prior build.",
            ) from error

    def window(self, domain: Domain, local: Window, names: Sequence[str] | None = None) -> xr.Dataset:
        """The store on an M01 window counted from the upper left corner of ``domain``; lazy.

        With ``names`` of these variables alone, those that there are.
        """
        origin = domain.window(M01).relative_to(self.domain.window(M01))
        rows, columns = local.rows.shifted(origin.rows.start), local.columns.shifted(origin.columns.start)
        data = self.data if names is None else self.data[[name for name in names if name in self.data]]
        return data.isel(Window(rows=rows, columns=columns).slices)


_NEAR = 8  # days apart that are read in one piece: a store reads pieces six times as fast as lists of days


def read_days(field: xr.DataArray, at: NDArray[np.intp]) -> NDArray[Any]:
    """A daily field at positions in time [n, y, x], read in pieces."""
    places = np.asarray(at, dtype=np.intp)
    pieces = []
    for piece in np.split(places, np.flatnonzero(np.abs(np.diff(places)) > _NEAR) + 1):
        first, last = (int(piece.min()), int(piece.max()) + 1) if len(piece) else (0, 0)
        values = field.isel(time=slice(first, last)).values
        whole = len(values) == len(piece) and bool((np.diff(piece) == 1).all())
        pieces.append(values if whole else values[piece - first])
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _of_codec(error: Exception) -> bool:
    """Whether an error comes out of the store's reading, not out of what is computed with it."""
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_globals.get("__name__", "").split(".")[0] in ("zarr", "numcodecs"):
            return True
        step = step.tb_next
    return False


def _extent(domain: Domain) -> str:
    m36 = domain.m36
    return f"M36 rows {m36.rows.start}-{m36.rows.stop}, columns {m36.columns.start}-{m36.columns.stop}"
