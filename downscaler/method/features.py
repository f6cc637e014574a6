"""The predictors, declared once and in order: name, units, source and why; and how each is made."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from downscaler.errors import PriorSchemaError
from downscaler.ground.blocks import Bools, Floats, block_mean, spread_blocks
from downscaler.ground.grid import EaseGrid
from downscaler.method.conserve import Surfaces
from downscaler.method.denoise import noise_part
from downscaler.method.pattern import QUANTILES, ratio_to_m01, sensitivity_name

Fields = dict[str, NDArray[np.float32]]
SUMS = (1, 3, 7, 30)  # days of antecedent precipitation
API_DECAY, API_DAYS = 0.90, 14  # d-1; days of record below which the index is not given
FORCING_DAYS = 60  # days of forcing that the predictors of one day are made from
FORCING_MINIMUM = WARMTH_DAYS = 7
_LEAST_RANGE = 0.003  # m3 m-3 between quantiles, below which a coarse cell tells nothing of its fine cells
MISSING = -9999.0  # a predictor that is not known


@dataclass(frozen=True, kw_only=True)
class Feature:
    """One predictor; ``group`` is coarse, pattern, static, forcing or season; ``variable`` the prior's, if any."""

    name: str
    units: str
    group: str
    why: str
    variable: str | None = None

    @property
    def needs_pattern(self) -> bool:
        """Whether it rests on the prior's record of the very place: not to be had on unseen ground."""
        return self.group == "pattern" or self.name in ("coarse_anomaly", "coarse_anomaly_scaled", "response")

    @property
    def monotone(self) -> bool:
        """Whether more of it can only mean wetter, all else equal: more rain than the SMAP cell around it had."""
        return self.group == "forcing" and self.name.startswith("precipitation") and self.name.endswith("_departure")


def _with_departure(variable: str, units: str, group: str, why: str) -> tuple[Feature, Feature]:
    own = Feature(name=variable, units=units, group=group, why=why, variable=variable)
    contrast = Feature(
        name=f"{variable}_departure",
        units=units,
        group=group,
        why=f"{why}; less its smooth coarse mean",
        variable=variable,
    )
    return own, contrast


_COARSE = (
    Feature(name="coarse", units="m3 m-3", group="coarse", why="wetness decides which processes set the pattern"),
    Feature(
        name="coarse_anomaly", units="m3 m-3", group="coarse", why="departure of the SMAP cell from its usual level"
    ),
    Feature(name="coarse_anomaly_scaled", units="1", group="coarse", why="the same in spreads of the prior"),
    Feature(name="response", units="m3 m-3", group="coarse", why="how this cell moves when its SMAP cell does"),
    Feature(name="coarse_gradient_x", units="m3 m-3 km-1", group="coarse", why="storm edges run through SMAP cells"),
    Feature(name="coarse_gradient_y", units="m3 m-3 km-1", group="coarse", why="storm edges run through SMAP cells"),
)
_PATTERN = (
    Feature(name="pattern", units="m3 m-3", group="pattern", why="the prior's mean contrast inside the SMAP cell"),
    Feature(name="quantile_pattern", units="m3 m-3", group="pattern", why="its contrast when as wet as today"),
    Feature(name="level", units="m3 m-3", group="pattern", why="the prior's mean", variable="soil_moisture_level"),
    *_with_departure("soil_moisture_sd", "m3 m-3", "pattern", "the prior's spread in time"),
    Feature(name="sensitivity", units="1", group="pattern", why="slope of the cell on its SMAP cell in the prior"),
    *(
        Feature(name=f"{name}_offset", units="m3 m-3", group="pattern", why="shape of the record", variable=name)
        for name in QUANTILES
    ),
)
_STATICS: tuple[tuple[str, str, str], ...] = (
    ("porosity", "m3 m-3", "upper bound of soil moisture"),
    ("residual", "m3 m-3", "lower bound of soil moisture"),
    ("log_permeability", "log10(m h-1)", "drainage speed"),
    ("van_genuchten_alpha", "m-1", "water held at a given suction"),
    ("van_genuchten_n", "1", "water held at a given suction"),
    ("sand_fraction", "1", "texture"),
    ("clay_fraction", "1", "texture"),
    ("elevation", "m", "temperature, snow and rain"),
    ("slope", "1", "lateral drainage"),
    ("northness", "1", "radiation"),
    ("eastness", "1", "radiation"),
    ("curvature", "km-1", "hollows gather water, noses shed it"),
    ("topographic_wetness", "1", "upslope area against slope"),
    ("land_cover", "IGBP class", "transpiration and interception"),
    ("indicator", "ParFlow unit", "soil unit of the top layer"),
)
CLASSES = frozenset({"land_cover", "indicator"})
_MADE_FROM = {
    "log_permeability": ("permeability",),
    "slope": ("slope_x", "slope_y"),
    "northness": ("slope_x", "slope_y"),
    "eastness": ("slope_x", "slope_y"),
    "curvature": ("elevation",),
}
_STATIC_FEATURES = tuple(
    feature
    for name, units, why in _STATICS
    for feature in _with_departure(name, units, "static", why)
    if not (name in CLASSES and feature.name.endswith("_departure"))
)
_FORCING_NAMES = (*(f"precipitation_{n}d" for n in SUMS), "precipitation_index", "air_temperature_7d")
_FORCING = tuple(
    feature
    for name in _FORCING_NAMES
    for feature in _with_departure(
        name, "K" if name.startswith("air") else "mm", "forcing", "rain and warmth that SMAP cannot resolve"
    )
)
_SEASON = (
    Feature(name="season_sin", units="1", group="season", why="vegetation and evaporation through the year"),
    Feature(name="season_cos", units="1", group="season", why="vegetation and evaporation through the year"),
)
FEATURES: tuple[Feature, ...] = (*_COARSE, *_PATTERN, *_STATIC_FEATURES, *_FORCING, *_SEASON)


