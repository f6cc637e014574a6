"""A day, tile by tile: land that is kept, weather that is made once, trees on the cells that are published."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr
from threadpoolctl import threadpool_limits

from downscaler.ground.blocks import Bools, Floats, spread_blocks
from downscaler.ground.coarse_day import CoarseDay
from downscaler.ground.grid import Window
from downscaler.ground.prior import Prior
from downscaler.ground.tiles import Tile
from downscaler.method.coarse.analysis import Memory
from downscaler.method.coarse.following import Response
from downscaler.method.conserve import HALO, noise_gain, noise_surface
from downscaler.method.features import Ground, coarse_predictors
from downscaler.method.forcing import all_beside, borrowed, own_days
from downscaler.method.hybrid import DEFAULT_ERROR, TILE, Answer, Branch, Estimate, Model, check_features, finish
from downscaler.method.matching import Matching
from downscaler.method.pattern import ratio_to_m01
from downscaler.method.quality import minutes, quality
from downscaler.method.tile.analysed import ANALYSED, joined
from downscaler.method.tile.land import Arrays, Keep, Land, keep_nothing
from downscaler.method.tile.levels import in_prior, with_error
from downscaler.method.tile.turns import in_order
from downscaler.method.tile.weather import DaysOfWeather, WeatherOfDay, nothing_kept, tile_weather
from downscaler.method.weather.coarse import Shelf
from downscaler.product import Flag

_ROWS = 32_768  # cells that go through the trees at once: their predictors stay in the processor's cache
WARM_WEEK = "air_temperature_7d"
_FORCING = ("active", "precipitation", "air_temperature")  # of the prior, as far as it has them
_COARSE = ("kept", "in_prior", "scale", "soil_moisture_error", "analysed", *ANALYSED)


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """What is kept of the work: land from day to day, a day's weather from one product to the next.

    ``coarse`` keeps days of weather on SMAP's cells and ``passes`` SMAP's own, which the analyses of many days draw on.
    """

    land: Keep = keep_nothing
    weather: Keep | None = None
    coarse: Shelf | None = None
    passes: Shelf | None = None


def predict(
    model: Model,
    prior: Prior,
    day: CoarseDay,
    *,
    matching: Matching | None = None,
    weather: DaysOfWeather | None = None,
    tile: int = TILE,
    keeping: Keeping | None = None,
    threads: int = 1,
) -> Iterator[Tile]:
    """Downscale a day, one tile of whole SMAP cells after the other; memory is that of a tile for each thread.

    Args:
        model: a trained model.
        prior: covers the day's domain.
        day: the SMAP retrievals; only recommended ones are used, and what an analysis has besides (``filled``).
        matching: carries SMAP into the prior's climatology for the predictors; departures come back scaled.
        weather: rain and temperature of days that the prior does not hold.
        tile: M36 cells along one edge of a tile.
        keeping: where land and weather are kept; None keeps the weather in memory while the day is made.
        threads: tiles that are made at once. The pixels do not depend on it.

    Raises:
        PriorCoverageError: the prior does not cover the domain.
        ModelFeatureError: the model needs what the prior does not have.
    """
    prior.require(day.domain)
    windows = list(day.domain.blocks(tile))
    alone = threads if len(windows) == 1 else 1  # threads of the trees
    keeping = keeping or Keeping()
    day, _ = with_error(day, prior, model.memory.get(day.grid.name), keeping.land, matching)
    prepared = _prepared(day, matching)
    work = _Day(model.on(alone), prior, day, prepared, weather, keeping)
    with threadpool_limits(1, user_api="blas"):  # its matrices are small: two threads wait for each other
        work.learn_weather(windows, threads)
        yield from in_order(work.tile, windows, threads)


def _prepared(day: CoarseDay, matching: Matching | None) -> xr.Dataset:
    """The day's coarse fields with what prediction adds: ``kept``, the same ``in_prior`` climatology, and ``scale``."""
    data = day.data if "filled" in day.data else day.data.assign(filled=day.data["recommended"] & False)
    used = data["recommended"].values | data["filled"].values
    kept = np.where(used, data["soil_moisture"].values, np.nan)
    matched = in_prior(kept, day, matching)
    scale = np.ones(kept.shape) if matching is None else matching.scale(day.date)
    fields = {"kept": kept, "in_prior": matched, "scale": scale}
    return data.assign({name: (("y", "x"), field) for name, field in fields.items()})


