"""A ParFlow-CLM run with its precipitation and temperature replaced by another source."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from downscaler.errors import PriorCoverageError
from downscaler.ground.grid import Span
from downscaler.ground.lattice import IJWindow, Lattice
from downscaler.sources.covariates.daymet import TITLE, Daymet
from downscaler.sources.parflow.source import PriorSource, SourceInfo

Field = NDArray[np.float64]


class WithWeather:
    """A PriorSource with Daymet's precipitation and air temperature in place of its own, on its own lattice.

    Both grids have cells of about 1 km, so values are interpolated bilinearly between the four cell centres around,
    over those that are land. Raises PriorCoverageError where the weather does not cover the run.
    """

    def __init__(self, source: PriorSource, weather: Daymet) -> None:
        self._source, self._weather = source, weather

    @property
    def lattice(self) -> Lattice:
        """The run's."""
        return self._source.lattice

    @cached_property
    def info(self) -> SourceInfo:
        """The run's, with the weather named."""
        info = self._source.info
        note = (
            f"Precipitation and air temperature are {TITLE}'s, not the run's own; 31 December of leap years is missing."
        )
        return replace(info, notes=(*info.notes, note), inputs=(*info.inputs, *self._weather.inputs))

    @property
    def days(self) -> tuple[dt.date, ...]:
        """The run's."""
        return self._source.days

    @property
    def daily(self) -> tuple[str, ...]:
        """Soil moisture from the run, weather from the other source."""
        return ("soil_moisture", "precipitation", "air_temperature")

    @property
    def statics(self) -> tuple[str, ...]:
        """The run's."""
        return self._source.statics

    def read_days(self, name: str, days: slice, window: IJWindow) -> NDArray[np.float32]:
        """One daily field: [day, j, i], row 0 in the south, NaN where missing."""
        if name == "soil_moisture":
            return self._source.read_days(name, days, window)
        j, i, cut = self._places(window)
        read = self._weather.precipitation if name == "precipitation" else self._weather.air_temperature
        values = read(self.days[days], cut)
        return np.stack([bilinear(field, j, i) for field in values]).astype(np.float32)

    def read_static(self, name: str, window: IJWindow) -> NDArray[np.float64]:
        """The run's."""
        return self._source.read_static(name, window)

    def close(self) -> None:
        """Close the files of the run and of the weather."""
        self._source.close()
        self._weather.close()

    def _places(self, window: IJWindow) -> tuple[Field, Field, IJWindow]:
        """Where the run's cell centres lie on the weather's lattice, in cells from a cut of it, and that cut."""
        here, there = self._source.lattice, self._weather.lattice
        x, y = np.meshgrid(here.x[window.i.slice], here.y[window.j.slice])
        px, py = Transformer.from_crs(here.crs, there.crs, always_xy=True).transform(x, y)
        i, j = ((p - o) / there.cell - 0.5 for p, o in ((px, there.lower_left.x), (py, there.lower_left.y)))
        spans = []
        for place, size in ((i, there.shape.x), (j, there.shape.y)):
            first, last = int(np.floor(place.min())), int(np.floor(place.max())) + 2
            if first < 0 or last > size:
                raise PriorCoverageError(
                    f"{TITLE} does not cover the run", value=f"cells {first} to {last}", allowed=f"0 to {size}"
                )
            spans.append(Span(start=first, stop=last))
        return j - spans[1].start, i - spans[0].start, IJWindow(i=spans[0], j=spans[1])


def bilinear(field: NDArray[np.floating], j: Field, i: Field) -> Field:
    """Values of a field [row, column] between its cell centres, by the weights of the four around that are known.

    ``j`` and ``i`` are places in cells, at least 0 and below the last centre; NaN where none of the four is known.
    """
    top, left = np.floor(j).astype(np.intp), np.floor(i).astype(np.intp)
    down, right = j - top, i - left
    total, weight = np.zeros(j.shape), np.zeros(j.shape)
    for row, share_j in ((top, 1 - down), (top + 1, down)):
        for column, share_i in ((left, 1 - right), (left + 1, right)):
            value = field[row, column].astype(np.float64)
            known = np.isfinite(value)
            total += np.where(known, value, 0.0) * share_j * share_i
            weight += known * share_j * share_i
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weight > 0, total / weight, np.nan)