def _slope_fields(slope_x: Floats, slope_y: Floats) -> dict[str, Floats]:
    """Slope and the direction that the ground falls to, from ParFlow's slopes (x to the east, y to the north)."""
    steepness = np.hypot(slope_x, slope_y)
    with np.errstate(invalid="ignore", divide="ignore"):
        # ParFlow's slopes are of rising ground: downhill is against them
        north = np.where(steepness > 0, -slope_y / steepness, 0.0)
        east = np.where(steepness > 0, -slope_x / steepness, 0.0)
    return {"slope": steepness, "northness": north, "eastness": east}


def _curvature(elevation: Floats) -> Floats:
    """Laplacian of elevation on the 1 km grid, km-1 times 1000 m: positive in hollows."""
    padded = np.pad(elevation, 1, mode="edge")
    around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    return (around - 4.0 * elevation) / 1000.0


def static_sources(data: xr.Dataset) -> dict[str, Floats]:
    """Terrain, soil and land cover by name [ny, nx] that a prior's variables give; curvature looks one cell around."""
    found: dict[str, Floats] = {
        name: data[name].values.astype(np.float64) for name, _, _ in _STATICS if name in data and name not in _MADE_FROM
    }
    if "permeability" in data:
        with np.errstate(invalid="ignore", divide="ignore"):
            found["log_permeability"] = np.log10(np.maximum(data["permeability"].values, 1e-9))
    if "slope_x" in data and "slope_y" in data:
        found |= _slope_fields(data["slope_x"].values.astype(float), data["slope_y"].values.astype(float))
    if "elevation" in data:
        found["curvature"] = _curvature(data["elevation"].values.astype(np.float64))
    return found


class Record(Protocol):
    """What a prior's record says of cells, on a grid [ny, nx] or listed [n]; ``quantiles`` are the three of each."""

    @property
    def smooth_level(self) -> Floats:
        """Smooth surface through the block means of the mean, m3 m-3."""

    @property
    def smooth_sd(self) -> Floats:
        """The same of the spread in time, m3 m-3."""

    @property
    def smooth_quantiles(self) -> Floats:
        """The same of each quantile [3, ...], m3 m-3."""

    @property
    def quantiles(self) -> Floats:
        """Each cell's own [3, ...], m3 m-3."""

    @property
    def sensitivity(self) -> Floats:
        """Slope of the cell on its SMAP cell, 1."""

    @property
    def residual(self) -> Floats:
        """Residual water content, m3 m-3."""

    @property
    def porosity(self) -> Floats:
        """Porosity, m3 m-3."""


def position(record: Record, surface: Floats) -> Floats:
    """Where a smooth coarse surface stands in its cells' record: -1, 0, 1 at the three ``QUANTILES``."""
    low, middle, high = record.smooth_quantiles
    rise = surface - middle
    room = np.maximum(np.where(rise < 0, middle - low, high - middle), _LEAST_RANGE)
    place: Floats = rise / room
    return place


