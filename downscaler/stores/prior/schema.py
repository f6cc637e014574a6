"""The layout of a prior store: its variables, chunks and attributes, declared once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from downscaler import product
from downscaler.method.coarse.response import response_names
from downscaler.method.pattern import QUANTILES, sensitivity_name
from downscaler.sources.zarrs import own_files

KIND = "vadose-prior"
SHARD = 288  # cells of a file: eight M36 cells, the tile of the model
CHUNK = 72  # cells that are read at once: a halo or a point reads few of them
TIME_SHARD, TIME_CHUNK = 30, 10  # days
FILLS: dict[str, float] = {"float32": float("nan"), "int16": -1, "uint8": 0}
_PACKED_FILLS = {"int16": -32768, "uint16": 65535}


@dataclass(frozen=True, kw_only=True)
class PriorField:
    """One variable of the store: dimensions, stored type, units and meaning.

    With ``scale`` numbers are kept as whole multiples of it, so to within half of it, and are read as float32.
    """

    name: str
    dims: tuple[str, ...]
    dtype: str
    units: str
    title: str
    required: bool = False
    standard_name: str | None = None
    scale: float | None = None

    @property
    def fill(self) -> float:
        """What stands for a missing value in the file."""
        return FILLS[self.dtype] if self.scale is None else _PACKED_FILLS[self.dtype]

    @property
    def read_dtype(self) -> str:
        """Type of the numbers as they are read."""
        return self.dtype if self.scale is None else "float32"


LEVELS = {"precipitation": "precipitation_level", "air_temperature": "air_temperature_level"}
"""Means over the record of what drove the model, by the daily variable."""
DAILY, CLIMATE, STATIC = ("time", "y", "x"), ("harmonic", "y", "x"), ("y", "x")
_SM = "volume_fraction_of_condensed_water_in_soil"


def _field(name: str, dims: tuple[str, ...], units: str, title: str, **more: Any) -> PriorField:
    return PriorField(name=name, dims=dims, units=units, title=title, **{"dtype": "float32", **more})


def _packed(
    name: str, units: str, title: str, scale: float, required: bool = False, standard_name: str | None = None
) -> PriorField:
    """A daily field that is not negative, in steps of ``scale``."""
    more = {"dtype": "uint16", "scale": scale, "required": required, "standard_name": standard_name}
    return _field(name, DAILY, units, title, **more)


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


def _response_fields() -> tuple[PriorField, ...]:
    """Optional, so that stores without them can still be read."""
    made = []
    for grid in product.COARSE_GRIDS.values():
        now, slow, error = response_names(grid)
        made += [
            _field(now, STATIC, "1", f"Slope on the {grid.name} cell's departure from its level today"),
            _field(slow, STATIC, "1", f"Slope on the running mean of the {grid.name} cell's departure"),
            _field(
                error, STATIC, "m3 m-3", f"Error left, of fifths of the record predicted from the others ({grid.name})"
            ),
        ]
    return tuple(made)


RESPONSES = tuple(field.name for field in _response_fields())


FIELDS: dict[str, PriorField] = {
    f.name: f
    for f in (
        _packed(
            "soil_moisture", "m3 m-3", "Daily mean of the model's top layer", 2e-5, required=True, standard_name=_SM
        ),
        _packed("soil_moisture_layer2", "m3 m-3", "Daily mean of the model's layer from 0.1 to 0.4 m", 2e-5),
        _packed("soil_moisture_layer3", "m3 m-3", "Daily mean of the model's layer from 0.4 to 1.0 m", 2e-5),
        _field(
            "soil_moisture_climatology",
            CLIMATE,
            "m3 m-3",
            "Day-of-year mean, smoothed over 31 days: its mean, then cosine and sine of 1, 2, .. waves a year",
            required=True,
            dtype="int16",
            scale=4e-5,
        ),
        _packed("precipitation", "mm day-1", "Daily precipitation that drove the model", 0.02),
        _packed("air_temperature", "K", "Daily mean air temperature that drove the model", 0.01),
        _field("precipitation_level", STATIC, "mm day-1", "Mean precipitation over the whole record"),
        _field("air_temperature_level", STATIC, "K", "Mean air temperature over the whole record"),
        _field("active", STATIC, "1", "1 where the model has soil moisture", dtype="uint8", required=True),
        _field("porosity", STATIC, "m3 m-3", "Porosity of the top layer", required=True),
        _field("residual", STATIC, "m3 m-3", "Residual water content of the top layer", required=True),
        *_pattern_fields(),  # made by downscaler.method.pattern
        *_response_fields(),  # made by downscaler.method.coarse.response
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
    """Number and total size in bytes of a store's files, its root description apart; tells a store that lost some.

    What file managers and NFS leave beside them (.DS_Store, Thumbs.db, .nfs...) is none of them.
    """
    sizes = [facts.st_size for file, facts in own_files(path) if file != path / "zarr.json" and _is_zarrs(file.name)]
    return len(sizes), sum(sizes)


def _is_zarrs(name: str) -> bool:
    """Whether a file's name is one that Zarr v3 gives: a description, a chunk, or the chunk of a scalar."""
    return name in ("zarr.json", "c") or name.isdigit()
