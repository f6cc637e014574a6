"""Series of zones from published days: numbers, and that exactly the days that changed are made again."""

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import pytest
import shapely
from publishing import PLACE, publish_day

from catalog.publish.withdraw import withdraw
from catalog.reading.rasters import read_rasters
from downscaler import product
from downscaler.derived.zones import SpatialErrors, zone_statistics, zone_weights
from downscaler.errors import OutputError, ZoneError
from downscaler.sources.zones import read_layer
from downscaler.stores.zones import describe_year, read_zone, write_year, year_file
from flows.derived.zones import READ, make_zones, series_name

pytest.importorskip("exactextract", reason="zones need exactextract")
DAYS = [dt.date(2023, 12, 30) + dt.timedelta(days=n) for n in range(4)]
SQUARES = {"a": shapely.box(-98.3, 34.8, -98.1, 35.0), "b": shapely.box(-98.1, 34.7, -97.9, 35.0)}


def polygons(path: Path, **squares: shapely.Geometry) -> Path:
    features = [
        {
            "type": "Feature",
            "properties": {"id": key, "name": key.upper()},
            "geometry": shapely.geometry.mapping(square),
        }
        for key, square in squares.items()
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_a_series_follows_its_days(tmp_path: Path) -> None:
    root, out = tmp_path / "catalog", tmp_path / "zones"
    layer = read_layer(polygons(tmp_path / "fields.geojson", **SQUARES))
    for date in DAYS[:3]:
        publish_day(root, date)
    done = make_zones(str(root), PLACE, layer, out, DAYS)
    assert (done.made, done.removed, done.stood, done.zones) == (tuple(DAYS[:3]), (), 0, 2)
    series = read_zone(out, "fields", "b")
    assert series["date"].to_pylist() == DAYS[:3]
    assert set(series["name"].to_pylist()) == {"B"}
    day = read_rasters(root, PLACE, DAYS[2], READ)
    weights = zone_weights([zone.geometry for zone in layer.zones], PLACE)
    common, reach = product.ERROR_SPACE
    expected = zone_statistics(weights, *day.values(), SpatialErrors(common=common, reach=reach))
    for name, values in expected.items():
        assert series[name].to_pylist()[2] == pytest.approx(values[1], rel=1e-6)
    assert make_zones(str(root), PLACE, layer, out, DAYS).made == ()

    before = {year: year_file(out, "fields", year).read_bytes() for year in (2023, 2024)}
    publish_day(root, DAYS[2], seed=1)
    publish_day(root, DAYS[3])
    done = make_zones(str(root), PLACE, layer, out, DAYS)
    assert (done.made, done.stood) == (tuple(DAYS[2:]), 2)
    assert year_file(out, "fields", 2023).read_bytes() == before[2023], "its days did not change"
    withdraw(root, PLACE, DAYS[0], "A fault.")
    assert make_zones(str(root), PLACE, layer, out, DAYS).removed == (DAYS[0],)
    assert read_zone(out, "fields", "a")["date"].to_pylist() == DAYS[1:]
    assert read_zone(out, "fields", "a", (DAYS[1], DAYS[2]))["date"].to_pylist() == DAYS[1:3]
    about = describe_year(year_file(out, "fields", 2024))
    assert (about.simulated, about.caveats, set(about.days)) == (True, ("Made of noise.",), {str(d) for d in DAYS[2:]})

    with_more = replace(about, caveats=("Of a day that is gone.", *about.caveats))
    write_year(year_file(out, "fields", 2024), [], with_more)
    layer = read_layer(polygons(tmp_path / "fields.geojson", a=SQUARES["a"]))
    assert make_zones(str(root), PLACE, layer, out, DAYS).made == tuple(DAYS[1:]), "other polygons: all anew"
    assert describe_year(year_file(out, "fields", 2024)).caveats == about.caveats, "what was said of other rows goes"
    with pytest.raises(ZoneError, match=r"no series of that zone. Got: fields: b. Allowed: a\."):
        read_zone(out, "fields", "b")
    beside = read_layer(polygons(tmp_path / "beside.geojson", a=SQUARES["a"], c=shapely.box(0, 0, 1, 1)))
    done = make_zones(str(root), PLACE, beside, out, DAYS)
    assert (done.inside, done.zones) == (1, 2), "one of them lies elsewhere"
    elsewhere = read_layer(polygons(tmp_path / "far.geojson", c=shapely.box(0, 0, 1, 1)))
    with pytest.raises(ZoneError, match="No polygon lies in the domain"):
        make_zones(str(root), PLACE, elsewhere, out, DAYS)
    with pytest.raises(OutputError, match="no folder"):
        make_zones(str(root), PLACE, layer, tmp_path / "fields.geojson", DAYS)
    year_file(out, "fields", 2024).write_bytes(b"broken")
    with pytest.raises(ZoneError, match="damaged"):
        make_zones(str(root), PLACE, layer, out, DAYS)


def test_series_of_another_kind_replace_none(tmp_path: Path) -> None:
    root, out = str(tmp_path / "catalog"), tmp_path / "zones"
    layer = read_layer(polygons(tmp_path / "fields.geojson", **SQUARES))
    analysis = product.analysis_of(PLACE)
    publish_day(tmp_path / "catalog", DAYS[1])
    publish_day(tmp_path / "catalog", DAYS[2], analysis)
    make_zones(root, PLACE, layer, out, DAYS)
    assert make_zones(root, analysis, layer, out, DAYS).made == (DAYS[2],), "analyses take the place of such days"
    held = year_file(out, "fields", 2024).read_bytes()
    with pytest.raises(ZoneError, match=r"analyses, which SMAP-conserving days would replace.*--out"):
        make_zones(root, PLACE, layer, out, DAYS)
    assert year_file(out, "fields", 2024).read_bytes() == held
    names = {kind: series_name("fields", product.under(product.COMPOSITES[kind], PLACE)) for kind in product.COMPOSITES}
    assert names == {kind: f"fields-{kind}" for kind in ("3day", "weekly", "monthly")}