class _Day:
    """One day's work on the tiles of its domain."""

    def __init__(
        self,
        model: Model,
        prior: Prior,
        day: CoarseDay,
        prepared: xr.Dataset,
        weather: DaysOfWeather | None,
        keeping: Keeping,
    ) -> None:
        self._model, self._prior, self._day, self._prepared = model, prior, day, prepared
        self._held, self._keep_land = weather, keeping.land
        self._keep_weather = keeping.weather or _in_memory()
        self._ratio = ratio_to_m01(day.grid)
        self._whole = day.domain.window().relative_to(day.domain.window())
        self._active: Bools = prior.active(day.domain)
        self._weather = WeatherOfDay(day.domain, self._ratio, self._active)
        self._seen = np.isfinite(prepared["kept"].values)
        own = prior.data["time"].values.astype("datetime64[D]")
        self._everywhere = Flag(0) if np.datetime64(day.date) in own else Flag.STALE_PRIOR
        lent = borrowed(day.date, own_days(prior.data), weather.days) if weather else []
        self._beside = weather is not None and all_beside(prior.data, day.date, weather.days)
        self._early = weather is not None and not weather.preliminary.isdisjoint(lent)

    def learn_weather(self, windows: list[Window], threads: int) -> None:
        """The antecedent weather of all tiles that a tile with retrievals draws on."""
        if not self._model.branch(self._day.grid, forcing=True).forcing:
            return
        near = np.zeros(self._active.shape, bool)
        for window in windows:
            if self._has_work(window):
                near[self._grown(window).index] = True
        asked = [window for window in windows if (near[window.index] & self._active[window.index]).any()]
        for window, made in zip(asked, in_order(self._weather_of, asked, threads), strict=True):
            self._weather.add(window, made)

    def tile(self, window: Window) -> Tile:
        """One tile of the product."""
        grown = self._grown(window)
        told = self._everywhere
        if self._has_work(window):
            with self._prior.reading(grown):
                result, of_weather = self._estimate(window, grown)
            told |= of_weather
        else:  # nothing to downscale: no ground is read and no tree asked
            result = _nothing(window)
        here = self._prepared.isel(window.coarser(self._ratio).slices)
        theta = result.soil_moisture
        flags = quality(here, theta, clipped=result.clipped, outside=result.outside, everywhere=told, ratio=self._ratio)
        fields = {
            "soil_moisture": theta,
            "uncertainty": result.uncertainty,
            "lower": result.lower,
            "upper": result.upper,
            "quality_flag": flags,
            "observation_time": minutes(here, self._day.date, theta, self._ratio),
        }
        if "analysed" in here:
            shown = np.isfinite(theta)
            age, share = (spread_blocks(here[name].values, self._ratio) for name in ("age_days", "smap_share"))
            fields["smap_age"] = np.where(shown & (age >= 0), age, np.nan)
            fields["smap_share"] = np.where(shown, share, np.nan)
        return Tile(window=window, fields=fields)

    def _grown(self, window: Window) -> Window:
        return window.grown(HALO * self._ratio, within=self._whole)

    def _has_work(self, window: Window) -> bool:
        seen = self._seen[window.coarser(self._ratio).index]
        return bool(seen.any() and self._active[window.index].any())

    def _weather_of(self, window: Window) -> Arrays:
        day, held = self._day, self._held
        name = f"{day.grid.name}-{day.date}-{held.key if held else ''}/{_place(window)}"

        def make() -> Arrays:
            data, active = self._prior.window(day.domain, window, _FORCING), self._active[window.index]
            with self._prior.reading(window):
                if held is None:
                    return tile_weather(data, active, day.date, self._ratio)
                on = held.on(day.domain, window)
                kept = held.kept_on(day.domain, window) if self._beside else nothing_kept
                return tile_weather(data, active, day.date, self._ratio, on, held.days, kept)

        return self._keep_weather(name, make)

    def _land(self, window: Window, grown: Window) -> Land:
        def make() -> Arrays:
            data, grid = self._prior.window(self._day.domain, grown), self._day.grid
            return Land.of(Ground(data, grid), window.relative_to(grown), Response.of(data, grid)).arrays()

        return Land.from_arrays(self._keep_land(f"{self._day.grid.name}-{_place(window)}-settled", make))

    def _estimate(self, window: Window, grown: Window) -> tuple[Estimate, Flag]:
        """The estimate of a tile, and what its flags tell of the weather."""
        land = self._land(window, grown)
        inner = window.relative_to(grown)
        kept = spread_blocks(self._seen[window.coarser(self._ratio).index], self._ratio).ravel()
        land = land.part(kept[land.cells])
        weather, told = self._weather_on(window, grown, land)
        branch = self._model.branch(self._day.grid, forcing=weather is not None)
        there = [name for name in _COARSE if name in self._prepared]
        coarse = self._prepared[there].isel(grown.coarser(self._ratio).slices)
        days = {} if weather is None or not branch.forcing else weather
        follows = "slow_departure" in coarse and bool(land.response.size)
        made = _estimate_land(branch, land, coarse, inner, days, self._day, bounds=not follows)
        if follows:  # its interval is the response's
            made = joined(made, land, self._model.memory.get(self._day.grid.name, Memory()), coarse, inner)
        return made, told

    def _weather_on(self, window: Window, grown: Window, land: Land) -> tuple[dict[str, Floats] | None, Flag]:
        """The antecedent weather of a tile's land, and whether it is preliminary, or none though the model asks it."""
        branch = self._model.branch(self._day.grid, forcing=True)
        if not branch.forcing:
            return None, Flag(0)
        weather = self._weather.on(window, grown, land, self._weather_of(window))
        if weather is None or (WARM_WEEK in branch.features and WARM_WEEK not in weather):
            return None, Flag.WITHOUT_WEATHER
        return weather, Flag.PRELIMINARY_WEATHER if self._early else Flag(0)


