"""The truth of a playground: a ParFlow-CLM record with the covariates of each cell."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import Transformer
from scipy.ndimage import distance_transform_edt

from downscaler.errors import TrainingError
from downscaler.ground.blocks import Bools, Floats
from downscaler.ground.grid import CRS, M09
from downscaler.learn.samples import TileRecord, spatial_blocks
from downscaler.method.features import FEATURES, Ground
from downscaler.method.forcing import forcing_until
from downscaler.method.pattern import ratio_to_m01
from downscaler.playground.place import Place, Sample, Whole

GAP_DAYS, JUDGED_RUN = 7, 7  # days apart from the learning days; days judged at a stretch
CYCLE_DAYS, CYCLES = 45, 8
LEAST_LEARNING = 10  # days
STREAM_SHARE = 0.05  # of the ground, by topographic wetness
FOREST = (1, 2, 3, 4, 5)  # IGBP classes
SITED = ("elevation", "slope", "topographic_wetness", "land_cover")  # what siting is made from
Rows = NDArray[np.float32]
Index = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class World:
    """One truth; cells are the active ones, row by row from the north-west, or a sample of them.

    Attributes:
        place: where the cells lie, with statistics of the learning days alone.
        dates: days of the experiment, ``learning`` and ``judged`` are positions among them, at least a week apart.
        theta: true soil moisture [days, cells], m3 m-3.
        statics: terrain, soil and land cover [cells, k] by ``static_names``; no statistics of soil moisture.
        weather: antecedent rain and warmth [days, cells, m] by ``weather_names``; m is 0 where none is stored.
        siting: what decides where stations are put [cells] by name, see ``siting``.
        xy: cell centres [cells, 2], km in EASE-Grid 2.0 (equal-area).
        coarse_lonlat: centres of the coarse cells [2, nyc, nxc], degrees.
        block: 27 km block of each cell.
        records: ground and days as training of the hybrid sees them; none where a copy was sent to another process.
        positions: of the days that may be learned from, on the record's time axis.
        sample: how the cells were drawn; None where they are all.
    """

    place: Place
    dates: tuple[dt.date, ...]
    learning: Index
    judged: Index
    theta: Rows
    statics: Rows
    static_names: tuple[str, ...]
    weather: Rows
    weather_names: tuple[str, ...]
    siting: dict[str, Floats]
    xy: Floats
    coarse_lonlat: Floats
    block: Index
    positions: Index
    records: Sequence[TileRecord] = ()
    sample: Sample | None = None

    @property
    def cells(self) -> int:
        """Number of cells that are held."""
        return int(self.theta.shape[1])

    @property
    def domain_cells(self) -> int:
        """Number of the domain's active cells."""
        return self.cells if self.sample is None else self.sample.total

    @property
    def everywhere(self) -> Floats:
        """Places that stand for the domain's cells [m, 2], km."""
        return self.xy if self.sample is None else self.sample.everywhere

    @property
    def ground(self) -> Ground:
        """The window, of a world that holds all its cells."""
        assert isinstance(self.place, Whole)
        return self.place.ground

    def light(self) -> World:
        """The same without the records, for sending to other processes."""
        return replace(self, records=())

    def field(self, values: NDArray[np.floating]) -> Floats:
        """Values of the cells [cells] on the window [ny, nx], NaN elsewhere; of a world that holds all its cells."""
        assert isinstance(self.place, Whole)
        return self.place.field(values)


def make_world(data: xr.Dataset, *, learning_days: int = 60, judged_days: int = 30) -> World:
    """A playground's truth from a prior's variables on a window of whole M36 cells, held in memory.

    The record is cut into stretches; each gives days to learn from and a week to be judged on, a week away from any
    day that is learned from.

    Args:
        data: as a prior store has it, with ``x`` and ``y`` in EASE-Grid 2.0 metres.
        learning_days: days with station readings, evenly chosen.
        judged_days: days on which every method is judged wall to wall, evenly chosen.

    Raises:
        TrainingError: the record is too short.
        PriorSchemaError: the prior lacks porosity or residual water content.
    """
    data = data.load()
    forcing, usable = _usable_days(data)
    learn, judge = learning_and_judged(usable)
    record = TileRecord(data, M09, learn)
    ground = record.ground
    chosen = [evenly(learn, learning_days), evenly(judge, judged_days)]
    days = np.concatenate(chosen)
    dates = [date.item() for date in data["time"].values[days].astype("datetime64[D]")]
    names, weather = _weather(ground, dates, [forcing.get(int(day)) for day in days])
    statics = _statics(ground)
    xy = np.stack(np.meshgrid(data["x"].values, data["y"].values), axis=-1)[ground.active] / 1000.0
    return World(
        place=Whole(ground),
        dates=tuple(dates),
        learning=np.arange(len(chosen[0])),
        judged=np.arange(len(chosen[0]), len(days)),
        theta=data["soil_moisture"].values[days][:, ground.active].astype(np.float32),
        statics=np.stack(list(statics.values()), axis=1) if statics else np.empty((int(ground.active.sum()), 0), "f4"),
        static_names=tuple(statics),
        weather=weather,
        weather_names=names,
        siting=siting(ground.fields, ground.active),
        xy=xy,
        coarse_lonlat=coarse_lonlat(data),
        block=spatial_blocks(ground.active)[ground.active],
        positions=learn,
        records=(record,),
    )


