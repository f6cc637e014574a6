"""The same polygons from each kind of file; what cannot be read is told."""

import json
import sqlite3
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from pyproj import Transformer

from downscaler.errors import ZoneError
from downscaler.records import file_sha256
from downscaler.sources.zones import read_layer

SQUARES = {
    "40015": ("Caddo", shapely.box(-98.3, 34.8, -98.1, 35.0)),
    "40031": ("Comanche", shapely.box(-98.1, 34.7, -97.9, 35.0)),
}


def as_geojson(path: Path, **more: object) -> Path:
    features = [
        {"type": "Feature", "properties": {"GEOID": key, "NAME": name}, "geometry": shapely.geometry.mapping(square)}
        for key, (name, square) in SQUARES.items()
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features, **more}))
    return path


def as_geoparquet(path: Path) -> Path:
    told = {
        "version": "1.1.0",
        "primary_column": "shape",
        "columns": {"shape": {"encoding": "WKB", "geometry_types": []}},
    }
    columns = {
        "GEOID": list(SQUARES),
        "NAME": [name for name, _ in SQUARES.values()],
        "shape": [shapely.to_wkb(square) for _, square in SQUARES.values()],
    }
    pq.write_table(pa.table(columns).replace_schema_metadata({"geo": json.dumps(told)}), path)
    return path


def as_geopackage(path: Path, epsg: int = 3857) -> Path:
    """A GeoPackage by its specification, in another reference system, its geometries with an envelope."""
    change = Transformer.from_crs("OGC:CRS84", f"EPSG:{epsg}", always_xy=True)
    with sqlite3.connect(path) as base:
        base.execute("CREATE TABLE gpkg_spatial_ref_sys (srs_id INT, organization TEXT, organization_coordsys_id INT)")
        base.execute("INSERT INTO gpkg_spatial_ref_sys VALUES (7, 'EPSG', ?)", (epsg,))
        base.execute("CREATE TABLE gpkg_geometry_columns (table_name TEXT, column_name TEXT, srs_id INT)")
        base.execute("INSERT INTO gpkg_geometry_columns VALUES ('the counties', 'geom', 7)")
        base.execute('CREATE TABLE "the counties" (fid INTEGER PRIMARY KEY, geom BLOB, GEOID TEXT, NAME TEXT)')
        for key, (name, square) in SQUARES.items():
            moved = shapely.transform(square, change.transform, interleaved=False)
            west, south, east, north = moved.bounds
            head = b"GP" + bytes([0, 0b00000011]) + struct.pack("<i4d", 7, west, east, south, north)
            base.execute(
                'INSERT INTO "the counties" (geom, GEOID, NAME) VALUES (?, ?, ?)', (head + moved.wkb, key, name)
            )
    base.close()
    return path


@pytest.mark.parametrize(
    ("make", "name"), [(as_geojson, "c.geojson"), (as_geoparquet, "c.parquet"), (as_geopackage, "c.gpkg")]
)
def test_every_kind_tells_the_same(tmp_path: Path, make: object, name: str) -> None:
    layer = read_layer(make(tmp_path / name))  # type: ignore[operator]
    assert [(zone.id, zone.name) for zone in layer.zones] == [("40015", "Caddo"), ("40031", "Comanche")]
    for zone in layer.zones:
        assert zone.geometry.symmetric_difference(SQUARES[zone.id][1]).area < 1e-9
    assert layer.name == "c"


def test_attributes_may_be_named(tmp_path: Path) -> None:
    layer = read_layer(as_geojson(tmp_path / "c.json"), id_field="NAME", name_field="GEOID")
    assert [(zone.id, zone.name) for zone in layer.zones] == [("Caddo", "40015"), ("Comanche", "40031")]
    with pytest.raises(ZoneError, match="no such attribute"):
        read_layer(tmp_path / "c.json", id_field="HUC8")


def test_other_attributes_make_another_layer(tmp_path: Path) -> None:
    """Else days of a series would stand under identifiers of which others have none."""
    path = as_geojson(tmp_path / "c.json")
    made = [read_layer(path), read_layer(path, id_field="NAME"), read_layer(path, name_field="GEOID")]
    assert len({layer.sha256 for layer in made}) == 3
    assert read_layer(path).sha256 == made[0].sha256 == file_sha256(path)


