"""A source whose every answer is right or a typed error: what libraries raise of damaged files is turned here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from downscaler.errors import PriorUnreadableError, broken_as
from downscaler.ground.lattice import IJWindow, Lattice
from downscaler.sources.parflow.source import PriorSource, SourceInfo


@contextmanager
def typed(path: Path) -> Iterator[None]:
    """Raise PriorUnreadableError for whatever is wrong with the files at a path."""
    with broken_as(PriorUnreadableError, "ParFlow-CLM output is damaged", path, "Check that it was copied completely."):
        yield


class TypedSource:
    """Another source, opened; all that it is asked goes through ``typed``."""

    def __init__(self, source: PriorSource, path: Path) -> None:
        self._source, self._path = source, path

    @property
    def lattice(self) -> Lattice:
        """The lattice of the fields."""
        with typed(self._path):
            return self._source.lattice

    @property
    def info(self) -> SourceInfo:
        """What the source tells of itself."""
        with typed(self._path):
            return self._source.info

    @property
    def days(self) -> tuple[dt.date, ...]:
        """The days of the record."""
        with typed(self._path):
            return self._source.days

    @property
    def daily(self) -> tuple[str, ...]:
        """Names of the fields that there are of every day."""
        with typed(self._path):
            return self._source.daily

    @property
    def statics(self) -> tuple[str, ...]:
        """Names of the static fields."""
        with typed(self._path):
            return self._source.statics

    def read_days(self, name: str, days: slice, window: IJWindow) -> NDArray[np.float32]:
        """A daily field [time, j, i]."""
        with typed(self._path):
            return self._source.read_days(name, days, window)

    def read_static(self, name: str, window: IJWindow) -> NDArray[np.float64]:
        """A static field [j, i]."""
        with typed(self._path):
            return self._source.read_static(name, window)

    def close(self) -> None:
        """Let go of the files."""
        self._source.close()
