"""A simulated landscape: eroded mountains and plains, rivers, a soil catena and land cover.

Everything follows from position and seed, except that rivers know only the window (and its margin) they rise in.
Arrays are [y, x] with row 0 in the south.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter

from downscaler.ground.drainage import Drainage, drain
from downscaler.simulation.noise import Field, Stream, fractal, smooth_noise
from downscaler.simulation.rivers import incise, relief
from downscaler.simulation.soils import soil_property

WATER, URBAN, WETLAND, CROPLAND, MOSAIC, GRASSLAND, MIXED_FOREST, BROADLEAF = 17, 13, 11, 12, 14, 10, 5, 4
_CARVINGS = 10  # how often rivers find their course anew; more only sharpens the ridges


@dataclass(frozen=True, kw_only=True)
class Landscape:
    """Static fields of a window, [y, x] from the south.

    ``elevation`` m; ``slope_x`` and ``slope_y`` forward differences as ParFlow has them; ``wetness`` the topographic
    wetness index; ``upslope`` cells drained; ``indicator`` USDA texture class; ``porosity``, ``residual`` m3 m-3;
    ``permeability`` m h-1; ``land_cover`` IGBP; ``vegetation`` fraction of the ground under full summer canopy;
    ``active`` false on lakes.
    """

    elevation: Field
    slope_x: Field
    slope_y: Field
    wetness: Field
    upslope: Field
    indicator: NDArray[np.int16]
    porosity: Field
    residual: Field
    permeability: Field
    van_genuchten_alpha: Field
    van_genuchten_n: Field
    sand: Field
    clay: Field
    land_cover: NDArray[np.int16]
    vegetation: Field
    active: NDArray[np.bool_]
    drainage: Drainage

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx)."""
        return self.drainage.shape

    def rasters(self) -> dict[str, NDArray[np.generic]]:
        """All fields by name, without the drainage graph."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "drainage"}


def make_landscape(y: NDArray[np.float64], x: NDArray[np.float64], seed: int) -> Landscape:
    """The landscape at cell centres ``y`` (south to north) and ``x`` (west to east), km on a 1 km lattice."""
    stream = Stream(seed=seed, name="landscape")
    rise = 0.3 * np.exp(1.2 * smooth_noise(y, x, 1.0, stream.child("rise")).astype(np.float64))
    terrain = raw_terrain(y, x, stream).astype(np.float64)
    elevation = incise(terrain, _erodibility(y, x, stream), rise, steps=_CARVINGS)
    drainage = drain(elevation)
    wetness = np.asarray(drainage.wetness(), np.float32)
    upslope = np.asarray(drainage.area.reshape(drainage.shape), np.float32)
    height = np.asarray(relief(elevation, 6.0), np.float32)
    indicator = soil_units(y, x, wetness=wetness, height=height, stream=stream)
    active = ~lakes(y, x, upslope=upslope, stream=stream)
    cover = land_cover(y, x, wetness=wetness, height=height, stream=stream)
    cover[~active] = WATER
    soil = {
        name: soil_property(indicator, name)
        for name in ("porosity", "residual", "permeability", "van_genuchten_alpha", "van_genuchten_n", "sand", "clay")
    }
    slope_y, slope_x = (_forward(elevation, axis) for axis in (0, 1))
    return Landscape(
        elevation=np.asarray(elevation, np.float32),
        slope_x=slope_x,
        slope_y=slope_y,
        wetness=wetness,
        upslope=upslope,
        indicator=indicator,
        land_cover=cover,
        vegetation=_canopy(y, x, cover, stream),
        active=active,
        drainage=drainage,
        **soil,
    )


def raw_terrain(y: NDArray[np.float64], x: NDArray[np.float64], stream: Stream) -> Field:
    """Terrain before rivers: plains, hills and folded ranges whose crests are bent, broken and run west to east, m."""
    yy, xx = np.meshgrid(y, x, indexing="ij")
    bend = 14.0 * smooth_noise(y, x, 45.0, stream.child("bend")) + 4.0 * smooth_noise(y, x, 12.0, stream.child("kink"))
    folds = 1.0 - np.abs(smooth_noise(yy + bend, xx, 11.0, stream.child("folds"), aspect=5.0))
    rough = 1.0 / (1.0 + np.exp(-2.5 * smooth_noise(y, x, 90.0, stream.child("rough")) - 0.3))
    base = 300.0 + 90.0 * fractal(y, x, 260.0, stream.child("base"), octaves=3)
    hills = fractal(y, x, 28.0, stream.child("hills"), octaves=5, gain=0.55)
    return np.asarray(base + rough * (190.0 * folds + 90.0 * hills) + 18.0 * hills, np.float32)


def _erodibility(y: NDArray[np.float64], x: NDArray[np.float64], stream: Stream) -> NDArray[np.float64]:
    return np.asarray(0.10 * np.exp(0.5 * smooth_noise(y, x, 18.0, stream.child("rock"))), np.float64)


def _forward(elevation: NDArray[np.float64], axis: int) -> Field:
    last = elevation.take([-1], axis=axis)
    return np.asarray(np.diff(elevation, axis=axis, append=last) / 1000.0, np.float32)


def soil_units(
    y: NDArray[np.float64], x: NDArray[np.float64], *, wetness: Field, height: Field, stream: Stream
) -> NDArray[np.int16]:
    """Texture classes: sharp-edged units of parent material, coarse on crests, silt and clay along the rivers."""
    yy, xx = np.meshgrid(y, x, indexing="ij")
    bend = 5.0 * smooth_noise(y, x, 9.0, stream.child("contact"))
    parent = 0.8 * smooth_noise(yy + bend, xx - bend, 12.0, stream.child("parent"), aspect=2.2)
    coarse = parent + 0.5 * fractal(y, x, 8.0, stream.child("texture"), octaves=3)
    coarse = coarse + 0.02 * np.clip(height, -60.0, 80.0)
    units = np.array([12, 9, 8, 4, 6, 3, 2], np.int16)
    chosen = units[np.digitize(coarse, [-1.7, -1.1, -0.6, 0.1, 1.1, 2.4])]
    alluvium = wetness > 15.5 + 0.6 * smooth_noise(y, x, 5.0, stream.child("alluvium"))
    return np.asarray(np.where(alluvium, np.where(parent > 0.5, 6, 4), chosen), np.int16)


def lakes(y: NDArray[np.float64], x: NDArray[np.float64], *, upslope: Field, stream: Stream) -> NDArray[np.bool_]:
    """Reservoirs: stretches of the larger rivers, drowned to their valley's width where chance has put a dam."""
    river = upslope > 250.0
    dammed = smooth_noise(y, x, 11.0, stream.child("dams")) > 1.55
    drowned = maximum_filter((river & dammed).astype(np.uint8), size=3)
    return np.asarray(drowned.astype(bool) & (gaussian_filter((river & dammed).astype(np.float32), 1.0) > 0.12))


