"""The layout of a prior store: its variables, chunks and attributes, declared once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from downscaler import product
from downscaler.method.pattern import QUANTILES, sensitivity_name

KIND = "vadose-prior"
CHUNK = 288  # cells: eight M36 cells, the tile of the model
TIME_CHUNK = 30  # days
FILLS: dict[str, float] = {"float32": float("nan"), "int16": -1, "uint8": 0}


@dataclass(frozen=True, kw_only=True)
class PriorField:
    """One variable of the store: dimensions, stored type, units and meaning."""

    name: str
    dims: tuple[str, ...]
    dtype: str
    units: str
    title: str
    required: bool = False
    standard_name: str | None = None


LEVELS = {"precipitation": "precipitation_level", "air_temperature": "air_temperature_level"}
"""Means over the record of what drove the model, by the daily variable."""
DAILY, CLIMATE, STATIC = ("time", "y", "x"), ("dayofyear", "y", "x"), ("y", "x")
_SM = "volume_fraction_of_condensed_water_in_soil"


def _field(name: str, dims: tuple[str, ...], units: str, title: str, **more: Any) -> PriorField:
    return PriorField(name=name, dims=dims, units=units, title=title, **{"dtype": "float32", **more})


def _pattern_fields() -> tuple[PriorField, ...]:
    named = {
        "soil_moisture_level": ("m3 m-3", "Mean over the whole record"),
        "soil_moisture_sd": ("m3 m-3", "Standard deviation over the whole record"),
        **{name: ("m3 m-3", f"Quantile {share:g} over the whole record") for name, share in QUANTILES.items()},
        **{
            sensitivity_name(grid): ("1", f"Regression slope on the block mean of the {grid.name} cell")
            for grid in product.COARSE_GRIDS.values()
        },
    }
    return tuple(_field(n, STATIC, units, title, required=True) for n, (units, title) in named.items())


FIELDS: dict[str, PriorField] = {
    f.name: f
    for f in (
        _field(
            "soil_moisture", DAILY, "m3 m-3", "Daily mean of the model's top layer", required=True, standard_name=_SM
        ),
        _field("soil_moisture_mean", CLIMATE, "m3 m-3", "Day-of-year mean, smoothed over 31 days", required=True),
        _field("soil_moisture_spread", CLIMATE, "m3 m-3", "Day-of-year standard deviation", required=True),
        _field(
            "climatology_support", ("dayofyear",), "1", "Effective number of days behind a day of year", required=True
        ),
        _field("precipitation", DAILY, "mm day-1", "Daily precipitation that drove the model"),
        _field("air_temperature", DAILY, "K", "Daily mean air temperature that drove the model"),
        _field("precipitation_level", STATIC, "mm day-1", "Mean precipitation over the whole record"),
        _field("air_temperature_level", STATIC, "K", "Mean air temperature over the whole record"),
        _field("active", STATIC, "1", "1 where the model has soil moisture", dtype="uint8", required=True),
        _field("porosity", STATIC, "m3 m-3", "Porosity of the top layer", required=True),
        _field("residual", STATIC, "m3 m-3", "Residual water content of the top layer", required=True),
        *_pattern_fields(),  # made by downscaler.method.pattern
        _field("elevation", STATIC, "m", "Surface elevation"),
        _field("slope_x", STATIC, "1", "Topographic slope eastward"),
        _field("slope_y", STATIC, "1", "Topographic slope northward"),
        _field("topographic_wetness", STATIC, "1", "ln(upslope area per contour length / slope), lattice cells"),
        _field("permeability", STATIC, "m h-1", "Saturated hydraulic conductivity of the top layer"),
        _field("van_genuchten_alpha", STATIC, "m-1", "van Genuchten alpha of the top layer"),
        _field("van_genuchten_n", STATIC, "1", "van Genuchten n of the top layer"),
        _field("sand_fraction", STATIC, "1", "Sand fraction"),
        _field("clay_fraction", STATIC, "1", "Clay fraction"),
        _field("indicator", STATIC, "1", "Soil unit of the top layer, -1 where missing", dtype="int16"),
        _field("land_cover", STATIC, "1", "IGBP land cover class, -1 where missing", dtype="int16"),
    )
}
ATTRIBUTES = (
    *("kind", "schema_version", "domain", "title", "model", "lattice", "registration", "ij_bounds", "period", "days"),
    *("simulated", "notes", "inputs", "created", "vadose_version", "digest", "files", "bytes"),
)


def contents(path: Path) -> tuple[int, int]:
    """Number and total size in bytes of a store's files, its root description apart; tells a store that lost some."""
    sizes = [file.stat().st_size for file in path.rglob("*") if file.is_file() and file != path / "zarr.json"]
    return len(sizes), sum(sizes)