@pytest.mark.parametrize("turn", [-360.0, 0.0, 360.0])
def test_polygons_across_the_antimeridian_lie_at_both_ends(tmp_path: Path, turn: float) -> None:
    """Projected as they stand, their edges would run across the whole grid, and cover what lies between."""
    across = shapely.Polygon([(170 + turn, 51), (185 + turn, 52), (190 + turn, 55), (172 + turn, 54)])
    document = {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(across)}
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps(document))
    if turn > 0:
        with pytest.raises(ZoneError, match="not in longitude and latitude"):
            read_layer(path)
        return
    (zone,) = read_layer(path).zones
    west, _, east, _ = zone.geometry.bounds
    assert (west, east) == (-180.0, 180.0)
    assert zone.geometry.area == pytest.approx(across.area)
    for lon, lat in ((171.5, 51.5), (181, 53), (189, 54.5)):
        assert across.contains(shapely.Point(lon + turn, lat)) == zone.geometry.contains(
            shapely.Point((lon + 180) % 360 - 180, lat)
        )
    assert not zone.geometry.intersects(shapely.box(-169, 50, 169, 60))


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.shp", b"", "unknown kind"),
        ("a.geojson", b"{", "cannot be read"),
        ("a.json", b'{"type": "FeatureCollection", "features": []}', "no polygons"),
        (
            "b.json",
            b'{"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [1, 2]}}',
            "no poly",
        ),
        ("c.json", b"[]", "cannot be read"),
        ("d.json", b'{"type": "FeatureCollection", "features": [7]}', "cannot be read"),
        ("a.gpkg", b"not a database", "cannot be read"),
        ("a.parquet", b"PAR1", "cannot be read"),
    ],
)
def test_what_is_no_layer_is_told(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ZoneError, match=told):
        read_layer(tmp_path / name)


def test_a_database_of_odd_pages_is_told_as_damaged(tmp_path: Path) -> None:
    path = as_geopackage(tmp_path / "c.gpkg")
    content = bytearray(path.read_bytes())
    content[16:18], content[20] = b"\x02\x00", 1  # pages of 512 bytes
    path.write_bytes(content)
    with pytest.raises(ZoneError, match="cannot be read"):
        read_layer(path)


def test_identifiers_have_to_be_unique_and_the_file_there(tmp_path: Path) -> None:
    path = as_geojson(tmp_path / "c.json")
    path.write_text(path.read_text().replace("40031", "40015"))
    with pytest.raises(ZoneError, match="Two polygons"):
        read_layer(path)
    with pytest.raises(ZoneError, match="not found"):
        read_layer(tmp_path / "absent.gpkg")


def test_a_layer_that_is_a_query_is_refused(tmp_path: Path) -> None:
    """Its rows may have no end; so may those of the tables that describe it."""
    path = as_geopackage(tmp_path / "zones.gpkg")
    endless = "AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS fid, NULL AS geom FROM n"
    for name in ("gpkg_geometry_columns", "gpkg_spatial_ref_sys", layer_of(path)):
        changed = tmp_path / f"{name}.gpkg"
        changed.write_bytes(path.read_bytes())
        with sqlite3.connect(changed) as base:
            base.execute(f'DROP TABLE "{name}"')
            base.execute(f'CREATE VIEW "{name}" {endless}')
        base.close()
        with pytest.raises(ZoneError, match=f"{name} is not a table"):
            read_layer(changed)


def layer_of(path: Path) -> str:
    with sqlite3.connect(path) as base:
        (name,) = base.execute("SELECT table_name FROM gpkg_geometry_columns").fetchone()
    base.close()
    return str(name)


