"""Common interface of all readers of ParFlow-CLM output: days and static fields on the model's lattice."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from downscaler.ground.lattice import IJWindow, Lattice
from downscaler.records import file_input
from downscaler.sources.parflow.names import BELOW

DAILY_NAMES = ("soil_moisture", *BELOW, "precipitation", "air_temperature")


@dataclass(frozen=True, kw_only=True)
class SourceInfo:
    """Description of a run; ``notes`` are sentences for the user."""

    title: str
    model: str = "ParFlow-CLM"
    simulated: bool = False
    notes: tuple[str, ...] = ()
    inputs: tuple[Mapping[str, Any], ...] = field(default_factory=tuple)


class PriorSource(Protocol):
    """A ParFlow-CLM run in some file format.

    ``days`` are the UTC days with soil moisture, ascending; ``daily`` names the fields of ``DAILY_NAMES`` at hand;
    ``statics`` names the static fields (names of the prior store, but ``residual_saturation`` for ``residual``).
    """

    @property
    def lattice(self) -> Lattice:
        """Lattice of the arrays."""

    @property
    def info(self) -> SourceInfo:
        """Title, model, notes and inputs."""

    @property
    def days(self) -> tuple[dt.date, ...]:
        """UTC days with soil moisture."""

    @property
    def daily(self) -> tuple[str, ...]:
        """Names of the available daily fields."""

    @property
    def statics(self) -> tuple[str, ...]:
        """Names of the available static fields."""

    def read_days(self, name: str, days: slice, window: IJWindow) -> NDArray[np.float32]:
        """One daily field for a run of ``days``: [day, j, i], row 0 in the south, NaN where inactive."""

    def read_static(self, name: str, window: IJWindow) -> NDArray[np.float64]:
        """One static field of the top layer: [j, i], row 0 in the south, NaN where missing."""

    def close(self) -> None:
        """Close all open files."""


def file_inputs(paths: list[Path]) -> tuple[dict[str, Any], ...]:
    """Name, checksum and size of every file read, in order of their names."""
    return tuple(file_input(p) for p in sorted(set(paths)))
