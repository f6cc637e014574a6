"""A source's days on a domain's product grid: rain by area, temperature by height, rain matched to the prior's."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from downscaler.errors import WeatherValueError
from downscaler.ground.grid import M01, Domain, Window
from downscaler.ground.latlon import FromLatLon, from_latlon, is_geographic
from downscaler.ground.lattice import IJWindow
from downscaler.ground.regrid import Overlap, overlap
from downscaler.sources.weather import WeatherDay, WeatherSource
from downscaler.stores.weather.layout import VARIABLES, DayRecord
from downscaler.stores.weather.matching import Kept, told_of

Array = NDArray[np.float32]
Elevation = Callable[[Domain], Array]
_DRY_LIMIT = 1_000_000  # product cells (km2) over which a day without a drop is no weather
_POINTS = (34, 21)  # samples of a product cell for lattices of about its size


class OnGrid:
    """A source on a domain's product grid.

    Args:
        source: opened weather.
        domain: where.
        elevation: gives the elevation of the product cells [y, x], m, by which coarse temperature is moved; None not.
        matching: makes rain like the prior's; None leaves it as it is.
        own: whether the source is the prior's own forcing, which is left as it is.
    """

    def __init__(
        self,
        source: WeatherSource,
        domain: Domain,
        elevation: Elevation | None = None,
        matching: Kept | None = None,
        own: bool = False,
    ) -> None:
        self._source, self._domain, self._own = source, domain, own
        self._matching = None if own else matching
        lattice = source.lattice
        self._degrees: FromLatLon | None = None
        self._overlaps: list[tuple[Window, Overlap]] = []
        if is_geographic(lattice):
            self._degrees = from_latlon(lattice, domain)
            self._window = _needed(self._degrees, lattice.window)
            self._degrees = _cut(self._degrees, self._window)
        else:
            found = ((w, overlap(lattice, domain, w, fibonacci=_POINTS)) for w in domain.blocks())
            self._overlaps = [(w, o) for w, o in found if o is not None]
            self._window = lattice.window
        self._elevation = elevation(domain) if elevation is not None and self._degrees is not None else None

    def day(self, day: dt.date) -> tuple[DayRecord, dict[str, NDArray[np.uint16]]]:
        """The record (its slot still open) and the packed fields [y, x]; raises as the source, WeatherValueError."""
        read = self._source.read(day, self._window)
        rain = self._checked(self._mean(np.maximum(read.precipitation, 0.0)), day)
        fields = {"precipitation": rain if self._matching is None else self._matching.rain.apply(rain, day.month)}
        if read.air_temperature is not None:
            fields["air_temperature"] = self._temperature(read.air_temperature)
        packed = {name: VARIABLES[name].pack(values) for name, values in fields.items()}
        return DayRecord(
            date=day,
            source=self._source.name,
            title=self._source.title,
            slot=-1,
            latency=read.latency,
            version=read.version,
            fetched=dt.datetime.now(dt.UTC).replace(microsecond=0),
            sha256={name: hashlib.sha256(numbers.tobytes()).hexdigest() for name, numbers in packed.items()},
            inputs=read.inputs,
            notes=self._notes(read),
            matching=told_of(self._matching, own=self._own, month=day.month),
            mean={name: round(float(np.nanmean(values)), 3) for name, values in fields.items()},
        ), packed

    def rain(self, day: dt.date) -> Array:
        """The day's rain as the source has it, mm, [y, x]; raises as ``day``."""
        return self._checked(self._mean(np.maximum(self._source.read(day, self._window).precipitation, 0.0)), day)

    def _checked(self, rain: Array, day: dt.date) -> Array:
        if not np.isfinite(rain).any():
            raise WeatherValueError(f"{self._source.title} has no precipitation in the domain on {day}")
        if rain.size > _DRY_LIMIT and not np.nansum(rain) > 0:
            raise WeatherValueError(
                f"{self._source.title} has no drop of rain on {day}",
                value=f"0 mm over {rain.size} km2",
                remedy="The file is empty or damaged: download it again.",
            )
        return rain

    def _notes(self, read: WeatherDay) -> tuple[str, ...]:
        if self._degrees is None or self._elevation is not None or read.air_temperature is None:
            return read.notes
        return (*read.notes, "Air temperature is not moved to the height of each cell: no elevation was given.")

    def _mean(self, values: NDArray[np.floating]) -> Array:
        if self._degrees is not None:
            return self._degrees.mean(values)
        shape = self._domain.shape(M01)
        made = np.full((shape.y, shape.x), np.nan, dtype=np.float32)
        for window, share in self._overlaps:
            made[window.rows.slice, window.columns.slice] = share.mean(values[share.source.slices])
        return made

    def _temperature(self, values: NDArray[np.floating]) -> Array:
        if self._degrees is None:
            return self._mean(values)
        return self._degrees.temperature(values, self._elevation)


def _needed(matrices: FromLatLon, whole: IJWindow) -> IJWindow:
    """The source cells that the domain needs: what lies under it or next to it."""
    spans = []
    for share, near, span in (
        (matrices.columns, matrices.near_columns, whole.i),
        (matrices.rows, matrices.near_rows, whole.j),
    ):
        used = np.flatnonzero(np.asarray((share + near).sum(axis=0)).ravel() > 0)
        if used.size == 0:
            used = np.array([0])
        spans.append(replace(span, start=int(used[0]), stop=int(used[-1]) + 1))
    return IJWindow(i=spans[0], j=spans[1])


def _cut(matrices: FromLatLon, window: IJWindow) -> FromLatLon:
    j, i = window.slices
    return FromLatLon(
        rows=matrices.rows[:, j],
        columns=matrices.columns[:, i],
        near_rows=matrices.near_rows[:, j],
        near_columns=matrices.near_columns[:, i],
    )