@pytest.mark.parametrize("crs", ["+init=/etc/passwd:1", "/etc/passwd", 5, "EPSG:4326\n+x"])
def test_a_reference_system_is_named_or_described(tmp_path: Path, crs: object) -> None:
    path = as_geoparquet(tmp_path / "zones.parquet")
    table = pq.read_table(path)
    told = json.loads(table.schema.metadata[b"geo"])
    told["columns"][told["primary_column"]]["crs"] = crs
    pq.write_table(table.replace_schema_metadata({b"geo": json.dumps(told).encode()}), path)
    with pytest.raises(ZoneError, match="no authority and code"):
        read_layer(path)


def test_names_of_files_are_no_addresses(tmp_path: Path) -> None:
    path = as_geopackage(tmp_path / "zones.gpkg")
    odd = path.rename(tmp_path / "zones?mode=rwc#1%41.gpkg")
    assert len(read_layer(odd).zones) == len(SQUARES)


def moved_geojson(path: Path, epsg: int, **more: object) -> Path:
    """The squares in another reference system."""
    change = Transformer.from_crs("OGC:CRS84", f"EPSG:{epsg}", always_xy=True)
    document = json.loads(as_geojson(path, **more).read_text())
    for feature, (_, square) in zip(document["features"], SQUARES.values(), strict=True):
        there = shapely.transform(square, change.transform, interleaved=False)
        feature["geometry"] = shapely.geometry.mapping(there)
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize("name", ["urn:ogc:def:crs:EPSG::5070", "EPSG:5070"])
def test_the_reference_system_that_geojson_names_counts(tmp_path: Path, name: str) -> None:
    path = moved_geojson(tmp_path / "c.geojson", 5070, crs={"type": "name", "properties": {"name": name}})
    for zone in read_layer(path).zones:
        assert zone.geometry.symmetric_difference(SQUARES[zone.id][1]).area < 1e-9


def test_metres_without_a_reference_system_and_latitude_first_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ZoneError, match="not in longitude and latitude"):
        read_layer(moved_geojson(tmp_path / "c.geojson", 3857))
    turned = shapely.geometry.mapping(shapely.transform(SQUARES["40015"][1], lambda xy: xy[:, ::-1]))
    (tmp_path / "d.geojson").write_text(json.dumps({"type": "Feature", "properties": {}, "geometry": turned}))
    with pytest.raises(ZoneError, match="not in longitude and latitude"):
        read_layer(tmp_path / "d.geojson")


def features(path: Path, *rows: tuple[dict[str, object], shapely.Geometry]) -> Path:
    told = [
        {"type": "Feature", "properties": about, "geometry": shapely.geometry.mapping(where)} for about, where in rows
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": told}))
    return path


def test_only_the_areas_of_a_geometry_count(tmp_path: Path) -> None:
    """Of collections, lines that stick out, and what has no area."""
    one, two = (square for _, square in SQUARES.values())
    spur = shapely.Polygon([(-98, 35), (-97, 35), (-97, 36), (-96, 36), (-97, 36), (-98, 36)])
    path = features(
        tmp_path / "c.geojson",
        ({"GEOID": "a", "NAME": None}, shapely.GeometryCollection([one, shapely.Point(1, 2)])),
        ({"GEOID": "b"}, spur),
        ({"GEOID": "c"}, shapely.Polygon()),
        ({"GEOID": "d"}, shapely.Polygon([(-98, 35), (-97, 35), (-98, 35)])),
        ({"GEOID": "e"}, shapely.transform(two, lambda xy: np.add(xy, (360.0, 0.0)))),
    )
    found = {zone.id: zone for zone in read_layer(path).zones}
    assert list(found) == ["a", "b", "e"]
    assert found["a"].name == "a"
    for zone, area in (("a", one), ("b", shapely.box(-98, 35, -97, 36)), ("e", two)):
        assert found[zone].geometry.symmetric_difference(area).area < 1e-9


@pytest.mark.parametrize("about", [{"GEOID": None}, {"GEOID": ""}, {"NAME": "b"}])
def test_a_polygon_without_its_identifier_is_told(tmp_path: Path, about: dict[str, object]) -> None:
    one, two = (square for _, square in SQUARES.values())
    with pytest.raises(ZoneError, match="GEOID of polygon 1"):
        read_layer(features(tmp_path / "c.geojson", ({"GEOID": "1"}, one), (about, two)))
