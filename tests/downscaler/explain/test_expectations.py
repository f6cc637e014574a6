"""Families and expected signs of the declared predictors."""

import pytest

from downscaler.explain.expectations import FAMILIES, expectation, family_of, group_of, ordered
from downscaler.method.features import FEATURES


def test_every_declared_feature_has_a_family_of_its_own_kind():
    loose = [f.name for f in FEATURES if family_of(f.name).startswith("other ")]
    assert not loose, f"name these in downscaler/explain/expectations.py: {loose}"
    assert {family_of(f.name) for f in FEATURES} <= set(FAMILIES)


@pytest.mark.parametrize(
    ("feature", "family"),
    [
        ("coarse_gradient_x", "SMAP state"),
        ("pattern", "prior climatology"),
        ("soil_moisture_sd_departure", "prior climatology"),
        ("topographic_wetness_departure", "topography"),
        ("log_permeability", "soil hydraulics"),
        ("residual_departure", "soil hydraulics"),
        ("sand_fraction", "texture"),
        ("land_cover", "land cover"),
        ("precipitation_index_departure", "antecedent rain"),
        ("air_temperature_7d", "temperature"),
        ("season_sin", "season"),
    ],
)
def test_families(feature, family):
    assert family_of(feature) == family


@pytest.mark.parametrize(
    ("feature", "sign"),
    [
        ("precipitation_3d", 1),
        ("precipitation_index_departure", 1),
        ("air_temperature_7d_departure", -1),
        ("topographic_wetness", 1),
        ("curvature", 1),
        ("slope", -1),
        ("elevation_departure", -1),
        ("elevation", 0),
        ("sand_fraction_departure", -1),
        ("clay_fraction", 1),
        ("log_permeability", -1),
        ("season_cos", 0),
        ("land_cover", 0),
    ],
)
def test_expected_signs(feature, sign):
    assert expectation(feature).sign == sign


def test_a_departure_is_said_to_be_of_the_cell_around():
    assert expectation("sand_fraction").more == "sandier soil"
    assert expectation("sand_fraction_departure").more == "sandier soil than in the SMAP cell around"


def test_an_undeclared_feature_is_refused():
    with pytest.raises(KeyError):
        group_of("phase_of_the_moon")
    with pytest.raises(KeyError):
        family_of("phase_of_the_moon")


def test_families_are_shown_in_a_fixed_order():
    assert ordered(["season", "topography", "SMAP state"]) == ("SMAP state", "topography", "season")
