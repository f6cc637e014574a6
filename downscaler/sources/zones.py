"""Polygons from GeoJSON, GeoPackage and GeoParquet, in longitude and latitude, with what identifies them."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError
from shapely.geometry import shape

from downscaler.errors import BROKEN, ZoneError
from downscaler.records import file_sha256
from downscaler.sources import parquet

ID_FIELDS = ("GEOID", "FIPS", "HUC12", "HUC10", "HUC8", "CLIMDIV", "AIANNHCE", "id", "ID", "fid")
NAME_FIELDS = ("NAMELSAD", "NAME", "name", "Name")
MOST = 200_000
_READS = "GeoJSON (.geojson, .json), GeoPackage (.gpkg) or GeoParquet (.parquet)"
_ENVELOPES = (0, 32, 48, 48, 64)  # bytes before a GeoPackage geometry, by kind of envelope
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE TABLE%'"
_AREAS = ("Polygon", "MultiPolygon")
Row = tuple[Mapping[str, Any], shapely.Geometry]


@dataclass(frozen=True, kw_only=True)
class Zone:
    """A polygon in degrees (longitude, latitude; WGS 84) with its identifier and name."""

    id: str
    name: str
    geometry: shapely.Geometry


@dataclass(frozen=True, kw_only=True)
class Layer:
    """The polygons of a file; ``sha256`` is of the file and of the fields that identify them."""

    name: str
    sha256: str
    zones: tuple[Zone, ...]


def read_layer(path: Path, id_field: str | None = None, name_field: str | None = None) -> Layer:
    """All polygons of a file.

    Args:
        path: the file; of a GeoPackage its first layer of features.
        id_field: attribute that identifies a polygon; without it the first of ``ID_FIELDS`` that is there, else its
            number.
        name_field: attribute that names it; without it the first of ``NAME_FIELDS``, else the identifier.

    Raises:
        ZoneError: the file is missing, of another kind or damaged, has no polygons, or identifiers that are not unique.
    """
    if not path.is_file():
        raise ZoneError("The file of polygons was not found", value=path)
    readers = {".geojson": _geojson, ".json": _geojson, ".gpkg": _geopackage, ".parquet": _geoparquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ZoneError("The file of polygons is of an unknown kind", value=path.name, allowed=_READS)
    try:
        zones = _zones(list(islice(reader(path), MOST + 1)), path, id_field, name_field)
    except ZoneError:
        raise
    except (*BROKEN, sqlite3.Error, shapely.errors.ShapelyError, CRSError, pa.ArrowException) as error:
        told = str(error)[:300]
        raise ZoneError("The file of polygons cannot be read", value=f"{path}: {told}", allowed=_READS) from error
    return Layer(name=path.stem, sha256=_told_by(file_sha256(path), id_field, name_field), zones=zones)


def _told_by(sha256: str, *fields: str | None) -> str:
    """Checksum of a file and of the fields that were named: with others the same file is another layer."""
    if not any(fields):
        return sha256
    return hashlib.sha256(json.dumps([sha256, *fields]).encode()).hexdigest()


def _zones(rows: Sequence[Row], path: Path, id_field: str | None, name_field: str | None) -> tuple[Zone, ...]:
    kept = [(told, area) for told, geometry in rows if (area := _area(geometry)) is not None]
    if not kept or len(kept) > MOST:
        raise ZoneError("The file has no polygons, or too many", value=f"{path}: {len(kept)}", allowed=f"1 to {MOST}")
    fields = kept[0][0]
    for wanted in (id_field, name_field):
        if wanted is not None and wanted not in fields:
            raise ZoneError("The polygons have no such attribute", value=wanted, allowed=sorted(fields))
    own = id_field or next((name for name in ID_FIELDS if name in fields), None)
    called = name_field or next((name for name in NAME_FIELDS if name in fields), own)
    ids = [str(told.get(own)) if own else str(number) for number, (told, _) in enumerate(kept)]
    for number, (told, area) in enumerate(kept):
        if own and told.get(own) in (None, ""):
            raise ZoneError(
                "A polygon has no identifier",
                value=f"{own} of polygon {number}",
                remedy="Name another with --id-field.",
            )
        _check_degrees(area, ids[number])
    twice = sorted(one for one, number in Counter(ids).items() if number > 1)
    if twice:
        raise ZoneError(
            "Two polygons have one identifier", value=f"{own}: {twice[0]}", remedy="Name another with --id-field."
        )
    return tuple(
        Zone(id=one, name=str(told.get(called) or one) if called else one, geometry=area)
        for one, (told, area) in zip(ids, kept, strict=True)
    )


def _area(geometry: shapely.Geometry) -> shapely.Geometry | None:
    """What of a geometry is an area, put right where its edges cross, within 180 degrees of longitude; else None."""
    area = _areal(shapely.make_valid(geometry))
    if not area.area > 0:
        return None
    return area if -180.0 <= area.bounds[0] <= area.bounds[2] <= 180.0 else _within_globe(area)


def _within_globe(area: shapely.Geometry) -> shapely.Geometry:
    """A polygon that leaves -180 to 180 degrees of longitude, as Alaska's do, with each part where it lies on Earth.

    Projected as it stands, what lies beyond would come to the other end of the grid, and its edges run across the grid.
    """
    if not (area.bounds[0] >= -360.0 and area.bounds[2] <= 360.0):
        return area  # of no degrees: ``_check_degrees`` tells
    parts = [
        shapely.transform(
            shapely.intersection(area, shapely.box(middle - 180.0, -90.0, middle + 180.0, 90.0)),
            lambda xy, middle=middle: xy - (middle, 0.0),
        )
        for middle in (-360.0, 0.0, 360.0)
    ]
    return _areal(shapely.union_all(parts))


def _areal(geometry: shapely.Geometry) -> shapely.Geometry:
    """The polygons of a geometry."""
    if geometry.geom_type in _AREAS:
        return geometry
    parts = [part for part in shapely.get_parts(geometry).tolist() if part.geom_type in _AREAS]
    return shapely.MultiPolygon([one for part in parts for one in shapely.get_parts(part).tolist()])


def _check_degrees(area: shapely.Geometry, zone: str) -> None:
    """Raise ZoneError for a polygon that lies on no Earth in degrees: of metres, or with its latitude first."""
    west, south, east, north = area.bounds
    if not (west >= -360.0 and east <= 360.0 and south >= -90.0 and north <= 90.0):
        raise ZoneError(
            "A polygon is not in longitude and latitude",
            value=f"{zone}: {west:g} to {east:g}, {south:g} to {north:g}",
            allowed="longitude first, in degrees, or a file that tells its reference system",
        )


def _geojson(path: Path) -> Iterator[Row]:
    document = json.loads(path.read_text(encoding="utf-8-sig"))
    features = document["features"] if document.get("type") == "FeatureCollection" else [document]
    to_degrees = _told_crs(document.get("crs"))
    for feature in features:
        geometry = feature.get("geometry", feature if {"coordinates", "geometries"} & set(feature) else None)
        if geometry is not None:
            identified = {"id": feature["id"]} if "id" in feature else {}
            yield identified | dict(feature.get("properties") or {}), to_degrees(shape(geometry))


def _told_crs(told: Any) -> Any:
    """To longitude and latitude from the member ``crs`` of older GeoJSON, which GDAL and GIS still write.

    What links to a description elsewhere is not followed, and then ``_check_degrees`` decides.
    """
    name = told.get("properties", {}).get("name") if isinstance(told, Mapping) else None
    if name is None:
        return lambda geometry: geometry
    urn = re.fullmatch(r"urn:ogc:def:crs:(\w+):[\w.]*:(\w+)", str(name))
    crs = _named_crs(f"{urn[1]}:{urn[2]}" if urn else str(name))
    return (lambda geometry: geometry) if crs.is_geographic else _to_degrees(crs)


def _geopackage(path: Path) -> Iterator[Row]:
    """Features of the first layer; the binary form is that of OGC 12-128r19, clause 2.1.3."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as base:
        base.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max(path.stat().st_size, 1_000_000))  # no value is longer
        base.execute("PRAGMA trusted_schema = OFF")
        base.row_factory = sqlite3.Row
        try:
            tables = {str(name) for (name,) in base.execute(_TABLES)}
            for name in ("gpkg_geometry_columns", "gpkg_spatial_ref_sys"):
                _require_table(name, tables)
            column = base.execute("SELECT table_name, column_name, srs_id FROM gpkg_geometry_columns").fetchone()
        except MemoryError:  # SQLite's word for pages of an odd size; nothing was asked for
            raise sqlite3.DatabaseError("the header of its database is damaged") from None
        if column is None:
            return
        table, geometry, srs = column
        told = base.execute(
            "SELECT organization, organization_coordsys_id FROM gpkg_spatial_ref_sys WHERE srs_id = ?", (srs,)
        ).fetchone()
        to_degrees = _to_degrees(_named_crs(f"{told[0]}:{told[1]}"))
        _require_table(str(table), tables)
        quoted = str(table).replace('"', '""')
        for row in base.execute(f'SELECT * FROM "{quoted}"'):  # noqa: S608  (the file's own name, quoted)
            if row[geometry] is not None:
                found = dict(row)
                yield found, to_degrees(shapely.from_wkb(_plain_wkb(found.pop(geometry))))


