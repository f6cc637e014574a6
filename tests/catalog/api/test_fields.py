"""The fields extension's rules: what is named, and where nothing is, what makes a STAC item."""

import copy

import pytest
from stac_fastapi.extensions.fields.request import PostFieldsExtension

from catalog.api.stac.fields import pick

ITEM = {
    "type": "Feature",
    "stac_version": "1.1.0",
    "stac_extensions": [],
    "id": "a",
    "collection": "c",
    "geometry": {"type": "Point"},
    "bbox": [0, 0, 1, 1],
    "links": [],
    "assets": {"map": {"href": "x", "roles": ["data"]}},
    "properties": {"datetime": "2015-04-03T12:00:00Z", "title": "A day", "vadose:simulated": False, "gsd": 1000.0},
}
ALWAYS = {"type", "stac_version", "id", "collection"}
WHOLE = {"geometry", "bbox", "links", "assets"}
USUAL = {"datetime", "title", "vadose:simulated"}


def posted(**named):
    return PostFieldsExtension.model_validate(named)


@pytest.mark.parametrize("fields", [None, [], [""], posted(), posted(include=set(), exclude=set())])
def test_nothing_named_gives_what_makes_an_item(fields):
    before = copy.deepcopy(ITEM)
    found = pick(ITEM, fields)
    assert set(found) == set(ITEM) - {"stac_extensions"}
    assert set(found["properties"]) == USUAL
    assert before == ITEM


@pytest.mark.parametrize(
    ("fields", "parts", "properties"),
    [
        (["-geometry"], {"bbox", "links", "assets", "stac_extensions"}, USUAL | {"gsd"}),
        (posted(exclude=["geometry"]), {"bbox", "links", "assets", "stac_extensions"}, USUAL | {"gsd"}),
        (posted(exclude=["geometry"], include=[]), {"bbox", "links", "assets"}, USUAL),
        (posted(exclude=["properties.title", "bbox"], include=None), WHOLE - {"bbox"}, USUAL - {"title"}),
        (posted(exclude=["properties"], include=[]), WHOLE, None),
        (["id"], set(), None),
        (["+geometry", "-geometry"], {"geometry"}, None),
        (["properties"], set(), USUAL | {"gsd"}),
        (["properties", "-properties.gsd"], set(), USUAL),
        (["-properties", "+properties.gsd"], set(), {"gsd"}),
        (["nowhere", "properties.nowhere"], set(), set()),
    ],
)
def test_what_is_named_comes_with_what_tells_an_item(fields, parts, properties):
    found = pick(ITEM, fields)
    assert set(found) == ALWAYS | parts | ({"properties"} if properties is not None else set())
    if properties is not None:
        assert set(found["properties"]) == properties


def test_a_part_of_a_part_comes_alone():
    assert pick(ITEM, ["assets.map.href"])["assets"] == {"map": {"href": "x"}}