def land_cover(
    y: NDArray[np.float64], x: NDArray[np.float64], *, wetness: Field, height: Field, stream: Stream
) -> NDArray[np.int16]:
    """IGBP classes: forest on the heights, fields on the flats, wetland along big rivers, a few towns."""
    patch = fractal(y, x, 10.0, stream.child("cover"), octaves=4, gain=0.6)
    wooded = 0.018 * height + 0.9 * smooth_noise(y, x, 40.0, stream.child("woods")) + 0.7 * patch
    cover = np.select(
        [wooded > 1.0, wooded > 0.2, wooded > -0.3, wooded > -0.8],
        [MIXED_FOREST, BROADLEAF, MOSAIC, GRASSLAND],
        CROPLAND,
    )
    wetland = (wetness > 17.2) & (patch > 0.3)
    towns = (smooth_noise(y, x, 6.0, stream.child("towns")) + 0.25 * patch > 2.35) & (height < 25.0)
    return np.asarray(np.select([towns, wetland], [URBAN, WETLAND], cover), np.int16)


def _canopy(y: NDArray[np.float64], x: NDArray[np.float64], cover: NDArray[np.int16], stream: Stream) -> Field:
    """Fraction of the ground under canopy in full summer, by class and with stands of different density."""
    density = np.zeros(18, np.float32)
    density[[MIXED_FOREST, BROADLEAF, MOSAIC, GRASSLAND]] = 0.85, 0.8, 0.6, 0.5
    density[[CROPLAND, WETLAND, URBAN]] = 0.65, 0.7, 0.25
    stands = 0.08 * fractal(y, x, 6.0, stream.child("stands"), octaves=2)
    return np.asarray(np.where(cover == WATER, 0.0, np.clip(density[cover] + stands, 0.05, 0.98)), np.float32)
