"""Physical expectations for each predictor: its group, and whether more of it means wetter.

An expectation is of the sign of the effect on the 1 km value inside its SMAP cell. Where physics allows either sign
(elevation by itself, season) there is none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from downscaler.method.features import FEATURES

DEPARTURE = "_departure"


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What large values of a predictor mean in words, and the sign of their effect on soil moisture (0: either)."""

    more: str
    sign: int


_FAMILIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("antecedent rain", ("precipitation", "rain", "wet_days", "dry_days")),
    ("temperature", ("temperature",)),
    ("soil hydraulics", ("porosity", "residual", "permeability", "van_genuchten", "indicator", "conductivity")),
    ("texture", ("sand", "clay", "silt")),
    ("land cover", ("land_cover", "vegetation", "leaf_area", "canopy")),
    (
        "topography",
        ("elevation", "slope", "northness", "eastness", "aspect", "curvature", "topographic", "relief", "drainage"),
    ),
)
_BY_GROUP = {
    "coarse": "SMAP state",
    "pattern": "prior climatology",
    "season": "season",
    "static": "other ground",
    "forcing": "other weather",
}
FAMILIES: tuple[str, ...] = (
    "SMAP state",
    "prior climatology",
    "topography",
    "soil hydraulics",
    "texture",
    "land cover",
    "antecedent rain",
    "temperature",
    "season",
    "other ground",
    "other weather",
)
# More specific stems first: the first that a predictor's name holds counts.
_EXPECTATIONS: tuple[tuple[str, Expectation], ...] = (
    ("precipitation_index", Expectation(more="a higher antecedent precipitation index", sign=1)),
    ("precipitation", Expectation(more="more antecedent rain", sign=1)),
    ("dry_days", Expectation(more="more days since rain", sign=-1)),
    ("rain", Expectation(more="more antecedent rain", sign=1)),
    ("temperature", Expectation(more="warmer air", sign=-1)),
    ("topographic_wetness", Expectation(more="more upslope area on flatter ground", sign=1)),
    ("curvature", Expectation(more="more hollow ground", sign=1)),
    ("northness", Expectation(more="ground facing north", sign=1)),
    ("slope", Expectation(more="steeper ground", sign=-1)),
    ("elevation_departure", Expectation(more="ground above its surroundings", sign=-1)),
    ("relief", Expectation(more="ground above its surroundings", sign=-1)),
    ("sand", Expectation(more="sandier soil", sign=-1)),
    ("clay", Expectation(more="more clayey soil", sign=1)),
    ("porosity", Expectation(more="more pore space", sign=1)),
    ("residual", Expectation(more="a higher residual water content", sign=1)),
    ("permeability", Expectation(more="more permeable soil", sign=-1)),
    ("conductivity", Expectation(more="more permeable soil", sign=-1)),
    ("van_genuchten_alpha", Expectation(more="coarser pores (larger alpha)", sign=-1)),
    ("van_genuchten_n", Expectation(more="a steeper retention curve (larger n)", sign=-1)),
    ("response", Expectation(more="a wet day on ground that swings more than its SMAP cell", sign=1)),
    ("days_since", Expectation(more="an older retrieval", sign=0)),
    ("elevation", Expectation(more="higher ground", sign=0)),
    ("eastness", Expectation(more="ground facing east", sign=0)),
    ("season_cos", Expectation(more="winter rather than summer", sign=0)),
    ("season_sin", Expectation(more="spring rather than autumn", sign=0)),
    ("coarse_gradient_x", Expectation(more="a SMAP field wetter to the east", sign=0)),
    ("coarse_gradient_y", Expectation(more="a SMAP field wetter to the south", sign=0)),
    ("coarse_anomaly", Expectation(more="a SMAP cell wetter than usual", sign=0)),
    ("coarse", Expectation(more="a wetter SMAP cell", sign=0)),
    ("sensitivity", Expectation(more="ground that swings more than its SMAP cell", sign=0)),
    ("soil_moisture_sd", Expectation(more="ground that varies more in time", sign=0)),
    ("soil_moisture_p", Expectation(more="a record skewed to the wet", sign=0)),
    ("pattern", Expectation(more="ground usually wetter than around", sign=0)),
    ("level", Expectation(more="ground usually wet", sign=0)),
)


def group_of(feature: str) -> str:
    """The declared group of a feature (coarse, pattern, static, forcing, season); raises KeyError for another name."""
    return {f.name: f.group for f in FEATURES}[feature]


def family_of(feature: str) -> str:
    """The finer group of a declared feature, one of ``FAMILIES``; raises KeyError for another name."""
    group = group_of(feature)
    if group in ("static", "forcing"):
        for family, stems in _FAMILIES:
            if any(stem in feature for stem in stems):
                return family
    return _BY_GROUP[group]


def expectation(feature: str) -> Expectation:
    """What large values of a feature mean and should do; sign 0 where physics allows either.

    A departure is of the cell from its SMAP cell, and is expected to act as the field itself does.
    """
    found = next((e for stem, e in _EXPECTATIONS if stem in feature), None)
    stem = feature.removesuffix(DEPARTURE)
    if found is None:
        found = Expectation(more=f"larger {stem.replace('_', ' ')}", sign=0)
    if feature.endswith(DEPARTURE) and not found.more.endswith("surroundings"):
        return Expectation(more=f"{found.more} than in the SMAP cell around", sign=found.sign)
    return found


def ordered(families: Iterable[str]) -> tuple[str, ...]:
    """Families in the order that they are shown."""
    found = set(families)
    return tuple(family for family in FAMILIES if family in found)
