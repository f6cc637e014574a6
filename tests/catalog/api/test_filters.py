"""Filters: strict, bounded, on the list; what is served is what a plain loop over the items would find."""

import contextlib
import datetime as dt
import json

import pytest
import requests
from fastapi import HTTPException
from hypothesis import given, settings
from hypothesis import strategies as st
from serving import served

from catalog import publish
from catalog.api import create_app
from catalog.api.limits import Limits
from catalog.api.stac.filters import CRS84, checked_filter
from catalog.api.stac.finder import Finder, SearchBusyError, write_table
from downscaler import product
from downscaler.errors import ConfigError

DOMAIN = product.LITTLE_WASHITA
KNOWN = {
    "id": {"type": "string"},
    "gsd": {"type": "number"},
    "deprecated": {"type": "boolean"},
    "datetime": {"type": "string", "format": "date-time"},
    "geometry": {"type": "object"},
}
KINDS = {"id": "string", "gsd": "number", "deprecated": "boolean", "datetime": "date-time", "geometry": "geometry"}


@pytest.fixture(scope="module")
def service(tmp_path_factory, run_record, whole_tiles):
    root = tmp_path_factory.mktemp("filters") / "catalog"
    for number in range(3):
        publish(root, run_record(DOMAIN, dt.date(2015, 4, 1 + number)), DOMAIN, whole_tiles(DOMAIN, seed=number))
    with served(create_app(root)) as address:
        yield f"{address}/stac/"


def search(service, **asked):
    return requests.get(f"{service}search", params=asked, timeout=60)


def days(answer):
    assert answer.status_code == 200, answer.text
    return sorted(int(feature["id"][-2:]) for feature in answer.json()["features"])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("datetime > TIMESTAMP('2015-04-01T23:00:00Z')", [2, 3]),
        ("properties.datetime <= '2015-04-02T12:00:00Z'", [1, 2]),
        ("datetime BETWEEN '2015-04-02' AND '2015-04-03'", [2]),
        ("t_during(datetime, INTERVAL('2015-04-01', '2015-04-02'))", [1, 2]),
        ("t_after(datetime, DATE('2015-04-01'))", [2, 3]),
        ("NOT (t_intersects(datetime, INTERVAL('..', '2015-04-01')))", [2, 3]),
        ("id LIKE '%0401' OR id LIKE '%0403'", [1, 3]),
        ("CASEI(id) LIKE CASEI('VADOSE-%02')", [2]),
        ("S_INTERSECTS(geometry, POINT(-98.0 34.85))", [1, 2, 3]),
        ("S_DISJOINT(geometry, BBOX(0, 0, 1, 1))", [1, 2, 3]),
        ("version IN ('1', '2') AND gsd > 1000 AND deprecated IS NULL", [1, 2, 3]),
        ("NOT gsd > 1000", []),
    ],
)
def test_a_filter_finds_what_it_says(service, text, found):
    assert days(search(service, filter=text)) == found
    as_json = checked_filter(text, "cql2-text", _queryables(service))
    assert days(search(service, **{"filter": json.dumps(as_json), "filter-lang": "cql2-json"})) == found


def _queryables(service):
    return requests.get(f"{service}queryables", timeout=60).json()["properties"]


