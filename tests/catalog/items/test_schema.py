"""Everything is valid offline, the schemas do catch faults, and all text derives from the product's declaration."""

import copy
import datetime as dt
import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pystac
import pytest
from pystac.validation.local_validator import get_local_schema_cache

from catalog import find_item, install_validator, publish, validate_catalog, validate_item
from catalog.items.schema import extension_schemas, validate
from catalog.naming import DayName
from downscaler import product
from downscaler.errors import CatalogError

DATE = dt.date(2015, 4, 1)


@pytest.fixture
def root(published_root):
    return published_root


@pytest.fixture
def item(root):
    return find_item(root, product.LITTLE_WASHITA, DATE)


@pytest.fixture
def collection(root):
    return json.loads((root / DayName.of(product.LITTLE_WASHITA, DATE).collection_key).read_text())


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("something asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_pystac_validates_the_whole_catalogue_without_network(root, no_network):
    install_validator()
    catalog = pystac.Catalog.from_file(str(root / "catalog.json"))
    assert catalog.validate_all() == 2
    (collection,) = catalog.get_children()
    assert collection.validate()
    item, _ = catalog.get_items(recursive=True)
    used = item.validate()
    assert sorted(used[1:]) == sorted(item.stac_extensions)
    with pytest.warns(pystac.DeprecatedWarning):
        archived = pystac.Item.from_file(item.get_single_link("predecessor-version").get_absolute_href())
    assert archived.validate()
    assert archived.properties["version"] == "1"
    assert len(validate_catalog(root)) == 6


def test_stac_validator_agrees_given_the_same_schemas_as_files(root, tmp_path):
    """``stac-validator`` has no bundled schemas; its schema map makes it work offline."""
    command = [str(Path(sys.executable).with_name("stac-validator")), "validate", "--recursive"]
    for number, (uri, schema) in enumerate({**get_local_schema_cache(), **extension_schemas()}.items()):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(schema))
        command += ["--schema-map", uri, str(path)]
    done = subprocess.run([*command, str(root / "catalog.json")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "Stac objects passed: 6/6" in done.stdout


FAULTS = {
    "no checksum": lambda d: d["assets"]["upper"].pop("file:checksum"),
    "checksum of another hash": lambda d: d["assets"]["upper"].update({"file:checksum": "abc"}),
    "transform too short": lambda d: d["properties"].update({"proj:transform": [1, 2, 3]}),
    "old projection field": lambda d: d["properties"].update({"proj:epsg": 6933}),
    "old raster field": lambda d: d["assets"]["upper"].update({"raster:bands": [{}]}),
    "unknown sampling": lambda d: d["assets"]["upper"]["bands"][0].update({"raster:sampling": "line"}),
    "bit without classes": lambda d: d["assets"]["quality_flag"]["classification:bitfields"][0].pop("classes"),
    "bad doi": lambda d: d["properties"]["sci:publications"][0].update({"doi": "https://doi.org/x"}),
    "no version": lambda d: d["properties"].pop("version"),
    "no publication time": lambda d: d["properties"].pop("published"),
    "render of nothing": lambda d: d["properties"].update({"renders": {"a": {"title": "t"}}}),
    "software without version": lambda d: d["properties"].update({"processing:software": {"vadose": ""}}),
    "no datetime": lambda d: d["properties"].pop("datetime"),
    "unknown own field": lambda d: d["properties"].update({"vadose:typo": 1}),
    "an error below zero": lambda d: d["properties"].update({"vadose:smap_error": -0.01}),
    "no fingerprint": lambda d: d["properties"].pop("vadose:fingerprint"),
    "unknown extension": lambda d: d["stac_extensions"].append("https://example.org/v1.0.0/schema.json"),
    "another STAC": lambda d: d.update({"stac_version": "1.0.0"}),
    "no links": lambda d: d.pop("links"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_item_is_refused(item, no_network, fault):
    validate_item(item)
    broken = copy.deepcopy(item)
    FAULTS[fault](broken)
    with pytest.raises(CatalogError):
        validate_item(broken)


def test_an_item_of_pystac_is_taken_too(item):
    validate_item(pystac.Item.from_dict(item, preserve_dict=True))


def test_a_faulty_collection_is_refused(collection):
    validate(collection)
    del collection["renders"]
    with pytest.raises(CatalogError, match="not a valid STAC collection"):
        validate(collection)


def test_a_dangling_link_is_found(root, tmp_path):
    shutil.copytree(root, tmp_path / "copy")
    month = tmp_path / "copy" / DayName.of(product.LITTLE_WASHITA, DATE).month_key
    month.write_text(month.read_text().replace("20150401/", "20150403/", 1))
    with pytest.raises(CatalogError, match="linked object is missing"):
        validate_catalog(tmp_path / "copy")


@pytest.mark.parametrize("variable", product.VARIABLES, ids=lambda v: v.name)
def test_assets_say_what_the_product_declares(item, collection, variable):
    for asset in (item["assets"][variable.name], collection["item_assets"][variable.name]):
        (band,) = asset["bands"]
        assert (asset["title"], asset["description"]) == (variable.title, variable.description)
        assert (band["name"], band["data_type"], band["unit"]) == (variable.name, variable.dtype, variable.units)
        assert float(band["nodata"]) == variable.nodata or (
            band["nodata"] == "nan" and variable.nodata != variable.nodata
        )
        assert asset.get("vadose:precision") == variable.precision
        assert asset.get("vadose:standard_name") == variable.standard_name
        assert asset["vadose:valid_range"] == [variable.valid_min, variable.valid_max]


def test_flags_say_what_the_product_declares(item):
    bits = item["assets"]["quality_flag"]["classification:bitfields"]
    described = {product.Flag(1 << bit["offset"]): bit["description"] for bit in bits}
    assert described == product.FLAG_MEANINGS
    assert [bit["name"] for bit in bits] == [flag.name.lower() for flag in product.Flag]
    assert list(item["properties"]["vadose:flag_percent"]) == [flag.name.lower() for flag in product.Flag]


def test_texts_and_versions_derive_from_the_product(item, collection):
    properties = item["properties"]
    assert properties["title"].startswith(f"{product.TITLE}, {product.LITTLE_WASHITA.title}, 2015-04-01")
    assert "prior is of another year (water year 1999)" in properties["title"]
    assert product.SIMULATED_LABEL not in properties["title"]
    assert properties["vadose:product_version"] == product.PRODUCT_VERSION
    assert properties["vadose:algorithm_version"] == product.ALGORITHM_VERSION
    assert properties["sci:publications"] == [{"doi": product.METHOD_DOI, "citation": product.METHOD_CITATION}]
    for text in (properties["description"], collection["description"]):
        assert product.SOIL_MOISTURE.description in text
        assert product.DEPTH_NOTE in text
    assert collection["license"] == properties["license"] == product.LICENSE
    assert set(collection["item_assets"]) == set(item["assets"])
    box = product.LITTLE_WASHITA.geobox()
    assert properties["proj:shape"] == [box.shape.y, box.shape.x]
    assert properties["proj:transform"] == list(box.transform)[:6]
    assert "eo" not in " ".join(uri.split("/")[3] for uri in item["stac_extensions"]).split()


def test_every_input_has_a_derived_from_link(item, root):
    links = {link["title"]: link for link in item["links"] if link["rel"] == "derived_from"}
    names = [entry["name"] for entry in item["properties"]["vadose:inputs"]]
    assert list(links) == names
    assert names[0] == "SMAP_L3_SM_P_20150401_R13080_001.h5"
    folder = root / DayName.of(product.LITTLE_WASHITA, DATE).folder
    record = json.loads((folder / links[names[0]]["href"].split("#")[0]).read_text())
    assert record["inputs"][0]["sha256"] == "d" * 64
    assert record["caveats"] == item["properties"]["vadose:caveats"]
    assert record["parameters"] == {"seed": 7, "blocks": 8}
    assert record["software"]["vadose"]
    assert links[names[0]]["file:checksum"] == "1220" + "d" * 64


def test_simulated_days_say_so_everywhere(tmp_path, domain, tiles, record):
    publish(tmp_path, record(domain, simulated=True, caveats=()), domain, tiles(domain))
    item = find_item(tmp_path, domain, DATE)
    assert f"({product.SIMULATED_LABEL})" in item["properties"]["title"]
    assert item["properties"]["vadose:simulated"] is True
    key = tmp_path / DayName.of(domain, DATE).collection_key
    assert f"({product.SIMULATED_LABEL})" in json.loads(key.read_text())["title"]
    publish(tmp_path, record(domain, dt.date(2015, 4, 2)), domain, tiles(domain))
    collection = json.loads(key.read_text())
    assert collection["summaries"]["vadose:simulated"] == [False, True]
    assert product.SIMULATED_LABEL not in collection["title"]


def test_only_conserving_days_are_said_to_keep_their_retrievals():
    assert "equals the retrieval" in product.CONSERVING.lineage
    assert "equals the SMAP retrieval" in product.CONSERVING.variables[0].description
    for kind in product.KINDS:
        for text in (kind.lineage, kind.description, *(variable.description for variable in kind.variables)):
            assert "equals the" not in text, kind.title