def quantile_contrast(record: Record, surface: Floats) -> Floats:
    """Contrast inside SMAP cells as wet as ``surface``, m3 m-3; see ``Ground.quantile_pattern``."""
    low, middle, high = record.quantiles
    place = np.clip(position(record, surface), -2.0, 2.0)
    theta = middle + place * np.where(place < 0, middle - low, high - middle)
    contrast: Floats = np.clip(theta, record.residual, record.porosity) - surface
    return contrast


def coarse_predictors(
    record: Record, surface: Floats, down: Floats, across: Floats, date: dt.date
) -> dict[str, Floats]:
    """The predictors of a day that weather has no part in.

    Args:
        record: of the cells.
        surface: smooth surface through the coarse values at them, m3 m-3.
        down: its change to the next row, m3 m-3.
        across: its change to the next column, m3 m-3.
        date: the day (UTC).
    """
    anomaly = surface - record.smooth_level
    angle = 2.0 * math.pi * (date.timetuple().tm_yday - 1) / 365.25
    return {
        "coarse": surface,
        "coarse_anomaly": anomaly,
        "coarse_anomaly_scaled": anomaly / np.maximum(record.smooth_sd, 0.005),
        "response": (record.sensitivity - 1.0) * anomaly,
        "quantile_pattern": quantile_contrast(record, surface),
        "coarse_gradient_x": across,
        "coarse_gradient_y": down,
        "season_sin": np.full(surface.shape, math.sin(angle)),
        "season_cos": np.full(surface.shape, math.cos(angle)),
    }


class Ground:
    """Everything about a window that does not change from day to day, made once and used for every day.

    Args:
        data: the prior's variables on a window of whole M36 cells, dims (y, x).
        grid: the coarse grid (M09 or M36).

    Raises:
        PriorSchemaError: when the prior lacks the statistics of its own record.
    """

    def __init__(self, data: xr.Dataset, grid: EaseGrid) -> None:
        self.ratio = ratio_to_m01(grid)
        needed = ["active", "porosity", "residual", "soil_moisture_level", "soil_moisture_sd", sensitivity_name(grid)]
        missing = [name for name in (*needed, *QUANTILES) if name not in data]
        if missing:
            raise PriorSchemaError(
                "The prior lacks statistics of its record",
                value=", ".join(missing),
                remedy="Build the prior again with this version (vadose prior build).",
            )
        level = data["soil_moisture_level"].values.astype(np.float64)
        self.active: Bools = data["active"].values.astype(bool) & np.isfinite(level)
        self.level, self.porosity = level, data["porosity"].values.astype(np.float64)
        self.residual = data["residual"].values.astype(np.float64)
        self.coarse_level = block_mean(level, self.active, self.ratio)
        self.surface = Surfaces(self.active, self.ratio)  # through coarse values of the window
        self.smooth_level = self.surface(self.coarse_level)
        self.pattern = np.where(self.active, level - self.smooth_level, np.nan)
        self.quantiles = np.stack([data[name].values.astype(np.float64) for name in QUANTILES])
        self.smooth_quantiles = np.stack([self.surface(block_mean(q, self.active, self.ratio)) for q in self.quantiles])
        deviation = data["soil_moisture_sd"].values.astype(np.float64)
        self.smooth_sd = self.surface(block_mean(deviation, self.active, self.ratio))
        self.sensitivity = data[sensitivity_name(grid)].values.astype(np.float64)
        fields = {"pattern": self.pattern, "level": level, "sensitivity": self.sensitivity}
        fields |= {f"{name}_offset": data[name].values - level for name in QUANTILES}
        fields |= self._pairs({"soil_moisture_sd": deviation} | static_sources(data))
        self.fields: Fields = {name: field.astype(np.float32) for name, field in fields.items()}

    def _pairs(self, sources: Mapping[str, Floats]) -> dict[str, Floats]:
        pairs = dict(sources)
        for name, field in sources.items():
            if name not in CLASSES:
                known = self.active & np.isfinite(field)
                surface = self.surface if np.array_equal(known, self.active) else Surfaces(known, self.ratio)
                pairs[f"{name}_departure"] = field - surface(block_mean(field, known, self.ratio))
        return pairs

    def position(self, surface: Floats) -> Floats:
        """Where a smooth coarse surface [ny, nx] stands in its cells' record: -1, 0, 1 at the three ``QUANTILES``."""
        return position(self, surface)

    def quantile_pattern(self, surface: Floats) -> Floats:
        """Contrast inside SMAP cells as wet as ``surface``: each cell at the quantile of its own record that it is at.

        Quantile mapping between the smooth surfaces through the block means of the record's quantiles and the
        quantiles themselves, piecewise linear, carried on beyond the outer ones by at most their distance to the
        median. Exact where all cells of a block rise and fall together (comonotone), since the block mean of their
        quantiles is then the quantile of their mean.

        Args:
            surface: smooth coarse soil moisture [ny, nx], m3 m-3.

        Returns:
            [ny, nx], m3 m-3, between residual and porosity when added to ``surface``.
        """
        return quantile_contrast(self, surface)

    def split(self, coarse: Floats, error: Floats, rough: float, *, pattern: bool) -> tuple[Floats, Floats]:
        """Coarse values as signal, which predictors are made from, and noise; see ``denoise.noise_part``."""
        reference = self.coarse_level if pattern else np.zeros(coarse.shape)
        noise = noise_part(coarse, reference, error, rough)
        return coarse - noise, noise

    def spread(self, coarse: Floats) -> Floats:
        """Coarse values as they are on the fine cells of their blocks."""
        return spread_blocks(coarse, self.ratio)

    def day(self, coarse: Floats, date: dt.date, forcing: Mapping[str, Floats] | None) -> Fields:
        """The predictors that change from day to day.

        Args:
            coarse: coarse soil moisture of the window [nyc, nxc], m3 m-3, NaN where there is none.
            date: the day (UTC).
            forcing: ``precipitation`` (mm day-1) and perhaps ``air_temperature`` (K), each [days, ny, nx] of at
                most ``FORCING_DAYS`` days ending with ``date``; None when not at hand.
        """
        surface = self.surface(coarse)
        down, across = (np.asarray(g, dtype=np.float64) for g in np.gradient(surface))
        fields = coarse_predictors(self, surface, down, across, date)
        if forcing is not None:
            fields |= self._pairs(antecedent(forcing))
        return {name: np.asarray(field, dtype=np.float32) for name, field in fields.items()}