def test_numbers_are_compared_as_numbers(service):
    assert days(search(service, filter="gsd <> 1.5")) == [1, 2, 3]
    assert days(search(service, filter="gsd BETWEEN 0 AND 1")) == []


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"filter": "nosuch = 1"}, "nosuch"),
        ({"filter": "gsd > 1 AN id LIKE 'x'"}, "character 9"),
        ({"filter": "gsd > 1 AND"}, "not valid CQL2 text"),
        ({"filter": "range(1000000000) = 1"}, "range"),
        ({"filter": "read_text('/etc/hostname') = 'x'"}, "read_text"),
        ({"filter": "gsd + 1 > 2"}, "'+'"),
        ({"filter": "gsd = 'x'"}, "number with string"),
        ({"filter": "gsd = geometry"}, "geometry with number"),
        ({"filter": "datetime > 'soon'"}, "soon"),
        ({"filter": "(" * 2000 + "gsd > 1" + ")" * 2000}, "nests"),
        ({"filter": "NOT " * 3000 + "gsd > 1"}, "nests"),
        ({"filter": "(" * 24 + "gsd > 1"}, "do not match"),  # the parser tries each bracket twice: for minutes
        ({"filter": "gsd > 1)("}, "do not match"),
        ({"filter": "S_INTERSECTS(geometry, POLYGON((-99 34, -97 34 -97 36, -99 34)))"}, "not valid CQL2 text"),
        ({"filter": f"S_INTERSECTS(geometry, POINT({'9' * 400} 36))"}, "not valid CQL2 text"),
        ({"filter": "(" * 20 + "gsd > 1 AN" + ")" * 20}, "nests"),
        ({"filter": "((gsd > 1) AND (" * 8 + "gsd > 1 AN" + "))" * 8}, "nests"),
        ({"filter": "NOT (" * 12 + "gsd > 1 AN" + ")" * 12}, "not valid CQL2 text"),
        ({"filter": "id = '" + "x" * 2000 + "'"}, "1,024"),
        ({"filter": "id LIKE '" + "%" * 30 + "'"}, "16 times"),
        ({"filter": " OR ".join(["gsd = 1"] * 600)}, "1,000 parts"),
        ({"filter": "[" * 5000, "filter-lang": "cql2-json"}, "not valid JSON"),
        ({"filter": "gsd = 1", "filter-lang": "sql"}, "filter-lang"),
        ({"filter": "gsd = 1", "filter-crs": "http://www.opengis.net/def/crs/EPSG/0/3857"}, "filter-crs"),
        ({"dates": "2015-04-01"}, "dates"),
    ],
)
def test_what_is_not_served_is_refused_by_name(service, asked, told):
    answer = search(service, **asked)
    assert answer.status_code == 400, answer.text
    assert told in answer.json()["description"]
    assert not any(word in answer.text for word in ("DuckDB", "duckdb", "Binder", "Parser", "/tmp", "rustac"))
    assert days(search(service, filter="gsd > 1000")) == [1, 2, 3]


def test_a_post_search_refuses_terms_that_are_none(service):
    answer = requests.post(f"{service}search", json={"query": {"gsd": {"gt": 1}}}, timeout=60)
    assert answer.status_code == 400
    assert "query" in answer.json()["description"]
    deep = {"op": "not", "args": [True]}
    for _ in range(200):
        deep = {"op": "not", "args": [deep]}
    answer = requests.post(f"{service}search", json={"filter": deep, "filter-lang": "cql2-json"}, timeout=60)
    assert answer.status_code == 400
    assert requests.post(f"{service}search", json={"ids": []}, timeout=60).json()["features"] == []
    assert requests.post(f"{service}search", json={"filter-crs": CRS84}, timeout=60).status_code == 200


@pytest.mark.parametrize(
    ("moment", "found"),
    [
        ("2015-04-02T12:00:00Z", [2]),
        ("2015-04-01T00:00:00Z/2015-04-02T00:00:00Z", [1, 2]),
        ("2015-04-02T13:00:00+00:00/2015-04-02T14:00:00Z", [2]),
        ("../2015-04-01T12:00:00Z", [1]),
        ("2015-04-03T00:00:00Z/..", [3]),
        ("2014-01-01T00:00:00Z/2014-12-31T00:00:00Z", []),
    ],
)
def test_a_time_finds_the_days_that_it_meets(service, moment, found):
    assert days(search(service, datetime=moment)) == found
    assert days(search(service, datetime=moment, bbox="-99,34,-97,36", filter="gsd > 1")) == found


def test_a_collection_that_is_named_twice_is_the_one_that_is_meant(service):
    items = f"{service}collections/vadose-sm-1km_little-washita/items"
    same = requests.get(items, params={"collections": "vadose-sm-1km_little-washita"}, timeout=20)
    assert days(same) == [1, 2, 3]
    assert requests.get(items, params={"collections": "another"}, timeout=20).status_code == 400


def test_a_box_across_the_antimeridian_finds_both_its_sides(service):
    assert days(search(service, bbox="170,30,-90,40")) == [1, 2, 3]
    assert days(search(service, bbox="170,30,-179,40")) == []


NODES = st.recursive(
    st.one_of(
        st.booleans(), st.floats(), st.text(max_size=8), st.just({"property": "gsd"}), st.just({"property": "x"})
    ),
    lambda inner: st.builds(
        lambda op, args: {"op": op, "args": args},
        st.sampled_from(["and", "not", "=", "in", "between", "isNull", "s_within", "t_during", "like", "casei", "div"]),
        st.lists(inner, max_size=3) | st.lists(st.lists(inner, max_size=2), max_size=2),
    ),
    max_leaves=20,
)


