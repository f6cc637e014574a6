"""Parts of rasters, tiles in other colours and ranges, names, rain and stations beside a series."""

import csv
import datetime as dt
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from besides import STATION, publish_stations, write_readings, write_weather
from publishing import PLACE, publish_day
from rasterio.io import MemoryFile
from starlette.testclient import TestClient

from catalog.api import create_app
from catalog.rasters.layers import PALETTES
from catalog.reading.rasters import read_rasters
from downscaler.errors import StationError
from downscaler.ground.grid import M01, LonLat
from downscaler.sources import parquet
from downscaler.sources.insitu import table
from downscaler.sources.zones import read_layer

DAY = dt.date(2024, 5, 20)
NAME = f"vadose-sm-1km_{PLACE.name}"
CUT = f"/cut/{NAME}/{NAME}_20240520/soil_moisture"
BOX = "-98.2,34.75,-98.1,34.85"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    folder = tmp_path_factory.mktemp("cuts")
    publish_day(folder / "catalog", DAY)
    ring = [[-99.0, 35.0], [-98.0, 35.0], [-98.0, 36.0], [-99.0, 35.0]]
    huc = {"type": "Feature", "properties": {"HUC8": "11130302", "name": "Upper Washita"}}
    (folder / "huc8.geojson").write_text(json.dumps(huc | {"geometry": {"type": "Polygon", "coordinates": [ring]}}))
    publish_stations(folder / "catalog", PLACE, folder / "validation")
    weather = write_weather(folder, PLACE, [DAY, DAY + dt.timedelta(days=1)], [2.5, 0.0])
    readings = write_readings(folder / "readings.parquet", [DAY, DAY + dt.timedelta(days=1)])
    named = [read_layer(folder / "huc8.geojson")]
    return TestClient(create_app(folder / "catalog", named=named, weather=weather, readings=readings))


def whole(client: TestClient) -> np.ndarray:
    root = Path(client.app.state.store.root)  # type: ignore[attr-defined]
    return read_rasters(root, PLACE, DAY, ["soil_moisture"])["soil_moisture"]


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
def test_a_cut_has_the_cells_that_the_box_touches(client: TestClient) -> None:
    answer = client.get(f"{CUT}?bbox={BOX}")
    assert answer.headers["content-disposition"].endswith('_soil_moisture.tif"')
    with MemoryFile(answer.content) as memory, memory.open() as file:
        found, box, units, tags = file.read(1), file.bounds, file.units[0], file.tags()
        assert file.crs == rasterio.crs.CRS.from_epsg(6933)
    first, last = (M01.cell_at(LonLat(lon=lon, lat=lat)) for lon, lat in ((-98.2, 34.85), (-98.1, 34.75)))
    corner = PLACE.window()
    rows = slice(first.y - corner.rows.start, last.y - corner.rows.start + 1)
    columns = slice(first.x - corner.columns.start, last.x - corner.columns.start + 1)
    np.testing.assert_array_equal(found, whole(client)[rows, columns])
    assert box.right - box.left == pytest.approx(found.shape[1] * M01.cell)
    assert (units, tags["date"], "SIMULATED" in tags) == ("m3 m-3", str(DAY), True)

    lines = list(csv.DictReader(io.StringIO(client.get(f"{CUT}?bbox={BOX}&f=csv").text)))
    assert len(lines) == int(np.isfinite(found).sum())
    assert {(line["units"], line["date"], line["simulated"]) for line in lines} == {("m3 m-3", str(DAY), "true")}
    for line in lines[::17]:
        cell = M01.cell_at(LonLat(lon=float(line["lon"]), lat=float(line["lat"])))
        value = whole(client)[cell.y - corner.rows.start, cell.x - corner.columns.start]
        assert float(line["soil_moisture"]) == pytest.approx(float(value), abs=1e-6)


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        (f"{CUT}?bbox=1,2,3", 400, "4 or 6 numbers"),
        (f"{CUT}?bbox=a,b,c,d", 400, "4 numbers"),
        (f"{CUT}?bbox=-98,34,-99,35", 400, "west before east"),
        (f"{CUT}?bbox=nan,34,-97,35", 400, "finite"),
        (f"{CUT}?bbox=10,40,11,41", 404, "outside"),
        (f"{CUT}?bbox={BOX}&f=png", 422, ""),
        (f"{CUT}?bbox={BOX}&format=csv", 400, "No parameter"),
        (f"{CUT.replace('soil_moisture', 'thumbnail')}?bbox={BOX}", 404, "no raster"),
        (f"{CUT.replace('20240520', '20240521')}?bbox={BOX}", 404, "No item"),
    ],
)
def test_what_is_no_cut_is_told(client: TestClient, path: str, status: int, told: str) -> None:
    answer = client.get(path)
    assert answer.status_code in (status, 400), answer.text
    assert told in answer.text


