"""Items of a collection as one NetCDF file after CF 1.11 and ACDD 1.3, window by window."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from rasterio.windows import Window as RasterWindow

from catalog.cube.layout import Grid
from catalog.items.day import is_withdrawn
from catalog.naming import DayName
from catalog.reading.days import find_item
from catalog.reading.rasters import open_raster
from catalog.store.base import Store, open_store
from catalog.store.documents import Document, resolve
from downscaler import __version__, product
from downscaler.errors import CatalogError
from downscaler.ground.grid import Domain
from downscaler.parts import replacing
from downscaler.product import QUALITY_FLAG, Variable

CF, ACDD = "CF-1.11", "ACDD-1.3"
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_TIME_UNITS = "days since 1970-01-01T00:00:00Z"
_CHUNK, _STRIP = 512, 512  # cells of a chunk's side, rows that are held at once
_ENDS = {"lon": (0, -1), "lat": (-1, 0)}  # ACDD's bounds are of the cells' centres
_BESIDE = {v.name for v in product.variables_of(product.ANALYSIS)} - {product.SOIL_MOISTURE.name}
_KEYWORDS = "EARTH SCIENCE > LAND SURFACE > SOILS > SOIL MOISTURE/WATER CONTENT"


@dataclass(frozen=True, kw_only=True)
class Item:
    """An item that goes into the file."""

    date: dt.date
    document: Document


def export_netcdf(
    uri: str | Path,
    domain: Domain,
    dates: Sequence[dt.date],
    out: Path,
    *,
    names: Sequence[str] | None = None,
    contact: str | None = None,
) -> int:
    """Write the published items of some first days as one NetCDF-4 file; whole or not at all. How many there are.

    Args:
        uri: the catalogue.
        domain: of the items, under the name of their kind.
        dates: first days; those that are not published are left out.
        out: the file; an older one is replaced.
        names: variables; all of the kind where not given.
        contact: e-mail address of who publishes it; none is told without.

    Raises:
        CatalogError: none of the days is published, an unknown variable, or a file is missing or damaged.
        OutputError: the output is a folder, or may not be written.
        StorageFullError: no room.
    """
    store = open_store(uri)
    known = {variable.name: variable for variable in product.variables_of(domain.name)}
    if unknown := [name for name in names or () if name not in known]:
        raise CatalogError("There is no such variable", value=unknown[0], allowed=list(known))
    found = [(date, find_item(uri, domain, date)) for date in sorted(set(dates))]
    items = [Item(date=date, document=item) for date, item in found if item is not None and not is_withdrawn(item)]
    if not items:
        asked = f"{domain.name}, {min(dates)} to {max(dates)}" if dates else domain.name
        remedy = "`vadose status` shows the days that are; `vadose run` or `vadose backfill` make them."
        raise CatalogError("None of these days is published", value=asked, remedy=remedy)
    variables = [known[name] for name in names or known]
    with replacing(out, "NetCDF") as staging, netCDF4.Dataset(staging, "w", format="NETCDF4") as file:
        _describe(file, domain, items, contact)
        for variable in variables:
            _declare(file, variable)
        _relate(file, variables)
        for number, item in enumerate(items):
            _fill(file, store, domain, number, item, variables)
    return len(items)


def _describe(file: netCDF4.Dataset, domain: Domain, items: Sequence[Item], contact: str | None) -> None:
    """Dimensions, axes and the attributes of the whole."""
    grid = Grid.of(items[0].document["properties"])
    axes, (rows, columns) = grid.axes(), grid.shape
    for name, size in (("time", len(items)), ("bounds", 2), ("depth", 2), ("y", rows), ("x", columns)):
        file.createDimension(name, size)
    days = [(dt.datetime.combine(i.date, dt.time(), tzinfo=dt.UTC) - _EPOCH).days for i in items]
    ends = [(product.last_day(domain.name, i.date) - i.date).days + 1 for i in items]
    told: dict[str, tuple[tuple[str, ...], Any, dict[str, str]]] = {
        "time": (
            ("time",),
            np.asarray(days, float) + np.asarray(ends) / 2.0,
            {"standard_name": "time", "long_name": "middle of the period", "units": _TIME_UNITS}
            | {"calendar": "standard", "units_metadata": "leap_seconds: utc", "axis": "T", "bounds": "time_bounds"},
        ),
        "time_bounds": (("time", "bounds"), np.stack([days, np.add(days, ends)], axis=1).astype(float), {}),
        "depth": (
            ("depth",),
            np.array([0.0, _deepest(domain)]),
            {"standard_name": "depth", "long_name": "upper and lower edge of the soil that values are of", "units": "m"}
            | {"positive": "down", "axis": "Z"},
        ),
        "y": (("y",), axes["y"], _axis("projection_y_coordinate", "Y")),
        "x": (("x",), axes["x"], _axis("projection_x_coordinate", "X")),
        "lat": (("y",), axes["lat"], _degrees("latitude", "degrees_north")),
        "lon": (("x",), axes["lon"], _degrees("longitude", "degrees_east")),
    }
    for name, (dims, values, attributes) in told.items():
        variable = file.createVariable(name, "f8", dims)
        variable.setncatts(attributes)
        variable[:] = values
    mapping = file.createVariable("crs", "i4")
    mapping.setncatts({"long_name": "EASE-Grid 2.0, global, 1 km"} | grid.mapping())
    whom = {} if contact is None else {"creator_email": contact, "publisher_email": contact}
    file.setncatts(_attributes(domain, items, axes) | whom)


def _axis(standard_name: str, axis: str) -> dict[str, str]:
    return {"standard_name": standard_name, "long_name": f"{axis} of EASE-Grid 2.0", "units": "m", "axis": axis}


def _degrees(name: str, units: str) -> dict[str, str]:
    return {"standard_name": name, "long_name": f"{name} of the cell's centre", "units": units}


def _attributes(domain: Domain, items: Sequence[Item], axes: Mapping[str, Any]) -> dict[str, Any]:
    """Global attributes of CF and ACDD."""
    first = items[0].document["properties"]
    west, east, south, north = (float(axes[name][place]) for name in ("lon", "lat") for place in _ENDS[name])
    kind = product.kind_of(domain.name)
    caveats = dict.fromkeys(text for item in items for text in item.document["properties"]["vadose:caveats"])
    resolution = abs(float(axes["lon"][1] - axes["lon"][0]))
    return {
        "Conventions": f"{CF}, {ACDD}",
        "title": f"{product.TITLE}, {domain.title}",
        "summary": f"{kind.description} {product.DEPTH_NOTE}",
        "keywords": _KEYWORDS,
        "keywords_vocabulary": "NASA Global Change Master Directory (GCMD) Science Keywords",
        "standard_name_vocabulary": "CF Standard Name Table v88",
        "source": kind.lineage,
        "history": f"{first['published']} published as {items[0].document['id']}, revision {first['version']}",
        "references": f"https://doi.org/{product.METHOD_DOI}",
        "comment": " ".join([*caveats, product.DEPTH_NOTE]),
        "license": product.LICENSE,
        "id": items[0].document["id"] if len(items) == 1 else f"{items[0].document['collection']}_{len(items)}",
        "naming_authority": "vadose",
        "product_version": str(first["vadose:product_version"]),
        "processing_level": "L4",
        "institution": "vadose",
        "project": "vadose",
        "creator_name": "vadose",
        "creator_type": "institution",
        "creator_institution": "vadose",
        "creator_url": f"https://doi.org/{product.METHOD_DOI}",
        "publisher_name": "vadose",
        "publisher_type": "institution",
        "publisher_institution": "vadose",
        "publisher_url": f"https://doi.org/{product.METHOD_DOI}",
        "program": "vadose",
        "acknowledgement": "SMAP: NASA. ParFlow-CLM: HydroFrame. Method: " + product.METHOD_CITATION,
        "contributor_name": "NASA SMAP; ParFlow-CLM",
        "contributor_role": "provider of retrievals; provider of the prior",
        "instrument": "SMAP L-band radiometer",
        "platform": "SMAP",
        "platform_vocabulary": "NASA Global Change Master Directory (GCMD) Platforms",
        "instrument_vocabulary": "NASA Global Change Master Directory (GCMD) Instruments",
        "cdm_data_type": "Grid",
        "metadata_link": f"https://doi.org/{product.METHOD_DOI}",
        "date_created": max(item.document["properties"]["created"] for item in items),
        "date_issued": max(item.document["properties"]["published"] for item in items),
        "date_modified": max(item.document["properties"]["updated"] for item in items),
        "date_metadata_modified": max(item.document["properties"]["updated"] for item in items),
        "geospatial_lat_min": south,
        "geospatial_lat_max": north,
        "geospatial_lon_min": west,
        "geospatial_lon_max": east,
        "geospatial_lat_units": "degrees_north",
        "geospatial_lon_units": "degrees_east",
        "geospatial_lat_resolution": f"{product.GRID.cell:.0f} m",
        "geospatial_lon_resolution": f"{resolution:.5f} degrees",
        "geospatial_bounds": f"POLYGON (({south} {west}, {north} {west}, {north} {east}, {south} {east}, "
        f"{south} {west}))",
        "geospatial_bounds_crs": "EPSG:4326",
        "geospatial_bounds_vertical_crs": "EPSG:5831",
        "geospatial_vertical_min": 0.0,
        "geospatial_vertical_max": _deepest(domain),
        "geospatial_vertical_units": "m",
        "geospatial_vertical_positive": "down",
        "geospatial_vertical_resolution": f"{_deepest(domain):g} m",
        "time_coverage_start": _middle(domain, items[0]),  # of the first and of the last value, as ACDD has it
        "time_coverage_end": _middle(domain, items[-1]),
        "time_coverage_duration": f"P{_span(domain, items)}D",
        "time_coverage_resolution": f"P{_span(domain, items[:1])}D",
        "simulated": str(any(item.document["properties"]["vadose:simulated"] for item in items)).lower(),
        "vadose_version": __version__,
    }


def _deepest(domain: Domain) -> float:
    """Metres below the surface that a kind's values reach down to; SMAP senses about 5 cm."""
    return 1.0 if product.kind_of(domain.name) is product.ROOT_ZONE else 0.05


