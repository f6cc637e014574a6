"""Simulated SMAP retrievals: footprint, noise, gaps and flags.

Arrays are [y, x] on a window of the 9 km EASE-Grid 2.0, row 0 in the north.

Source: error budget after Chan et al. (2018, doi:10.1016/j.rse.2017.08.025); the tau-omega emission model of Mo et al.
(1982, doi:10.1029/JC087iC13p11229) in its zero-order form, with the permittivity of wet soil of Topp et al. (1980,
doi:10.1029/WR016i003p00574), gives brightness temperatures that go with the moisture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from downscaler.simulation.noise import Stream, smooth_noise
from downscaler.simulation.orbit import Overpass

Field = NDArray[np.floating]
SURFACE_BITS = {
    "static_water": 0,
    "radar_water": 1,
    "coast": 2,
    "urban": 3,
    "precipitation": 4,
    "snow": 5,
    "permanent_ice": 6,
    "frozen_radiometer": 7,
    "frozen_model": 8,
    "mountains": 9,
    "dense_vegetation": 10,
    "nadir": 11,
}
NOT_RECOMMENDED, NOT_ATTEMPTED, FAILED = 1, 2, 4
VALID = (0.02, 0.5)  # m3 m-3, range of the product
_INCIDENCE = 40.0  # degrees
_FOOTPRINT = 1.6  # standard deviation of the antenna's gain in 9 km cells: about 36 km across at half power
_OWN = 0.55  # share of a cell's value that the enhanced product resolves by itself


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Cell means of what the radiometer sees, [y, x].

    ``moisture`` m3 m-3 of the land; ``temperature`` K; ``rain`` mm in the six hours before; ``vegetation`` kg m-2 of
    water; ``water``, ``urban``, ``clay`` fractions; ``roughness`` standard deviation of elevation in m; ``cover`` and
    ``cover_fraction`` the three commonest classes and their shares, [y, x, 3].
    """

    moisture: Field
    temperature: Field
    rain: Field
    vegetation: Field
    water: Field
    urban: Field
    clay: Field
    bulk_density: Field
    roughness: Field
    cover: NDArray[np.uint8]
    cover_fraction: Field


def surface_flags(scene: Scene) -> NDArray[np.uint16]:
    """Bit field of ``SURFACE_BITS`` from the scene."""
    conditions = {
        "static_water": scene.water > 0.05,
        "radar_water": scene.water > 0.05,
        "urban": scene.urban > 0.25,
        "precipitation": scene.rain > 6.0,
        "frozen_radiometer": scene.temperature < 272.65,
        "frozen_model": scene.temperature < 273.15,
        "mountains": scene.roughness > 90.0,
        "dense_vegetation": scene.vegetation > 5.0,
    }
    flags = np.zeros(scene.moisture.shape, np.uint16)
    for name, condition in conditions.items():
        flags |= np.where(condition, np.uint16(1 << SURFACE_BITS[name]), np.uint16(0))
    return flags


def quality_flags(scene: Scene, luck: Field) -> NDArray[np.uint16]:
    """Bit field of the retrieval: not recommended over water, towns, ice and dense canopy; a rare one fails.

    ``luck`` is a standard normal field that decides which retrievals fail.
    """
    doubtful = (scene.water > 0.10) | (scene.urban > 0.25) | (scene.temperature < 273.15) | (scene.vegetation > 5.0)
    failed = (luck > 2.6) | (scene.water > 0.5)
    flags = np.where(doubtful | failed, NOT_RECOMMENDED, 0) | np.where(failed, FAILED, 0)
    return np.where(scene.water > 0.9, NOT_RECOMMENDED | NOT_ATTEMPTED | FAILED, flags).astype(np.uint16)


