"""One tile of a prior: its days, climatology, statistics, forcing and static fields."""

from __future__ import annotations

import datetime as dt

import numpy as np
from numpy.typing import NDArray

from downscaler.errors import PriorSchemaError
from downscaler.ground.grid import M01, Span, Window
from downscaler.ground.regrid import Overlap
from downscaler.method.coarse.response import responses
from downscaler.method.day_of_year import DAYS, Climatology
from downscaler.method.pattern import pattern_statistics
from downscaler.sources.parflow.names import BELOW, CLASS_NAMES
from downscaler.sources.parflow.source import PriorSource
from downscaler.sources.parflow.units import check_ground, check_weather
from downscaler.stores.prior.layout import StoreWriter
from downscaler.stores.prior.schema import FIELDS, LEVELS, TIME_SHARD

_EXCESS = 0.01  # m3 m-3, rounding of stored soil moisture that may stand above porosity
_STRIP_VALUES = 16_000_000  # days times cells held at once for the statistics of the record
Array = NDArray[np.float32]
Bools = NDArray[np.bool_]


class TileBuilder:
    """Fills the store one tile after another; ``wetness`` is the topographic index of the whole lattice, if any."""

    def __init__(self, source: PriorSource, writer: StoreWriter, wetness: NDArray[np.float64] | None) -> None:
        self._source, self._writer, self._wetness = source, writer, wetness
        self._days = source.days
        self.wettest = 0.0  # mm, the most rain of any cell and day

    def build(self, share: Overlap) -> int:
        """All fields of one tile; the number of its active cells."""
        alive, highest = self._daily(share)
        self._forcing(share)
        active = np.isfinite(highest)
        self._writer.put("active", active, share.window)
        self._statistics(share.window, active)
        self._statics(share, alive, active)
        self._bounds(share, alive, highest)
        return int(active.sum())

    def _daily(self, share: Overlap) -> tuple[Bools, Array]:
        """Days and their climatology; returns the active lattice cells and each product cell's highest value."""
        window = share.window
        climatology = Climatology(day_counts(self._days), (window.shape.y, window.shape.x))
        highest = np.full((window.shape.y, window.shape.x), np.nan, dtype=np.float32)
        alive = np.zeros(share.source.shape, dtype=bool)
        for block in blocks(len(self._days)):
            native = self._source.read_days("soil_moisture", block, share.source)
            check_fraction(native)
            alive |= np.isfinite(native).any(axis=0)
            values = self._writer.put("soil_moisture", share.mean(native), window, block)
            for day, field in zip(self._days[block], values, strict=True):
                climatology.add(_day_of_year(day), field)
                np.fmax(highest, field, out=highest)
        self._writer.put("soil_moisture_climatology", climatology.waves(), window)
        return alive, highest

    def _forcing(self, share: Overlap) -> None:
        for name in self._source.daily:
            if name != "soil_moisture":
                total, count = 0.0, 0
                for block in blocks(len(self._days)):
                    native = self._source.read_days(name, block, share.source)
                    if name in BELOW:
                        check_fraction(native)
                    check_weather(name, native, self._source.info.title)
                    if name == "precipitation" and np.isfinite(native).any():
                        self.wettest = max(self.wettest, float(np.nanmax(native)))
                    values = share.mean(native)
                    self._writer.put(name, values, share.window, block)
                    total = total + np.where(np.isfinite(values), values, 0.0).sum(axis=0, dtype=np.float64)
                    count = count + np.isfinite(values).sum(axis=0)
                if name in LEVELS:
                    level = total / np.where(np.asarray(count) > 0, count, np.nan)
                    self._writer.put(LEVELS[name], level, share.window)

    def _statistics(self, window: Window, active: Bools) -> None:
        """Statistics of the whole record, in strips of whole SMAP cells so that memory is bounded."""
        per_row = len(self._days) * window.shape.x * M01.per_m36
        numbers = np.array([day.toordinal() for day in self._days])
        height = M01.per_m36 * max(1, _STRIP_VALUES // max(per_row, 1))
        for top in range(0, window.shape.y, height):
            rows = Span(start=top, stop=min(top + height, window.shape.y))
            strip = Window(rows=rows.shifted(window.rows.start), columns=window.columns)
            theta = self._writer.get("soil_moisture", strip, slice(0, len(self._days)))
            found = pattern_statistics(theta, active[rows.slice]) | responses(theta, numbers, active[rows.slice])
            for name, field in found.items():
                self._writer.put(name, field, strip)

    def _statics(self, share: Overlap, alive: Bools, active: Bools) -> None:
        """Static fields over the active lattice cells alone, so that they describe the same ground as the days."""
        for name in sorted(set(self._source.statics) & FIELDS.keys() - {"porosity"}):
            native = self._source.read_static(name, share.source)
            if name in CLASS_NAMES:
                classes = np.where(alive & np.isfinite(native), native, -1).astype(np.int16)
                self._writer.put(name, np.where(active, share.mode(classes), -1), share.window)
            else:
                native = np.where(alive, native, np.nan)
                check_ground(name, native, self._source.info.title)
                self._writer.put(name, share.mean(native), share.window)
        if self._wetness is not None:
            native = self._wetness[share.source.slices]
            self._writer.put("topographic_wetness", share.mean(np.where(alive, native, np.nan)), share.window)

    def _bounds(self, share: Overlap, alive: Bools, highest: Array) -> None:
        """Porosity and residual water content, the physical bounds of the product."""
        if "porosity" in self._source.statics:
            native = self._source.read_static("porosity", share.source)
            porosity = _checked_porosity(share.mean(np.where(alive, native, np.nan)), highest)
        else:
            porosity = np.asarray(np.ceil(highest * 100) / 100, dtype=np.float32)
        residual: Array = np.zeros_like(highest)
        if "residual_saturation" in self._source.statics:
            saturation = self._source.read_static("residual_saturation", share.source)
            saturation = np.where(alive, saturation, np.nan)
            check_ground("residual_saturation", saturation, self._source.info.title)
            residual = share.mean(saturation) * porosity
        known = np.isfinite(highest)
        self._writer.put("porosity", np.where(known, porosity, np.nan), share.window)
        self._writer.put("residual", np.where(known, residual, np.nan), share.window)


def blocks(days: int) -> list[slice]:
    """Runs of days that are read and stored together."""
    return [slice(start, min(start + TIME_SHARD, days)) for start in range(0, days, TIME_SHARD)]


def day_counts(days: tuple[dt.date, ...]) -> NDArray[np.int64]:
    """How many days fall on each day of year, [366]."""
    return np.bincount([_day_of_year(day) - 1 for day in days], minlength=DAYS)


def _day_of_year(day: dt.date) -> int:
    return day.timetuple().tm_yday


def check_fraction(values: Array) -> None:
    """Raise PriorSchemaError unless all finite values are volume fractions."""
    low, high = (float(f(values, initial=0.0)) for f in (np.nanmin, np.nanmax))
    if low < -1e-3 or high > 1.0 + 1e-3:
        raise PriorSchemaError(
            "Soil moisture is not a volume fraction",
            value=f"values from {low:g} to {high:g}",
            allowed="0 to 1 m3 m-3",
            remedy="Convert percent, millimetres or saturation first.",
        )


def _checked_porosity(porosity: Array, highest: Array) -> Array:
    """Porosity raised to the highest soil moisture where that is rounding; PriorSchemaError where it is more."""
    if np.any(np.isfinite(highest) & ~np.isfinite(porosity)):
        raise PriorSchemaError(
            "Porosity is missing where the model has soil moisture",
            value=f"{int((np.isfinite(highest) & ~np.isfinite(porosity)).sum())} product cells of a tile",
        )
    excess = float(np.nanmax(highest - porosity, initial=0.0))
    if excess > _EXCESS or float(np.nanmax(porosity, initial=0.0)) > 1.0:
        raise PriorSchemaError(
            "Soil moisture exceeds porosity, or porosity exceeds 1: they belong to different layers, runs or units",
            value=f"up to {excess:.3f} m3 m-3 above",
            allowed=f"at most {_EXCESS} (rounding)",
        )
    return np.fmax(porosity, highest)
