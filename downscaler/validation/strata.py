"""Strata of sites and pairs, by which skill is reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from downscaler.validation.matchups import Matchups
from downscaler.validation.sites import Site

Bools = NDArray[np.bool_]
Labels = NDArray[np.str_]
UNKNOWN = "unknown"
IGBP = {
    1: "forest",
    2: "forest",
    3: "forest",
    4: "forest",
    5: "forest",
    6: "shrubland and savanna",
    7: "shrubland and savanna",
    8: "shrubland and savanna",
    9: "shrubland and savanna",
    10: "grassland",
    11: "wetland",
    12: "cropland",
    13: "built-up",
    14: "cropland",
    15: "snow and ice",
    16: "bare or sparse",
    17: "water",
}
"""Broad class by code of the International Geosphere-Biosphere Programme."""
_SEASONS = ("DJF", "MAM", "JJA", "SON")


def texture(clay: object, sand: object) -> str:
    """Coarse, medium or fine from fractions of clay and sand (FAO's three classes, Soil Map of the World 1974)."""
    known = [float(v) if isinstance(v, (int, float, np.floating)) else np.nan for v in (clay, sand)]
    if not np.isfinite(known).all():
        return UNKNOWN
    if known[0] > 0.35:
        return "fine"
    return "coarse" if known[0] < 0.18 and known[1] > 0.65 else "medium"


def site_labels(sites: Sequence[Site], ground: Mapping[str, NDArray[np.floating]] | None = None) -> dict[str, Labels]:
    """Labels of the sites by stratum: network, land cover, texture, station density.

    Args:
        sites: the rows.
        ground: what the prior tells of their cells [sites]: ``land_cover`` (IGBP), ``clay_fraction`` and
            ``sand_fraction``; where it does not tell, the station's own description stands in.
    """
    told = ground or {}
    nothing = np.full(len(sites), np.nan)
    cover, clay, sand = (told.get(name, nothing) for name in ("land_cover", "clay_fraction", "sand_fraction"))
    covers, textures = [], []
    for number, site in enumerate(sites):
        code = cover[number]
        own = IGBP.get(int(code)) if np.isfinite(code) else None
        covers.append(own or site.told("land_cover") or UNKNOWN)
        of_prior = texture(float(clay[number]), float(sand[number]))
        textures.append(of_prior if of_prior != UNKNOWN else texture(site.told("clay"), site.told("sand")))
    crowd = [site.neighbours for site in sites]
    density = [f"{n} in the SMAP cell" if n < 3 else "3 or more in the SMAP cell" for n in crowd]
    named = {"network": [site.network for site in sites], "land cover": covers, "texture": textures}
    return {name: np.array(labels, dtype=str) for name, labels in (named | {"station density": density}).items()}


def pair_masks(matchups: Matchups) -> dict[str, dict[str, Bools]]:
    """Masks [sites, days] by stratum of what changes from pair to pair: season, and area of applicability."""
    months = matchups.days.astype("datetime64[M]").astype(int) % 12
    season = np.array(_SEASONS)[(months + 1) % 12 // 3]
    shape = matchups.stations.shape
    seasons = {name: np.broadcast_to(season == name, shape) for name in _SEASONS if (season == name).any()}
    return {
        "season": seasons,
        "area of applicability": {"inside": ~matchups.outside, "outside": matchups.outside},
    }