def _middle(domain: Domain, item: Item) -> str:
    """The time that an item's values have on the axis; its bounds tell of which days they are."""
    days = (product.last_day(domain.name, item.date) - item.date).days + 1
    start = dt.datetime.combine(item.date, dt.time(), tzinfo=dt.UTC)
    return (start + dt.timedelta(days=days) / 2).isoformat().replace("+00:00", "Z")


def _span(domain: Domain, items: Sequence[Item]) -> int:
    return (product.last_day(domain.name, items[-1].date) - items[0].date).days + 1


def _declare(file: netCDF4.Dataset, variable: Variable) -> None:
    """An empty variable with the attributes that CF asks for."""
    fill = np.array(variable.nodata, variable.dtype)
    sizes = (file.dimensions["y"].size, file.dimensions["x"].size)
    chunk = (1, min(_CHUNK, sizes[0]), min(_CHUNK, sizes[1]))
    made = file.createVariable(
        variable.name,
        np.dtype(variable.dtype),
        ("time", "y", "x"),
        zlib=True,
        complevel=4,
        shuffle=True,
        chunksizes=chunk,
        fill_value=fill,
    )
    told = product.cf_attributes(
        variable, grid_mapping="crs", coordinates="lat lon", coverage_content_type=_kind(variable)
    )
    if variable.name in ("lower", "upper"):
        told["standard_name"] = product.SOIL_MOISTURE.standard_name
    kept = {name: value for name, value in told.items() if name not in ("flag_masks", "valid_min", "valid_max")}
    if variable is QUALITY_FLAG:
        kept["flag_masks"] = np.asarray(told["flag_masks"], variable.dtype)
    else:
        kept |= {"valid_min": fill.dtype.type(variable.valid_min), "valid_max": fill.dtype.type(variable.valid_max)}
    made.setncatts(kept)
    made.set_auto_maskandscale(False)