def _require_table(name: str, tables: set[str]) -> None:
    """Raise sqlite3.DatabaseError for a view, whose query may have no end."""
    if name not in tables:
        raise sqlite3.DatabaseError(f"{name} is not a table")


def _named_crs(name: str) -> CRS:
    """A reference system by authority and code; whatever else PROJ reads may name files of this machine."""
    if not re.fullmatch(r"[A-Za-z]+:[A-Za-z0-9.]+", name):
        raise ValueError(f"the reference system {name[:80]!r} is no authority and code")
    return CRS.from_user_input(name)


def _plain_wkb(blob: bytes) -> bytes:
    if blob[:2] != b"GP":
        raise ValueError("a geometry is no GeoPackage geometry")
    return blob[8 + _ENVELOPES[(blob[3] >> 1) & 7] :]


def _geoparquet(path: Path) -> Iterator[Row]:
    """Rows of a file as https://geoparquet.org (1.1) has it, geometries as WKB."""
    with parquet.opened(path) as file:
        told = json.loads((file.schema_arrow.metadata or {})[b"geo"])
        yield from _geometries(file, told["primary_column"], told["columns"][told["primary_column"]])


def _geometries(file: pq.ParquetFile, name: str, described: Mapping[str, Any]) -> Iterator[Row]:
    if described.get("encoding", "WKB") != "WKB":
        raise ValueError(f"geometries are encoded as {described['encoding']}; WKB is read")
    crs = described.get("crs") or "OGC:CRS84"
    to_degrees = _to_degrees(CRS.from_json_dict(crs) if isinstance(crs, dict) else _named_crs(str(crs)))
    for batch in parquet.batches(file):
        for row in batch.to_pylist():
            geometry = row.pop(name)
            if geometry is not None:
                yield row, to_degrees(shapely.from_wkb(geometry))


def _to_degrees(crs: CRS) -> Any:
    """A function that brings geometries from a reference system to longitude and latitude."""
    change = Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
    return lambda geometry: shapely.transform(geometry, change.transform, interleaved=False)
