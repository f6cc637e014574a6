"""Sound inputs of every reader, small, made once below a folder by the code that production runs."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import shutil
import sqlite3
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely.geometry


def make(folder: Path, *, light: bool = False) -> None:
    """Fill the folder; ``light`` leaves out what takes a sample and a model."""
    from tests.conftest import build_chain, small_domain
    from tests.fuzz import stations

    stations.write(folder / "stations")
    _layers(folder / "layers")
    _native(folder / "run")
    _catalog(folder / "catalog")
    _weather(folder / "weather", small_domain())
    if light:
        return
    build_chain(folder / "chain")
    granule = next((folder / "chain" / "sample" / "granules").glob("*.h5"))
    shutil.copyfile(granule, folder / granule.name)
    _prior_files(folder)
    _climatology(folder)


def _layers(folder: Path) -> None:
    """Polygons as GeoJSON, GeoParquet and GeoPackage."""
    folder.mkdir()
    ring = [[-98, 34], [-97, 34], [-97, 35], [-98, 35], [-98, 34]]
    features = [
        {
            "type": "Feature",
            "id": number,
            "properties": {"GEOID": f"0{number}", "NAME": f"Zone {number}"},
            "geometry": {"type": kind, "coordinates": [ring] if kind == "Polygon" else [[ring]]},
        }
        for number, kind in enumerate(("Polygon", "MultiPolygon"))
    ]
    (folder / "zones.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    shapes = [shapely.geometry.shape(feature["geometry"]) for feature in features]
    names = [feature["properties"]["GEOID"] for feature in features]
    _geoparquet(folder / "zones.parquet", shapes, names)
    _geopackage(folder / "zones.gpkg", shapes, names)


def _geoparquet(path: Path, shapes: list[shapely.Geometry], names: list[str]) -> None:
    told = {"version": "1.1.0", "primary_column": "geometry"}
    told["columns"] = {"geometry": {"encoding": "WKB", "geometry_types": []}}  # type: ignore[assignment]
    table = pa.table({"GEOID": names, "geometry": [shapely.to_wkb(one) for one in shapes]})
    pq.write_table(table.replace_schema_metadata({b"geo": json.dumps(told).encode()}), path)


def _geopackage(path: Path, shapes: list[shapely.Geometry], names: list[str]) -> None:
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA page_size = 512")
        file.execute("CREATE TABLE gpkg_contents (table_name TEXT, data_type TEXT, srs_id INTEGER)")
        file.execute("CREATE TABLE gpkg_geometry_columns (table_name TEXT, column_name TEXT, srs_id INTEGER)")
        file.execute(
            "CREATE TABLE gpkg_spatial_ref_sys (srs_id INTEGER, organization TEXT, "
            "organization_coordsys_id INTEGER, definition TEXT)"
        )
        file.execute("INSERT INTO gpkg_contents VALUES ('zones', 'features', 4326)")
        file.execute("INSERT INTO gpkg_geometry_columns VALUES ('zones', 'geom', 4326)")
        file.execute("INSERT INTO gpkg_spatial_ref_sys VALUES (4326, 'EPSG', 4326, 'undefined')")
        file.execute("CREATE TABLE zones (fid INTEGER PRIMARY KEY, geom BLOB, GEOID TEXT)")
        head = b"GP\0\1" + struct.pack("<i", 4326)
        rows = [(head + shapely.to_wkb(one, byte_order=1), name) for one, name in zip(shapes, names, strict=True)]
        file.executemany("INSERT INTO zones (geom, GEOID) VALUES (?, ?)", rows)
        file.commit()


def _prior_files(folder: Path) -> None:
    """ParFlow as NetCDF: two days of the sample's, ten cells by ten."""
    import xarray as xr

    native, corner = folder / "chain" / "sample" / "prior", {"y": slice(0, 10), "x": slice(0, 10)}
    with xr.open_dataset(native / "daily.nc") as daily:
        cut = daily.isel(time=slice(0, 2), **corner)
        cut.to_netcdf(folder / "daily.nc")
        cut.to_netcdf(folder / "classic.nc", format="NETCDF3_64BIT")
        cut.drop_encoding().to_zarr(folder / "daily.zarr", consolidated=False, zarr_format=3)
        cut.drop_encoding().to_zarr(folder / "second.zarr", consolidated=True, zarr_format=2)
    with xr.open_dataset(native / "static.nc") as static:
        static.isel(corner).to_netcdf(folder / "static.nc")


def pfb(path: Path, values: np.ndarray) -> None:
    """Write [z, y, x] as a .pfb of one subgrid."""
    from downscaler.sources.parflow.pfb import HEADER, SUBGRID

    nz, ny, nx = values.shape
    head = HEADER.pack(0.0, 0.0, 0.0, nx, ny, nz, 1000.0, 1000.0, 1.0, 1)
    path.write_bytes(head + SUBGRID.pack(0, 0, 0, nx, ny, nz, 1, 1, 1) + values.astype(">f8").tobytes())


def _native(folder: Path) -> None:
    """A ParFlow run of its own files with a description."""
    folder.mkdir()
    chance = np.random.default_rng(0)
    for step in range(1, 4):
        pfb(folder / f"run.out.satur.{step:05d}.pfb", chance.uniform(0.3, 0.9, (2, 6, 7)))
    pfb(folder / "porosity.pfb", np.full((2, 6, 7), 0.4))
    (folder / "prior.toml").write_text(
        '[grid]\nlattice = "CONUS2"\nij_bounds = [2000, 1500, 2007, 1506]\n\n'
        '[time]\nstart = "2024-05-01"\nstep = "1d"\n\n'
        '[files]\nsaturation = "run.out.satur.*.pfb"\nporosity = "porosity.pfb"\n\n'
        '[source]\ntitle = "A run"\nsimulated = true\n'
    )


def _catalog(folder: Path) -> None:
    """A catalogue of two days, one of them in its second revision, one withdrawn, with a claim and a failure."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "catalog"))
    from catalog import publish
    from downscaler import product
    from tests.catalog.conftest import run_record, whole_tiles

    domain, first = product.LITTLE_WASHITA, dt.date(2015, 4, 1)
    publish(folder, run_record(domain, first), domain, whole_tiles(domain))
    publish(folder, run_record(domain, first, granule="d" * 64), domain, whole_tiles(domain, seed=1))
    publish(folder, run_record(domain, first + dt.timedelta(days=1)), domain, whole_tiles(domain, seed=2))
    claims = folder / "claims" / "vadose-sm-1km_little-washita"
    claims.mkdir(parents=True)
    until = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=30)
    held = {"token": "x", "machine": "elsewhere", "process": 1, "started": "1", "until": until.isoformat()}
    (claims / "20150401.json").write_text(json.dumps(held))


def _weather(folder: Path, domain: object) -> None:
    """A weather store with a day."""
    from downscaler.stores.weather.build import build_weather

    build_weather(folder, domain)  # type: ignore[arg-type]


def _climatology(folder: Path) -> None:
    """A coarse climatology of the sample's granules."""
    from downscaler.stores.climatology import save_statistics
    from downscaler.stores.climatology.build import smap_statistics
    from tests.conftest import small_domain

    save_statistics(
        smap_statistics(folder / "chain" / "sample" / "granules", small_domain()), folder / "climatology.nc"
    )


def archive(path: Path, members: dict[str, bytes]) -> None:
    """Write a zip file."""
    with zipfile.ZipFile(path, "w") as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