def _relate(file: netCDF4.Dataset, variables: Sequence[Variable]) -> None:
    """Name, beside the first variable, those that tell of it: its uncertainty, interval, flags and origin."""
    first, *others = variables
    beside = [v.name for v in others if v.name in _BESIDE]
    if beside and first.name == product.SOIL_MOISTURE.name:
        file[first.name].ancillary_variables = " ".join(beside)


def _kind(variable: Variable) -> str:
    """ACDD's word for what a variable is (ISO 19115)."""
    doubtful = "uncertainty" in variable.name or variable.name in ("lower", "upper", "quality_flag", "spread", "days")
    return "qualityInformation" if doubtful else "physicalMeasurement"


def _fill(
    file: netCDF4.Dataset, store: Store, domain: Domain, number: int, item: Item, variables: Sequence[Variable]
) -> None:
    """One item's rasters, strip by strip."""
    key, assets = DayName.of(domain, item.date).item_key, item.document["assets"]
    rows, columns = item.document["properties"]["proj:shape"]
    for variable in variables:
        if variable.name not in assets:
            raise CatalogError(f"{item.document['id']} lacks an asset", value=variable.name)
        with open_raster(store, resolve(key, assets[variable.name]["href"])) as raster:
            for top in range(0, rows, _STRIP):
                height = min(_STRIP, rows - top)
                part = raster.read(1, window=RasterWindow(0, top, columns, height))
                file[variable.name][number, top : top + height] = part
