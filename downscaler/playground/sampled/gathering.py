"""Makes the world of a sample: one pass over a prior, tile by tile, keeping the listed cells and all coarse means.

Memory is that of a tile's days (4 bytes a cell, day and variable), of the listed cells with their predictors of the
chosen days (some 120 bytes a cell and day), of the coarse cells' truth and weather on these days (56 bytes a cell and
day), and of the frame (some 80 bytes an active cell). No field of the domain's days is ever whole.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from downscaler.ground.blocks import Bools, Floats, block_mean
from downscaler.ground.grid import M09, Domain, Window
from downscaler.ground.prior import Prior, read_days
from downscaler.learn.samples import BLOCK_CELLS, record_statistics
from downscaler.method.features import CLASSES, FEATURES, MISSING, antecedent, static_sources
from downscaler.method.forcing import RAIN, WARMTH, forcing_until
from downscaler.method.hybrid import TILE
from downscaler.method.pattern import QUANTILES, ratio_to_m01, sensitivity_name
from downscaler.method.surfaces_at import Spots, SurfacesAt
from downscaler.method.tile.land import Land
from downscaler.playground.experiment import Design
from downscaler.playground.place import Index
from downscaler.playground.sampled.frame import Frame
from downscaler.playground.sampled.listed import Listed
from downscaler.playground.sampled.patches import Patches, needed
from downscaler.playground.sampled.sampling import Drawn, draw_sample
from downscaler.playground.world import World, coarse_lonlat, evenly, learning_and_judged

_SMOOTH = ("soil_moisture_level", "soil_moisture_sd", *QUANTILES)


def sampled_world(prior: Prior, domain: Domain, frame: Frame, design: Design, cells: int, tile: int = TILE) -> World:
    """A playground's truth on ``cells`` cells of a domain at most, which stand for all of it.

    Raises:
        TrainingError: the record is too short.
        ConfigError: too few cells; see ``draw_sample``.
    """
    drawn = draw_sample(frame, design, cells, ratio_to_m01(M09))
    rained, usable = _usable_days(prior, frame.days)
    learn, judge = learning_and_judged(usable)
    chosen = [evenly(learn, design.days[0]), evenly(judge, design.days[1])]
    gathering = _Gathering(prior, domain, frame, drawn, learn, np.concatenate(chosen), weather=rained)
    for window in domain.blocks(tile):
        if frame.active[window.index].any():
            with prior.reading(window):
                gathering.add(window)
    return gathering.world(len(chosen[0]), Patches(prior, domain, frame, learn, design.seed))


def _usable_days(prior: Prior, known: Index) -> tuple[bool, Index]:
    """Whether there is weather, and the days that have it, as ``world`` chooses them."""
    names = [name for name in (RAIN, WARMTH) if name in prior.data]
    corner = prior.data[names].isel(y=slice(0, 1), x=slice(0, 1)).load()
    dates = corner["time"].values.astype("datetime64[D]")
    with_weather = [day for day in known if forcing_until(corner, dates[day].item()) is not None] if names else []
    if RAIN not in prior.data or len(with_weather) <= len(known) // 2:
        return False, known
    return True, np.array(with_weather, np.intp)


class _Gathering:
    """What is kept of each tile."""

    def __init__(
        self, prior: Prior, domain: Domain, frame: Frame, drawn: Drawn, learn: Index, days: Index, *, weather: bool
    ) -> None:
        self._prior, self._domain, self._frame, self._drawn = prior, domain, frame, drawn
        self._learn, self._days, self._ratio = learn, days, ratio_to_m01(M09)
        self._row, self._column = np.divmod(drawn.flat, frame.active.shape[1])
        self._shape = tuple(size // self._ratio for size in frame.active.shape)
        stored = prior.data["time"].values.astype("datetime64[D]")
        self._dates = [stored[day].item() for day in days]
        self._weather = weather
        self._theta = np.full((len(days), len(drawn.flat)), np.nan, np.float32)
        self._truth = np.full((len(days), *self._shape), np.nan)
        self._own: dict[str, Floats] = {}
        self._coarse: dict[str, Floats] = {}
        self._known: dict[str, Bools] = {}
        self._rain: dict[str, Floats] = {}
        self._coarse_rain: dict[str, Floats] = {}

    def add(self, window: Window) -> None:
        """Read a tile."""
        data = needed(self._prior, self._domain, window)
        data = data.assign(soil_moisture=data["soil_moisture"].load())
        inside = (self._row >= window.rows.start) & (self._row < window.rows.stop)
        inside &= (self._column >= window.columns.start) & (self._column < window.columns.stop)
        here = np.flatnonzero(inside)
        at = self._row[here] - window.rows.start, self._column[here] - window.columns.start
        active, part = data["active"].values.astype(bool), window.coarser(self._ratio).index
        theta = read_days(data["soil_moisture"], self._days)
        self._theta[:, here] = theta[:, *at]
        self._truth[:, *part] = block_mean(theta, active, self._ratio)
        statistics = dict(record_statistics(data, self._learn))
        for name in (*_SMOOTH, sensitivity_name(M09)):
            self._keep(name, np.asarray(statistics[name], np.float64), active, window, here, at)
        for name, field in self._statics(window).items():
            self._keep(name, field, active, window, here, at)
        if self._weather:
            self._add_weather(data, active, part, here, at)

    def _statics(self, window: Window) -> dict[str, Floats]:
        edge = self._domain.window().relative_to(self._domain.window())
        grown = window.grown(1, within=edge)
        data = self._prior.window(self._domain, grown).drop_dims(["time", "harmonic"], errors="ignore")
        inner = window.relative_to(grown).index
        return {name: field[inner] for name, field in static_sources(data).items()}

    def _keep(
        self, name: str, field: Floats, active: Bools, window: Window, here: Index, at: tuple[Index, Index]
    ) -> None:
        """A static field at the listed cells, its block means, and where it is known if not on all land."""
        self._own.setdefault(name, np.full(len(self._row), np.nan))[here] = field[at]
        if name in CLASSES:
            return
        known = active & np.isfinite(field)
        means = self._coarse.setdefault(name, np.full(self._shape, np.nan))
        means[window.coarser(self._ratio).index] = block_mean(field, known, self._ratio)
        if name not in self._known and not np.array_equal(known, active):
            self._known[name] = self._frame.active.copy()
        if name in self._known:
            self._known[name][window.index] = known

    def _add_weather(
        self, data: xr.Dataset, active: Bools, part: tuple[slice, slice], here: Index, at: tuple[Index, Index]
    ) -> None:
        """Antecedent weather of the chosen days: at the listed cells, and as block means, of which it is a sum too."""
        own, coarse = {}, {}
        for name in (RAIN, WARMTH):
            if name in data:
                values = data[name].values
                own[name] = (("time", "y", "x"), values[:, None, *at])
                values = np.nan_to_num(values) if name == RAIN else values
                coarse[name] = (("time", "y", "x"), block_mean(values, active, self._ratio))
        held, means = (xr.Dataset(fields, coords={"time": data["time"]}) for fields in (own, coarse))
        land = active.reshape(len(active) // self._ratio, self._ratio, -1, self._ratio).any(axis=(1, 3))
        for number, date in enumerate(self._dates):
            for kept, source in ((self._rain, held), (self._coarse_rain, means)):
                forcing = forcing_until(source, date)
                assert forcing is not None
                for name, field in antecedent(forcing).items():
                    shape = (len(self._dates), *((len(self._row),) if source is held else self._shape))
                    values = kept.setdefault(name, np.full(shape, np.nan))[number]
                    if source is held:
                        values[here] = field[0]
                    else:
                        values[part] = np.where(land, field, np.nan)

    def world(self, learning: int, patches: Patches) -> World:
        """The world, after all tiles."""
        level, frame = self._own["soil_moisture_level"], self._frame
        land = self._known.pop("soil_moisture_level", frame.active)
        surfaces = SurfacesAt(land, self._ratio)
        spots = surfaces.spots(self._row, self._column)
        smooth = {name: surfaces(self._coarse[name], spots) for name in _SMOOTH}
        fields = self._fields(surfaces, spots, smooth)
        names = tuple(f.name for f in FEATURES if f.name in fields)
        table = np.stack([fields[name] for name in names], axis=1)
        made = Land(
            cells=self._drawn.flat,
            names=names,
            statics=np.nan_to_num(table, nan=MISSING, posinf=MISSING, neginf=MISSING),
            smooth_level=smooth["soil_moisture_level"],
            smooth_sd=smooth["soil_moisture_sd"],
            smooth_quantiles=np.stack([smooth[name] for name in QUANTILES]),
            quantiles=np.stack([self._own[name] for name in QUANTILES]),
            active=land,
            coarse_level=self._coarse["soil_moisture_level"],
            ratio=self._ratio,
            response=np.zeros((3, 0)),
        )
        static = [f.name for f in FEATURES if f.group == "static" and f.name in fields and _varies(fields[f.name])]
        weather_names, weather = self._weather_fields(surfaces, spots)
        sample = self._drawn.sample
        label = (self._row // BLOCK_CELLS) * -(-frame.active.shape[1] // BLOCK_CELLS) + self._column // BLOCK_CELLS
        whole = self._domain.window().relative_to(self._domain.window())
        return World(
            place=Listed(made, self._truth, level, sample.whole),
            dates=tuple(self._dates),
            learning=np.arange(learning),
            judged=np.arange(learning, len(self._days)),
            theta=self._theta,
            statics=np.stack([fields[name] for name in static], axis=1),
            static_names=tuple(static),
            weather=weather,
            weather_names=weather_names,
            siting={name: values[sample.number] for name, values in frame.siting.items()},
            xy=frame.xy[sample.number],
            coarse_lonlat=coarse_lonlat(self._prior.window(self._domain, whole)),
            block=np.unique(label, return_inverse=True)[1].astype(np.intp),
            positions=self._learn,
            records=patches,
            sample=sample,
        )

    def _fields(self, surfaces: SurfacesAt, spots: Spots, smooth: dict[str, Floats]) -> dict[str, NDArray[np.float32]]:
        """Static predictors of the listed cells, as ``Ground`` makes them."""
        own, level = self._own, self._own["soil_moisture_level"]
        made = {"pattern": level - smooth["soil_moisture_level"], "level": level}
        made["sensitivity"] = own[sensitivity_name(M09)]
        made |= {f"{name}_offset": own[name] - level for name in QUANTILES}
        made["soil_moisture_sd"] = own["soil_moisture_sd"]
        made["soil_moisture_sd_departure"] = own["soil_moisture_sd"] - smooth["soil_moisture_sd"]
        for name in own.keys() - {*_SMOOTH, sensitivity_name(M09)}:
            made[name] = own[name]
            if name not in CLASSES:
                near = SurfacesAt(self._known[name], self._ratio) if name in self._known else surfaces
                made[f"{name}_departure"] = own[name] - near(self._coarse[name], spots)
        return {name: field.astype(np.float32) for name, field in made.items()}

    def _weather_fields(self, surfaces: SurfacesAt, spots: Spots) -> tuple[tuple[str, ...], NDArray[np.float32]]:
        """Names and values [days, cells, m] of the predictors made from forcing."""
        names = tuple(
            f.name for f in FEATURES if f.group == "forcing" and f.name.removesuffix("_departure") in self._rain
        )
        made = np.full((len(self._dates), len(self._row), len(names)), np.nan, np.float32)
        for column, name in enumerate(names):
            plain = name.removesuffix("_departure")
            for day, (own, coarse) in enumerate(zip(self._rain[plain], self._coarse_rain[plain], strict=True)):
                if plain == name:
                    made[day, :, column] = own
                elif np.isfinite(coarse).any():
                    made[day, :, column] = own - surfaces(coarse, spots)
        return names, made


def _varies(field: NDArray[np.float32]) -> bool:
    return bool(np.isfinite(field).any()) and float(np.nanmax(field) - np.nanmin(field)) > 0
