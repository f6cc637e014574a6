"""A weather source whose answers are right or a typed error: what libraries raise of damaged files is turned here."""

from __future__ import annotations

import datetime as dt
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from downscaler.errors import WeatherUnreadableError, broken_as
from downscaler.ground.lattice import IJWindow, Lattice
from downscaler.sources.weather.source import WeatherDay, WeatherSource


def typed(path: Path) -> AbstractContextManager[None]:
    """Raise WeatherUnreadableError for whatever is wrong with the files at a path."""
    return broken_as(WeatherUnreadableError, "A weather file is damaged", path, "Download it again.")


class TypedWeather:
    """Another source, opened; all that it is asked goes through ``typed``."""

    def __init__(self, source: WeatherSource, path: Path) -> None:
        self._source, self._path = source, path
        self.name, self.title = source.name, source.title

    def __getattr__(self, name: str) -> Any:
        """What some sources have beside the others."""
        return getattr(self._source, name)

    @property
    def lattice(self) -> Lattice:
        """Lattice of the arrays."""
        with typed(self._path):
            return self._source.lattice

    @property
    def days(self) -> tuple[dt.date, ...]:
        """UTC days with any data, ascending."""
        with typed(self._path):
            return self._source.days

    def read(self, day: dt.date, window: IJWindow) -> WeatherDay:
        """One day on a window of the lattice."""
        with typed(self._path):
            return self._source.read(day, window)

    def close(self) -> None:
        """Let go of the files."""
        self._source.close()
