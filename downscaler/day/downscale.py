"""Downscale one day of SMAP with a prior and a model: as one dataset, or tile by tile."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from downscaler import product
from downscaler.day.record import caveats, simulated_parts
from downscaler.ground.coarse_day import CoarseDay
from downscaler.ground.grid import Domain, domain_attributes
from downscaler.ground.prior import Prior
from downscaler.ground.tiles import Tile
from downscaler.method.hybrid import TILE, Model
from downscaler.method.matching import Matching
from downscaler.method.tile.predict import Keeping, predict
from downscaler.method.tile.weather import DaysOfWeather

GRID_MAPPING = "spatial_ref"
_AXES = {
    "y": {"standard_name": "projection_y_coordinate", "long_name": "y", "units": "m", "axis": "Y"},
    "x": {"standard_name": "projection_x_coordinate", "long_name": "x", "units": "m", "axis": "X"},
}


def downscale(
    day: CoarseDay,
    prior: Prior,
    model: Model,
    *,
    matching: Matching | None = None,
    weather: DaysOfWeather | None = None,
    tile: int = TILE,
) -> xr.Dataset:
    """Soil moisture of a day at 1 km, with its uncertainty, 90 % interval, flags and observation time.

    The numbers are those that are published, before they are rounded to their stored precision. What is too large for
    memory is made by ``tiles``, one tile after the other.

    Args:
        day: SMAP's retrievals on a domain (``read_smap``), or an analysis of them (``day.analysis.analyse_day``).
        prior: a ParFlow-CLM record that covers the domain (``open_prior``).
        model: a trained hybrid (``load_model``).
        matching: carries SMAP into the prior's climatology (``day.inputs.matched``); None takes it as it is.
        weather: rain and temperature of days that the prior does not hold (``open_weather(...).upto(day.date)``).
        tile: M36 cells along one edge of a tile; the result does not depend on it.

    Returns:
        On (y, x), cell centres in metres of EASE-Grid 2.0 (EPSG:6933), row 0 in the north: ``soil_moisture``,
        ``uncertainty``, ``lower`` and ``upper`` (m3 m-3, NaN without a value), ``quality_flag`` (bits of
        ``product.Flag``) and ``observation_time`` (minutes from 00:00 UTC of the day, NaN without one); scalar
        ``time``. Attributes follow CF-1.11; ``comment`` holds what a user has to know of the day.

    Raises:
        PriorCoverageError: the prior does not cover the domain.
        ModelFeatureError: the model was not trained for the day's grid, or needs what the prior does not have.

    Source: product.METHOD_CITATION.
    """
    fields = _mosaic(tiles(day, prior, model, matching=matching, weather=weather, tile=tile), day.domain)
    made = as_dataset(fields, day.domain.geobox(product.GRID), day.date)
    made_up = simulated_parts(day, prior, model)
    label = f" ({product.SIMULATED_LABEL})" if made_up else ""
    return made.assign_attrs(
        Conventions="CF-1.11",
        title=f"{product.TITLE}, {day.domain.title}, {day.date}{label}",
        source=", ".join([*(record.name for record in day.inputs), prior.title]),
        references=f"https://doi.org/{product.METHOD_DOI}",
        comment=" ".join([*caveats(day, prior, made_up), product.DEPTH_NOTE]),
        product_version=product.PRODUCT_VERSION,
        smap_grid=day.grid.name,
        **{f"domain_{key}": value for key, value in domain_attributes(day.domain).items()},
        simulated=int(bool(made_up)),
    )


def tiles(
    day: CoarseDay,
    prior: Prior,
    model: Model,
    *,
    matching: Matching | None = None,
    weather: DaysOfWeather | None = None,
    tile: int = TILE,
    keeping: Keeping | None = None,
    threads: int = 1,
) -> Iterator[Tile]:
    """The same day as a generator of tiles, which publishing consumes: memory is that of one tile for each thread.

    Arguments and errors are those of ``downscale``; ``keeping`` (``stores.prior.kept``) saves work from day to day.
    """
    return predict(model, prior, day, matching=matching, weather=weather, tile=tile, keeping=keeping, threads=threads)


def as_dataset(
    fields: Mapping[str, NDArray[np.generic]],
    box: GeoBox,
    date: dt.date,
    variables: Sequence[product.Variable] = product.VARIABLES,
) -> xr.Dataset:
    """Fields [ny, nx] of a day as a dataset with CF attributes and the CRS of their grid ``box``."""
    from odc.geo.xr import xr_coords  # brings boto3 with it, which publishing by tiles has no use for

    data = xr.Dataset(
        {v.name: (("y", "x"), fields[v.name], product.cf_attributes(v, grid_mapping=GRID_MAPPING)) for v in variables},
        coords=xr_coords(box, GRID_MAPPING),
    ).assign_coords(time=np.datetime64(date, "ns"))
    data["time"].attrs = {"standard_name": "time", "long_name": "Day (UTC)"}
    for name, attributes in _AXES.items():
        data[name].attrs = attributes
    return data


def _mosaic(made: Iterable[Tile], domain: Domain) -> dict[str, NDArray[np.generic]]:
    """The fields of tiles that cover a domain, each whole."""
    shape = domain.shape(product.GRID)
    fields: dict[str, NDArray[np.generic]] = {}
    for tile in made:
        for name, values in tile.fields.items():
            whole = fields.setdefault(name, np.empty((shape.y, shape.x), _dtype(values)))
            whole[tile.window.rows.slice, tile.window.columns.slice] = values
    return fields


def _dtype(values: NDArray[np.generic]) -> np.dtype[Any]:
    """Flags as they are, all else in single precision, NaN without a value."""
    return values.dtype if np.issubdtype(values.dtype, np.integer) else np.dtype(np.float32)