def test_a_cut_has_its_largest_size(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.api.data.cuts.MOST_CELLS", {"tif": 10, "csv": 10})
    answer = client.get(f"{CUT}?bbox={BOX}")
    assert (answer.status_code, "at most 10 cells" in answer.text) == (400, True)


def test_tiles_come_in_other_colours_and_ranges(client: TestClient) -> None:
    tile = f"/tiles/{NAME}/{NAME}_20240520/soil_moisture/9/116/203.png"
    plain, own = client.get(tile), client.get(f"{tile}?palette=cividis&low=0.1&high=0.4")
    assert own.status_code == 200
    assert own.content != plain.content
    assert own.headers["etag"] != plain.headers["etag"]
    layers = client.get("/layers").json()
    assert list(layers["palettes"]) == list(PALETTES)
    assert all(len(colours) == 17 for colours in layers["palettes"].values())
    for wrong, told in (("palette=rainbow", "no palette"), ("low=0.4&high=0.1", "rises"), ("low=nan", "rises")):
        answer = client.get(f"{tile}?{wrong}")
        assert (answer.status_code, told in answer.text) == (400, True), answer.text
    flags = tile.replace("soil_moisture", "quality_flag")
    assert client.get(f"{flags}?palette=grey").content == client.get(flags).content, "classes have their own colours"


def test_names_that_the_service_was_started_with_are_found(client: TestClient) -> None:
    places = client.get("/viewer/places.json").json()["places"]
    assert ["Upper Washita, 11130302", -99.0, 35.0, -98.0, 36.0] in places


def test_rain_is_that_of_the_store(client: TestClient) -> None:
    told = client.get("/rain?lon=-98.1&lat=34.8&end=2024-05-31").json()
    assert (told["units"], client.get("/layers").json()["rain"]) == ("mm", True)
    assert [row["precipitation"] for row in told["series"]] == [pytest.approx(2.5, abs=0.02), 0.0]
    assert [row["date"] for row in told["series"]] == ["2024-05-20", "2024-05-21"]
    assert client.get("/rain?lon=10&lat=50").status_code == 404
    assert client.get("/rain?lon=0&lat=89").status_code == 404
    assert client.get("/rain?lon=nan&lat=50").status_code == 400
    dry = TestClient(create_app(client.app.state.store.root))  # type: ignore[attr-defined]
    assert (dry.get("/rain?lon=-98.1&lat=34.8").status_code, dry.get("/layers").json()["rain"]) == (404, False)


def test_stations_come_with_their_skill(client: TestClient) -> None:
    told = client.get(f"/stations?collection={NAME}").json()
    (station,) = told["stations"]
    assert told["validation"] == f"vadose-validation_{PLACE.name}"
    assert {name: station[name] for name in STATION} == STATION
    assert (station["pairs"], station["ubrmsd"], station["ubrmsd_high"]) == (31, 0.05, 0.06)
    assert client.get("/stations?collection=none").status_code == 404


def test_a_damaged_table_of_stations_is_told_without_a_path(client: TestClient, tmp_path: Path) -> None:
    copied = shutil.copytree(client.app.state.store.root, tmp_path / "catalog")  # type: ignore[attr-defined]
    (sites,) = copied.rglob("sites.parquet")
    sites.write_bytes(b"PAR1 and no more")
    answer = TestClient(create_app(copied)).get(f"/stations?collection={NAME}")
    assert (answer.status_code, "table of stations cannot be read" in answer.text) == (503, True), answer.text
    assert str(tmp_path) not in answer.text


def test_readings_are_daily_means_of_good_ones_by_depth(client: TestClient) -> None:
    assert client.get("/layers").json()["readings"] is True
    asked = {"network": STATION["network"], "station": STATION["station"], "end": "2024-06-01"}
    told = client.get("/readings", params=asked).json()
    assert [(one["depth_to"], one["sensor"]) for one in told["sensors"]] == [(0.05, "probe"), (0.5, "probe")]
    first = [0.2 + 0.001 * hour + 0.005 for hour in range(24) if hour != 12]
    (row, second) = told["sensors"][0]["series"]
    assert row == {"date": str(DAY), "value": pytest.approx(sum(first) / 23, abs=1e-4), "readings": 23}
    assert second["value"] == pytest.approx(sum(first) / 23 + 0.024, abs=1e-4)
    one = client.get("/readings", params=asked | {"start": str(DAY), "end": str(DAY)}).json()
    assert [len(sensor["series"]) for sensor in one["sensors"]] == [1, 1]
    for wrong, status in (({"station": "none"}, 404), ({"start": "1990-01-01"}, 400), ({"network": "x" * 101}, 400)):
        assert client.get("/readings", params=asked | wrong).status_code == status, wrong
    without = TestClient(create_app(client.app.state.store.root))  # type: ignore[attr-defined]
    assert without.get("/readings", params=asked).status_code == 404


def test_readings_are_read_within_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_readings(tmp_path / "readings.parquet", [DAY])
    asked = str(STATION["network"]), str(STATION["station"])
    assert len(table.daily_at(path, *asked, (DAY, DAY))) == 2
    monkeypatch.setattr(parquet, "MOST", 10)
    with pytest.raises(StationError, match=r"readings\.parquet: its rows take more than 10 bytes"):
        table.daily_at(path, *asked, (DAY, DAY))


def test_a_damaged_table_of_readings_is_told_without_a_path(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "readings.parquet").write_bytes(b"PAR1 and no more")
    app = create_app(client.app.state.store.root, readings=tmp_path / "readings.parquet")  # type: ignore[attr-defined]
    answer = TestClient(app).get("/readings?network=SCAN&station=Fort%20Reno")
    assert (answer.status_code, "table of readings cannot be read" in answer.text) == (503, True), answer.text
    assert str(tmp_path) not in answer.text
