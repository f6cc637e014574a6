"""Inputs under names that browsers and people make: their links are valid, and lead back to the name."""

from urllib.parse import unquote, urlsplit

import pytest
from jsonschema_rs import validator_for

from catalog.items.day import _derived_from
from downscaler.records import InputRecord

NAMES = ("a (1).h5", "a#b.h5", "Überflug.h5", "a[2024].h5", "100%.h5", 'a"b.h5', "a b c.h5", "SMAP_L3_SM_P_E.h5")


@pytest.mark.parametrize("name", NAMES)
def test_a_link_to_an_input_is_a_reference_whatever_its_name(name: str) -> None:
    record = InputRecord(kind="granule", name=name, version="R19240.001", sha256="0" * 64, size=1)
    href = _derived_from(record, "./r1/provenance.json").get_href()
    assert href is not None
    assert validator_for({"type": "string", "format": "iri-reference"}, validate_formats=True).is_valid(href)
    assert unquote(urlsplit(href).fragment) == name