def _usable_days(data: xr.Dataset) -> tuple[dict[int, dict[str, Floats]], Index]:
    """Forcing by day, and days with soil moisture everywhere; of these alone with forcing, if most have it."""
    active, theta = data["active"].values.astype(bool), data["soil_moisture"].values
    known = np.flatnonzero(np.isfinite(theta[:, active]).all(axis=1)) if active.any() else np.array([], np.intp)
    if "precipitation" not in data:
        return {}, known
    dates = data["time"].values.astype("datetime64[D]")
    found = {int(day): forcing_until(data, dates[day].item()) for day in known}
    forcing = {day: fields for day, fields in found.items() if fields is not None}
    if len(forcing) <= len(known) // 2:
        return {}, known
    return forcing, np.array(list(forcing), np.intp)


def learning_and_judged(days: Index) -> tuple[Index, Index]:
    """Days to learn from and days to be judged on, stretch by stretch, ``GAP_DAYS`` apart on either side.

    A record that would leave less than two weeks to learn from is judged on its last week. Raises TrainingError where
    that leaves fewer than ``LEAST_LEARNING`` days.
    """
    least, last = 2 * GAP_DAYS + JUDGED_RUN, GAP_DAYS + JUDGED_RUN
    if len(days) < last + LEAST_LEARNING:
        raise TrainingError(
            "The record is too short for a playground",
            value=f"{len(days)} days",
            allowed=f"at least {last + LEAST_LEARNING} days",
        )
    if len(days) < least + 14:
        return days[:-last], days[-JUDGED_RUN:]
    learn, judge = [], []
    for stretch in np.array_split(days, max(1, min(CYCLES, len(days) // CYCLE_DAYS))):
        learn.append(stretch[:-least])
        judge.append(stretch[-GAP_DAYS - JUDGED_RUN : -GAP_DAYS])
    return np.concatenate(learn), np.concatenate(judge)


def evenly(days: Index, count: int) -> Index:
    """At most ``count`` of the days, evenly spaced, the first and the last among them."""
    chosen: Index = days[np.unique(np.linspace(0, len(days) - 1, min(count, len(days))).round().astype(np.intp))]
    return chosen


def _weather(
    ground: Ground, dates: list[dt.date], forcing: list[dict[str, Floats] | None]
) -> tuple[tuple[str, ...], Rows]:
    """Names and values [days, cells, m] of the predictors made from forcing."""
    names: tuple[str, ...] = ()
    found = []
    for date, of_day in zip(dates, forcing, strict=True):
        if of_day is None:
            continue
        fields = ground.day(ground.coarse_level, date, of_day)
        names = tuple(f.name for f in FEATURES if f.group == "forcing" and f.name in fields)
        found.append(np.stack([fields[name][ground.active] for name in names], axis=1))
    cells = int(ground.active.sum())
    return names, np.stack(found) if found else np.empty((len(dates), cells, 0), np.float32)


def _statics(ground: Ground) -> dict[str, Rows]:
    """Static predictors of the cells that vary at all."""
    names = [f.name for f in FEATURES if f.group == "static" and f.name in ground.fields]
    fields: dict[str, Rows] = {name: ground.fields[name][ground.active] for name in names}
    return {name: field for name, field in fields.items() if np.nanmax(field) - np.nanmin(field) > 0}


def siting(fields: Mapping[str, Rows], active: Bools) -> dict[str, Floats]:
    """Covariates of station siting [cells] that the prior can give, from ``elevation`` and so on [ny, nx].

    ``elevation`` (m), ``slope`` (1), ``topographic_wetness`` (1), ``stream_distance`` (km to the nearest of the
    wettest twentieth of the ground by topographic wetness), ``forest`` (1 in IGBP forest classes, else 0). Roads are
    in no ParFlow-CLM prior; like streams they follow the valleys.
    """
    named = [name for name in SITED if name in fields and name != "land_cover"]
    found = {name: fields[name][active].astype(np.float64) for name in named}
    if "topographic_wetness" in found and np.ptp(found["topographic_wetness"]) > 0:
        wet = fields["topographic_wetness"] >= np.quantile(found["topographic_wetness"], 1 - STREAM_SHARE)
        found["stream_distance"] = distance_transform_edt(~(wet & active))[active]
    if "land_cover" in fields:
        found["forest"] = np.isin(fields["land_cover"][active], FOREST).astype(np.float64)
    return {name: np.nan_to_num(field) for name, field in found.items() if np.ptp(np.nan_to_num(field)) > 0}


def coarse_lonlat(data: xr.Dataset) -> Floats:
    """Centres of the coarse cells of a window [2, nyc, nxc], degrees."""
    ratio = ratio_to_m01(M09)
    x, y = (data[name].values.reshape(-1, ratio).mean(axis=1) for name in ("x", "y"))
    lonlat: Floats = np.stack(Transformer.from_crs(CRS, "EPSG:4326", always_xy=True).transform(*np.meshgrid(x, y)))
    return lonlat
