"""A prior at chosen cells, and its ground under them and at cells drawn from the whole domain."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from downscaler.ground.grid import Domain, Window
from downscaler.ground.prior import Prior, read_days
from downscaler.method.day_of_year import on_days

Floats = NDArray[np.float64]
_DAYS = 30  # days read at once, as they are stored
GROUND = (
    "elevation",
    "slope",
    "topographic_wetness",
    "porosity",
    "log_permeability",
    "sand_fraction",
    "clay_fraction",
    "soil_moisture_level",
    "soil_moisture_sd",
    "land_cover",
)
"""What makes places alike or unlike for soil moisture; as far as the prior has it."""


def days_at(
    prior: Prior, domain: Domain, dates: Sequence[dt.date], rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Soil moisture at cells: the day's own where the record has it, else its climatology's.

    Args:
        prior: the store.
        domain: that cells are counted in.
        dates: days wanted.
        rows: of the cells [sites].
        columns: of the cells [sites].

    Returns:
        [sites, days] in m3 m-3, NaN where no cell is active; and [days], whether the day is in the record.

    Raises:
        PriorCoverageError: the prior does not cover the domain.
    """
    prior.require(domain)
    stored = prior.data["time"].values.astype("datetime64[D]")
    days = np.asarray(dates, dtype="datetime64[D]")
    known = np.isin(days, stored)
    at = np.searchsorted(stored, days[known])
    of_year = np.array([day.item().timetuple().tm_yday for day in days[~known]], dtype=np.intp)
    own = np.flatnonzero(known)
    result = np.full((len(rows), len(days)), np.nan)
    for data, here, y, x in _tiles(prior, domain, rows, columns):
        for first in range(0, len(own), _DAYS):
            part = slice(first, first + _DAYS)
            result[np.ix_(here, own[part])] = read_days(data["soil_moisture"], at[part])[:, y, x].T
        if len(of_year):
            waves = data["soil_moisture_climatology"].values[:, y, x]
            result[np.ix_(here, np.flatnonzero(~known))] = on_days(waves, of_year).T
    return result, known


def calendar_at(
    prior: Prior, domain: Domain, name: str, dates: Sequence[dt.date], rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> Floats | None:
    """A layer's mean and one wave of the year at cells, from the prior's record: [sites, days] in m3 m-3.

    Args:
        prior: the store.
        domain: that cells are counted in.
        name: of the layer's variable, such as ``soil_moisture_layer2``.
        dates: days wanted.
        rows: of the cells [sites].
        columns: of the cells [sites].

    Returns:
        NaN where no cell is active; None where the prior does not hold the layer.

    Raises:
        PriorCoverageError: the prior does not cover the domain.
    """
    prior.require(domain)
    if name not in prior.data:
        return None
    wanted = _waves(np.array([day.timetuple().tm_yday for day in dates]))
    held = _waves(prior.data["time"].dt.dayofyear.values)
    result = np.full((len(rows), len(dates)), np.nan)
    for data, here, y, x in _tiles(prior, domain, rows, columns):
        parts = [np.arange(first, min(first + _DAYS, len(held))) for first in range(0, len(held), _DAYS)]
        layer = np.concatenate([read_days(data[name], part)[:, y, x] for part in parts]).astype(np.float64)
        known = np.isfinite(layer).all(axis=0)
        fitted = np.linalg.lstsq(held, layer[:, known], rcond=None)[0]
        result[here[known]] = (wanted @ fitted).T
    return result


def _waves(days_of_year: NDArray[np.integer]) -> Floats:
    angles = 2 * np.pi * days_of_year / 365.25
    return np.stack([np.ones(angles.size), np.cos(angles), np.sin(angles)], axis=1)


def ground_at(prior: Prior, domain: Domain, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> dict[str, Floats]:
    """Properties of the ground at cells by name [sites], of ``GROUND`` those that the prior has."""
    found: dict[str, Floats] = {}
    for data, here, y, x in _tiles(prior, domain, rows, columns):
        for name, field in _ground(data).items():
            found.setdefault(name, np.full(len(rows), np.nan))[here] = field[y, x]
    return found


def ground_sample(prior: Prior, domain: Domain, *, cells: int = 20_000, seed: int = 0) -> dict[str, Floats]:
    """The same of active cells drawn at random from the whole domain, at most ``cells`` of them."""
    random = np.random.default_rng(seed)
    shape = domain.shape()
    share = min(1.0, 1.5 * cells / (shape.y * shape.x))
    parts: dict[str, list[Floats]] = {}
    for window in domain.blocks():
        data = prior.window(domain, window)
        drawn = data["active"].values.astype(bool)
        drawn &= random.random(drawn.shape) < share
        if drawn.any():
            for name, field in _ground(data).items():
                parts.setdefault(name, []).append(field[drawn])
    whole = {name: np.concatenate(fields) for name, fields in parts.items()}
    count = len(next(iter(whole.values()), np.zeros(0)))
    kept = np.sort(random.permutation(count)[:cells])
    return {name: field[kept] for name, field in whole.items()}


def _tiles(
    prior: Prior, domain: Domain, rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> Iterator[tuple[xr.Dataset, NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]]:
    """Tiles with cells: the prior there, which cells, and their rows and columns in the tile."""
    for window in domain.blocks():
        here = np.flatnonzero(_inside(window, rows, columns))
        if here.size:
            y, x = rows[here] - window.rows.start, columns[here] - window.columns.start
            yield prior.window(domain, window), here, y, x


def _inside(window: Window, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.bool_]:
    tall = (window.rows.start <= rows) & (rows < window.rows.stop)
    return np.asarray(tall & (window.columns.start <= columns) & (columns < window.columns.stop))


def _ground(data: xr.Dataset) -> dict[str, Floats]:
    """The properties of a tile by name [y, x], NaN where not active."""
    active = data["active"].values.astype(bool)
    fields = {name: data[name].values.astype(float) for name in GROUND if name in data}
    if "permeability" in data:
        with np.errstate(invalid="ignore", divide="ignore"):
            fields["log_permeability"] = np.log10(np.maximum(data["permeability"].values.astype(float), 1e-9))
    if "slope_x" in data and "slope_y" in data:
        fields["slope"] = np.hypot(data["slope_x"].values.astype(float), data["slope_y"].values.astype(float))
    return {name: np.where(active, fields[name], np.nan) for name in GROUND if name in fields}