def antecedent(forcing: Mapping[str, Floats]) -> dict[str, Floats]:
    """Antecedent precipitation sums and index, and mean temperature of the last week.

    The index is sum over past days d of P(d) k^d with k = 0.9 (Kohler & Linsley 1951). A sum over more days than the
    record holds is NaN, which the trees take as unknown.

    Args:
        forcing: arrays [days, ny, nx], the last of them the day itself; see ``Ground.day``.
    """
    fields: dict[str, Floats] = _of_rain(np.nan_to_num(forcing["precipitation"])) if "precipitation" in forcing else {}
    if "air_temperature" in forcing:
        fields["air_temperature_7d"] = np.mean(forcing["air_temperature"][-WARMTH_DAYS:], axis=0, dtype=np.float64)
    return fields


def _of_rain(rain: Floats) -> dict[str, Floats]:
    days = len(rain)
    unknown = np.full(rain.shape[1:], np.nan)
    fields: dict[str, Floats] = {
        f"precipitation_{n}d": rain[-n:].sum(axis=0, dtype=np.float64) if days >= n else unknown for n in SUMS
    }
    if days >= API_DAYS:
        index = np.zeros(rain.shape[1:])
        for age in range(days):  # day by day, not by a matrix product, whose rounding depends on the window's shape
            index += np.multiply(rain[days - 1 - age], API_DECAY**age, dtype=np.float64)
        fields["precipitation_index"] = index
    else:
        fields["precipitation_index"] = unknown
    return fields


def available(static: Iterable[str], *, with_forcing: Iterable[str] = ()) -> tuple[str, ...]:
    """Names of the declared features, in order, that given fields can supply."""
    always = {f.name for f in FEATURES if f.group in ("coarse", "season")}
    have = set(static) | set(with_forcing) | always
    return tuple(f.name for f in FEATURES if f.name in have)


def matrix(fields: Mapping[str, NDArray[np.float32]], names: Sequence[str], where: Bools) -> NDArray[np.float32]:
    """Feature matrix [cells, features] of the cells in ``where``, row by row from the north-west.

    Unknown values are ``MISSING``, which trees tell apart like any other: with NaN, XGBoost keeps four bytes a value
    instead of one.
    """
    rows = np.stack([fields[name][where] for name in names], axis=1)
    return np.nan_to_num(rows, copy=False, nan=MISSING, posinf=MISSING, neginf=MISSING)


def with_gaps(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows of ``matrix`` with NaN for what is unknown, as statistics need them."""
    return np.where(rows == np.float32(MISSING), np.float32(np.nan), rows)