def retrieve(
    scene: Scene, overpass: Overpass, y: Field, x: Field, *, day: int, seed: int
) -> dict[str, NDArray[np.generic]]:
    """The fields of one overpass, by the names of the granule's variables; NaN (65534, 254) outside the swath.

    Args:
        scene: cell means at the time of the overpass.
        overpass: where and when SMAP looks.
        y: northward cell centres in km, [y].
        x: eastward cell centres in km, [x].
        day: number of the day, for the noise.
        seed: of the sample.
    """
    stream = Stream(seed=seed, name=f"retrieval/{overpass.name}/{day}")
    luck = smooth_noise(y, x, 9.0, stream.child("luck")).astype(np.float64)
    white = stream.child("white").generator().normal(size=scene.moisture.shape)
    seen = _observed(scene.moisture, white, y, x, stream)
    quality = quality_flags(scene, luck)
    moisture = np.where(quality & (NOT_ATTEMPTED | FAILED), np.nan, np.clip(seen, *VALID))
    error = np.clip(0.025 + 0.006 * scene.vegetation + 0.1 * scene.water, 0.0, 0.2)
    fields: dict[str, NDArray[np.generic]] = {
        "soil_moisture": moisture,
        "soil_moisture_error": np.where(np.isnan(moisture), np.nan, error),
        "retrieval_qual_flag": quality,
        "surface_flag": surface_flags(scene),
        "grid_surface_status": (scene.water > 0.5).astype(np.uint16),
        "landcover_class": scene.cover,
        "landcover_class_fraction": scene.cover_fraction,
        "freeze_thaw_fraction": np.where(scene.temperature < 273.15, 1.0, 0.0),
        "surface_temperature": scene.temperature,
        "clay_fraction": scene.clay,
        "bulk_density": scene.bulk_density,
        "boresight_incidence": np.full(seen.shape, _INCIDENCE),
        "vegetation_water_content": scene.vegetation,
    }
    fields |= dict.fromkeys(_WATER, scene.water)
    fields |= emission(np.clip(seen, *VALID), scene, white)
    return {name: _blank(values, overpass.seen) for name, values in fields.items()}


def _observed(moisture: Field, white: Field, y: Field, x: Field, stream: Stream) -> Field:
    """Moisture through the antenna and the retrieval.

    The error has three parts: white in each cell (0.017 m3 m-3), smooth within the pass (0.024, some 60 km wide) and
    a lasting one of the land (0.012).
    """
    lasting = Stream(seed=stream.seed, name="retrieval/land")
    seen = _OWN * moisture + (1 - _OWN) * gaussian_filter(moisture, _FOOTPRINT, mode="nearest")
    return np.asarray(
        seen + 0.017 * white + 0.024 * smooth_noise(y, x, 60.0, stream) + 0.012 * smooth_noise(y, x, 40.0, lasting)
    )


_WATER = (
    "static_water_body_fraction",
    "radar_water_body_fraction",
    "surface_water_fraction_mb_h",
    "surface_water_fraction_mb_v",
)


def _blank(values: NDArray[np.generic], seen: NDArray[np.bool_]) -> NDArray[np.generic]:
    fill = {"f": np.nan, "u": 254 if values.dtype == np.uint8 else 65534}[values.dtype.kind]
    keep = seen[..., None] if values.ndim == 3 else seen
    return np.where(keep, values, np.array(fill, values.dtype))


def emission(moisture: Field, scene: Scene, white: Field) -> Mapping[str, Field]:
    """Brightness temperatures (K) and the parameters that go with a moisture, by the granule's names.

    T_p = T [(1 - r_p) g + (1 - w)(1 - g)(1 + r_p g)], g = exp(-tau / cos 40), r_p the Fresnel reflectivity of the
    soil times exp(-h cos^2 40).
    """
    angle = np.deg2rad(_INCIDENCE)
    permittivity = 3.03 + 9.3 * moisture + 146.0 * moisture**2 - 76.7 * moisture**3
    root = np.sqrt(permittivity - np.sin(angle) ** 2)
    smooth = {
        "h": ((np.cos(angle) - root) / (np.cos(angle) + root)) ** 2,
        "v": ((permittivity * np.cos(angle) - root) / (permittivity * np.cos(angle) + root)) ** 2,
    }
    depth, albedo, height = 0.11 * scene.vegetation, np.full(moisture.shape, 0.07), np.full(moisture.shape, 0.13)
    gain = np.exp(-depth / np.cos(angle))
    fields: dict[str, Field] = {}
    for polarisation, reflectivity in smooth.items():
        rough = reflectivity * np.exp(-height * np.cos(angle) ** 2)
        land = scene.temperature * ((1 - rough) * gain + (1 - albedo) * (1 - gain) * (1 + rough * gain))
        fields[f"tb_{polarisation}_corrected"] = land + white
        fields[f"tb_{polarisation}_uncorrected"] = (1 - scene.water) * (land + white) + scene.water * 120.0
    fields |= {"tb_3_corrected": 0.5 * white, "tb_4_corrected": -0.5 * white}
    for suffix in ("", "_dca", "_scah", "_scav"):
        fields[f"vegetation_opacity{suffix}"] = depth
        fields[f"albedo{suffix}"] = albedo
        fields[f"roughness_coefficient{suffix}"] = height
    return fields