@pytest.fixture(scope="module")
def finder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finder")
    box = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]}
    about = {"datetime": "2015-04-01T12:00:00Z", "gsd": 1000.9, "deprecated": None}
    fields = {"type": "Feature", "stac_version": "1.1.0", "id": "a", "collection": "c", "geometry": box}
    record = fields | {"bbox": [0, 0, 1, 1], "properties": about, "links": [], "assets": {}}
    write_table(folder / "a.parquet", [record])
    return Finder(folder, Limits(search_seconds=0.5)), f"{folder}/*.parquet"


@settings(max_examples=150)
@given(NODES)
def test_any_json_is_a_filter_that_runs_or_is_refused(finder, node):
    searches, tables = finder
    try:
        terms = {"filter": checked_filter(node, "cql2-json", KNOWN), "sortby": ["+id"]}
        found = searches.search(tables, terms, KINDS)
    except (HTTPException, ValueError):
        return
    assert found in ([], [("c", "a")])


@given(
    st.text(max_size=200) | st.lists(st.sampled_from(["(", "NOT ", "-", "gsd", "=", "1", "'", '"', ")"])).map("".join)
)
def test_any_text_is_a_filter_or_is_refused(text):
    with contextlib.suppress(HTTPException):
        assert isinstance(checked_filter(text, "cql2-text", KNOWN), dict | bool)


def test_a_search_that_takes_too_long_ends(finder):
    searches, _ = finder
    with searches._cursor() as one, searches._cursor(), searches._cursor(), searches._cursor():
        with pytest.raises(SearchBusyError, match=r"longer than 0\.5 s"):
            searches.search("/nowhere", {"sortby": ["+id"]}, KINDS)
        with pytest.raises(Exception, match="disabled by configuration"):
            one.execute("SELECT * FROM read_text('/etc/hostname')")
        with pytest.raises(Exception, match="locked"):
            one.execute("SET memory_limit = '10GB'")


def test_a_statement_that_runs_on_is_interrupted(finder, monkeypatch):
    searches, tables = finder
    monkeypatch.setattr(
        "catalog.api.stac.sql.Statement.select",
        lambda *_: "SELECT 'c', 'a' FROM range(1000000000) WHERE sin(range) > 2",
    )
    with pytest.raises(SearchBusyError):
        searches.search(tables, {"sortby": ["+id"]}, KINDS)


def test_a_limit_that_is_none_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("VADOSE_SERVE_SEARCH_MEMORY", "much")
    (tmp_path / "catalog.json").write_text("{}")
    with pytest.raises(ConfigError, match="VADOSE_SERVE_SEARCH_MEMORY=much"):
        create_app(tmp_path)
    monkeypatch.delenv("VADOSE_SERVE_SEARCH_MEMORY")
    monkeypatch.setenv("VADOSE_SERVE_SEARCHES", "1")
    with pytest.raises(ConfigError, match="VADOSE_SERVE_SEARCHES"):
        create_app(tmp_path)


@pytest.mark.parametrize("name", ["ids", "collections"])
def test_an_empty_list_in_the_address_is_refused(service, name):
    """Clients that join no names with commas write it; every item is not what they asked for."""
    answer = requests.get(f"{service}search?{name}=", timeout=60)
    assert answer.status_code == 400
    assert f"'{name}' is empty" in answer.json()["description"]


@pytest.mark.parametrize(
    "shape",
    [
        {"type": "Point", "coordinates": [261.9, 34.8]},
        {"type": "Point", "coordinates": [34.8, -98.1]},
        {"type": "Polygon", "coordinates": [[[-98, 34], [-97, 34], [-97, 3400000], [-98, 34]]]},
        {"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [-98.1, 340]}]},
    ],
)
def test_a_geometry_beyond_the_globe_is_refused(service, shape):
    """It would find nothing, as if there were no day."""
    spatial = {"op": "s_intersects", "args": [{"property": "geometry"}, shape]}
    for body in ({"intersects": shape}, {"filter": spatial, "filter-lang": "cql2-json"}):
        answer = requests.post(f"{service}search", json=body, timeout=60)
        assert answer.status_code == 400
        assert "leaves the globe" in answer.json()["description"]