def _estimate_land(
    branch: Branch,
    land: Land,
    coarse: xr.Dataset,
    inner: Window,
    weather: dict[str, Floats],
    day: CoarseDay,
    *,
    bounds: bool,
) -> Estimate:
    """The estimate of the land cells of the ``inner`` part of a window whose coarse fields are given."""
    kept, scale, analysed = coarse["kept"].values, coarse["scale"].values, "analysed" in coarse
    error = coarse["soil_moisture_error"].values
    error = np.where(np.isfinite(error) & (error > 0), error, DEFAULT_ERROR)
    nominal = np.zeros(error.shape) if analysed else error / scale
    signal, noise = land.split(coarse["in_prior"].values, nominal, branch.roughness, pattern=branch.pattern)

    def listed(field: Floats) -> Floats:
        return np.asarray(field[inner.index].ravel()[land.cells])

    smooth = land.surface(signal)
    surface = listed(smooth)
    down, across = (listed(np.asarray(slope)) for slope in np.gradient(smooth))
    days = coarse_predictors(land, surface, down, across, day.date) | weather
    check_features(branch, dict.fromkeys(land.names) | days)
    noise = scale * noise
    same = bool(np.array_equal(kept - noise, signal, equal_nan=True))
    guess = surface if same else listed(land.surface(kept - noise))
    if np.nan_to_num(noise).any():
        guess = guess + listed(noise_surface(noise, land.active, land.ratio))
    factor = np.float64(1.0) if (scale == 1.0).all() else listed(land.surface(scale))
    parts = range(0, len(land.cells), _ROWS)
    answer = Answer.together(
        [branch.answer(land.rows(days, branch.features, slice(first, first + _ROWS)), bounds=bounds) for first in parts]
    )
    contrast = answer.mean + (days["quantile_pattern"].astype(np.float32) if branch.pattern else np.float32(0.0))

    def on_grid(values: Floats) -> Floats:
        grid = np.full(inner.shape.y * inner.shape.x, np.nan)
        grid[land.cells] = values
        return grid.reshape(inner.shape.y, inner.shape.x)

    return finish(
        branch,
        answer,
        guess=guess + factor * contrast,
        factor=factor,
        use=np.isfinite(on_grid(land.residual)),
        coarse=kept[inner.coarser(land.ratio).index],
        error=error[inner.coarser(land.ratio).index],
        limits=(on_grid(land.residual), on_grid(land.porosity)),
        gain=1.0 if analysed else np.tile(noise_gain(land.ratio), error[inner.coarser(land.ratio).index].shape),
    )


def _place(window: Window) -> str:
    """A tile's name in its domain."""
    return "-".join(f"{span.start:05d}-{span.stop:05d}" for span in (window.rows, window.columns))


def _in_memory() -> Keep:
    made: dict[str, Arrays] = {}

    def keep(name: str, make: Callable[[], Arrays]) -> Arrays:
        if name not in made:
            made[name] = make()
        return made[name]

    return keep


def _nothing(window: Window) -> Estimate:
    shape = (window.shape.y, window.shape.x)
    missing, no = np.full(shape, np.nan), np.zeros(shape, bool)
    return Estimate(soil_moisture=missing, lower=missing, upper=missing, uncertainty=missing, clipped=no, outside=no)
