"""What people do on the map with the derived products, at the widths of a desk and of a telephone."""

import datetime as dt
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from besides import publish_stations, write_readings, write_weather
from layered import write_layers
from matplotlib.image import imread
from publishing import PLACE, publish_day
from serving import served

from catalog.reading.rasters import read_rasters
from downscaler import product
from downscaler.derived.outlook_state import learn_outlook
from downscaler.sources.parflow import open_source
from downscaler.sources.zones import read_layer
from downscaler.stores.prior import build_prior
from flows.derived.composites import CompositeJob
from flows.derived.make import make_items
from flows.derived.outlook import OutlookJob
from flows.derived.percentiles import PercentileJob

pytest.importorskip("exactextract", reason="zones need exactextract")
pytest.importorskip("bokeh_sampledata", reason="names of counties need the extra `places`")
pytest.importorskip("playwright.sync_api", reason="needs playwright, which is not installed here")
from playwright.sync_api import Page, expect

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore:Dataset has no geotransform"),  # a tile is a plain PNG
]
MONDAY = dt.date(2024, 5, 20)
DAYS = [MONDAY + dt.timedelta(days=n) for n in range(7)]
WIDTHS = pytest.mark.parametrize("width", [1280, 390])
KINDS = ("analysis", "percentile", "weekly", "outlook")
ANALYSES, RANKED, WEEKS, AHEAD = (f"vadose-sm-1km-{kind}_{PLACE.name}" for kind in KINDS)
Look = Callable[..., Page]


@pytest.fixture(scope="module")
def day_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A week of analyses with its mean, and percentiles and outlook of its last day."""
    folder = tmp_path_factory.mktemp("products")
    for date in DAYS:
        publish_day(folder / "catalog", date, product.analysis_of(PLACE))
    source = open_source("netcdf", write_layers(folder / "daily.nc", PLACE, days=220, start="2023-11-12"))
    learn_outlook(build_prior(source, PLACE, folder / "prior"), folder / "outlook.h5")
    source.close()
    root, today = str(folder / "catalog"), dt.date(2024, 6, 1)
    jobs = (
        CompositeJob(catalog=root, domain=PLACE.name, length="weekly"),
        PercentileJob(catalog=root, domain=PLACE.name, prior=folder / "prior"),
        OutlookJob(catalog=root, domain=PLACE.name, learned=folder / "outlook.h5"),
    )
    for job in jobs:
        assert {one.status for one in make_items(job, DAYS[-1], DAYS[-1], today=today)} == {"published"}
    publish_stations(folder / "catalog", product.analysis_of(PLACE), folder / "validation")
    return folder / "catalog"


@pytest.fixture(scope="module")
def address(day_catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The service with the states and counties of the extra `places`, and a watershed of a file."""
    from catalog.api import create_app

    browser = tmp_path_factory.mktemp("browser")
    ring = [[-98.4, 34.7], [-98.0, 34.7], [-98.0, 35.0], [-98.4, 34.7]]
    huc = {"type": "Feature", "properties": {"HUC8": "11130302", "name": "Upper Washita"}}
    (browser / "huc8.geojson").write_text(json.dumps(huc | {"geometry": {"type": "Polygon", "coordinates": [ring]}}))
    named = [read_layer(browser / "huc8.geojson")]
    weather = write_weather(browser, PLACE, DAYS, [0, 3, 12, 0, 0, 1, 0])
    readings = write_readings(browser / "readings.parquet", DAYS)
    app = create_app(day_catalog, browser=browser, named=named, weather=weather, readings=readings)
    with served(app) as running:
        yield f"{running}/"


def ready(page: Page) -> None:
    page.wait_for_load_state("networkidle")
    page.wait_for_selector("#map[aria-busy=false]")
    page.wait_for_selector("#facts:not([aria-busy]) dl")


def pixels(page: Page, name: str = "#map") -> Any:
    return imread(io.BytesIO(page.locator(f"{name} canvas").screenshot()))


def kept(page: Page, folder: Path, name: str) -> None:
    """The whole page as a picture, to be looked at."""
    page.screenshot(path=folder / f"{name}.png", full_page=True)


@WIDTHS
def test_a_county_is_found_and_a_field_is_drawn(look: Look, day_catalog: Path, width: int, tmp_path: Path) -> None:
    page = look(f"#area={ANALYSES}", width=width)
    ready(page)
    before = page.url
    page.fill("#find", "caddo")
    page.get_by_role("button", name="Caddo County, Oklahoma, 40015").click()
    expect(page.locator("#find-note")).to_have_text("The map shows Caddo County, Oklahoma, 40015.")
    expect(page).not_to_have_url(before)
    expect(page).to_have_url(re.compile(r"lon=-98\.3575"))
    page.fill("#find", "34.85, -98.2")
    page.get_by_role("button", name="Find").click()
    expect(page).to_have_url(re.compile(r"lon=-98\.2000&lat=34\.8500"))
    page.fill("#find", "nowhere")
    page.press("#find", "Enter")
    expect(page.locator("#find-note")).to_have_text("No place is called nowhere.")

    page.click("#draw")
    frame = page.locator("#map").bounding_box()
    assert frame is not None
    corners = [(0.4, 0.4), (0.6, 0.4), (0.6, 0.6), (0.4, 0.6)]
    for x, y in corners:
        page.locator("#map").click(position={"x": frame["width"] * x, "y": frame["height"] * y})
    expect(page.locator("#draw-note")).to_have_text("4 corners")
    kept(page, tmp_path, f"draw-{width}")
    page.click("#draw-done")
    page.wait_for_selector("#series:not([aria-busy]) .chart")
    expect(page.locator("#series .where")).to_contain_text("km² drawn")
    assert page.locator(".chart .point").count() == len(DAYS)
    page.locator("#series summary").click()
    value = float(page.locator("#series tbody tr").first.locator("td").first.inner_text())
    field = read_rasters(day_catalog, product.analysis_of(PLACE), DAYS[-1], ["soil_moisture"])["soil_moisture"]
    assert abs(value - float(np.nanmean(field))) < 0.02, "noise has much the same mean in any field"
    kept(page, tmp_path, f"field-{width}")


@WIDTHS
def test_two_days_stand_side_by_side_and_a_picture_is_saved(look: Look, width: int, tmp_path: Path) -> None:
    page = look(f"#area={ANALYSES}", width=width)
    ready(page)
    page.click("#compare")
    page.wait_for_selector("#map2[aria-busy=false]")
    expect(page.locator("#other-date")).to_have_value(str(DAYS[-2]))
    page.locator("#other-date").select_option(str(DAYS[2]))
    page.wait_for_selector("#map2[aria-busy=false]")
    ready(page)
    expect(page).to_have_url(re.compile(f"other={DAYS[2]}"))
    first, second = pixels(page), pixels(page, "#map2")
    assert first.shape != second.shape or (first != second).any()
    page.click("#zoom-in")
    ready(page)
    views = page.evaluate("[...document.querySelectorAll('.map')].map((one) => one.getAttribute('aria-label'))")
    assert str(DAYS[-1]) in views[0]
    assert str(DAYS[2]) in views[1]
    kept(page, tmp_path, f"compare-{width}")
    with page.expect_download() as started:
        page.click("#picture")
    picture = imread(started.value.path())
    assert started.value.suggested_filename == f"vadose-soil_moisture-{DAYS[-1]}.png"
    assert picture.shape[0] > 86
    assert len(np.unique(picture[-60:, :, :3].reshape(-1, 3), axis=0)) > 20, "the legend's colours are below the map"
    page.click("#compare")
    expect(page.locator("#beside")).to_be_hidden()
    expect(page).not_to_have_url(re.compile("other="))
    again = look(page.url.partition("#")[1] + page.url.partition("#")[2] + f"&other={DAYS[1]}", width=width)
    ready(again)
    expect(again.locator("#other-date")).to_have_value(str(DAYS[1]))
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "nothing sticks out sideways"


@WIDTHS
def test_percentiles_have_layers_read_outs_and_series_of_their_own(
    look: Look, day_catalog: Path, width: int, tmp_path: Path
) -> None:
    page = look(f"#area={RANKED}&plat=34.8&plon=-98.1", width=width)
    ready(page)
    page.wait_for_selector("#series:not([aria-busy]) .chart")
    expect(page.locator(".chart-title")).to_contain_text("Percentile (%)")
    for layer in ("probability_d1", "days_dry", "anomaly", "percentile"):
        page.locator(f"#layers input[value={layer}]").check(force=True)
        ready(page)
        expect(page.locator("#layer-note")).to_be_empty()
    frame = page.locator("#map").bounding_box()
    assert frame is not None
    page.locator("#map").hover(position={"x": frame["width"] / 2, "y": frame["height"] / 2})
    expect(page.locator("#readout")).to_contain_text(re.compile(r"percentile \d+, 90 % interval \d+ to \d+"))
    kept(page, tmp_path, f"percentile-{width}")
    page.locator("#area").select_option(WEEKS)
    ready(page)
    expect(page.locator("#date")).to_have_value(str(MONDAY))
    expect(page.locator("#area option:checked")).to_have_text(re.compile("^Weekly mean: "))
    expect(page.locator("#day-heading")).to_have_text(f"{MONDAY} to {MONDAY + dt.timedelta(days=6)}")
    page.wait_for_selector("#series:not([aria-busy]) .chart")
    page.locator("#layers input[value=spread]").check(force=True)
    ready(page)
    page.locator("#area").select_option(ANALYSES)
    ready(page)
    page.locator("#day").press("End")
    page.click("#play")
    expect(page.locator("#date")).to_have_value(str(DAYS[0]))
    expect(page.locator("#date")).to_have_value(str(DAYS[1]))
    page.click("#play")
    expect(page.locator("#play")).to_have_attribute("aria-pressed", "false")


@WIDTHS
def test_colours_and_range_are_chosen_and_the_view_is_saved(
    look: Look, day_catalog: Path, width: int, tmp_path: Path
) -> None:
    page = look(f"#area={ANALYSES}", width=width)
    ready(page)
    page.fill("#find", "11130302")
    page.get_by_role("button", name="Upper Washita, 11130302").click()
    expect(page.locator("#find-note")).to_have_text("The map shows Upper Washita, 11130302.")
    ready(page)
    before = pixels(page)
    page.locator("#look summary").click()
    page.locator("#palette").select_option("cividis")
    page.fill("#high", "0.3")
    page.press("#high", "Tab")
    expect(page).to_have_url(re.compile(r"palette=cividis&.*low=0\.000&high=0\.300"))
    ready(page)
    after = pixels(page)
    assert before.shape != after.shape or (after != before).any()
    expect(page.locator("#legend .ticks")).to_contain_text("0.30")
    page.fill("#low", "0.4")
    page.press("#low", "Tab")
    expect(page.locator("#look-note")).to_contain_text("below the second")
    kept(page, tmp_path, f"look-{width}")
    saved = {}
    for form in ("tif", "csv"):
        with page.expect_download() as started:
            page.click(f"#save-{form}")
        saved[form] = started.value
    assert saved["tif"].suggested_filename == f"{ANALYSES}_{DAYS[-1]:%Y%m%d}_soil_moisture.tif"
    with rasterio.open(saved["tif"].path()) as file:
        cells, bounds = file.read(1), file.bounds
    rows = Path(saved["csv"].path()).read_text().splitlines()
    assert rows[0] == "lon,lat,soil_moisture,units,date,simulated"
    assert len(rows) - 1 == int(np.isfinite(cells).sum())
    assert bounds.right - bounds.left < 72_100
    page.click("#look-reset")
    expect(page).not_to_have_url(re.compile("palette="))


@WIDTHS
def test_an_outlook_is_read_and_the_browser_goes_back_and_forward(look: Look, width: int, tmp_path: Path) -> None:
    page = look(f"#area={ANALYSES}&plat=34.8&plon=-98.1", width=width)
    ready(page)
    page.wait_for_selector("#series:not([aria-busy]) .chart")
    assert page.locator(".chart .season").count() == 1, "what is usual, from the percentiles of the last day alone"
    expect(page.locator("#series .key")).to_contain_text("10th to 90th percentile of the season")
    title = page.locator(".chart .point title").last.text_content()
    assert title is not None
    assert re.search(r"2024-05-26: .*, usual 0\.\d{3} to 0\.\d{3}$", title)
    assert page.locator(".chart .ground-point").count() == 0, "no station is chosen"
    assert page.locator(".chart .rain").count() == 3, "days without rain have no bar"
    expect(page.locator("#series .key")).to_contain_text("rain, up to 12 mm a day")
    page.locator("#station").select_option(label="SCAN Fort Reno")
    expect(page.locator("#skill")).to_contain_text("Station SCAN Fort Reno, 31 pairs")
    expect(page.locator("#skill dd").first).to_have_text("0.050 [0.040, 0.060]")
    expect(page.locator("#series .where")).to_contain_text("34.8")
    page.wait_for_selector("#series:not([aria-busy]) .chart .ground-point")
    assert page.locator(".chart .ground-point").count() == len(DAYS)
    expect(page.locator("#series .key")).to_contain_text("station, 5 cm")
    kept(page, tmp_path, f"station-{width}")
    page.wait_for_timeout(400)
    page.locator("#area").select_option(AHEAD)
    ready(page)
    page.wait_for_selector("#series:not([aria-busy]) .chart")
    expect(page.locator(".chart-title")).to_contain_text(f"Outlook of {DAYS[-1]}")
    assert 1 <= page.locator(".chart .point").count() <= 10
    page.locator("#layers input[value=soil_moisture_day5]").check(force=True)
    ready(page)
    frame = page.locator("#map").bounding_box()
    assert frame is not None
    page.locator("#map").hover(position={"x": frame["width"] / 2, "y": frame["height"] / 2})
    expect(page.locator("#readout")).to_contain_text(re.compile("expected in 1 d|no outlook"))
    kept(page, tmp_path, f"outlook-{width}")
    page.wait_for_timeout(400)
    page.go_back()
    expect(page.locator("#layers input[value=soil_moisture_day1]")).to_be_checked()
    page.wait_for_timeout(400)
    page.go_back()
    expect(page.locator("#area")).to_have_value(ANALYSES)
    ready(page)
    page.wait_for_timeout(400)
    page.go_forward()
    expect(page.locator("#area")).to_have_value(AHEAD)
    ready(page)


def test_a_service_that_was_away_is_asked_again(look: Look) -> None:
    page = look(f"#area={ANALYSES}", guarded=False)
    ready(page)
    refused = []

    def refuse(route: Any) -> None:
        refused.append(route.request.url)
        route.abort() if len(refused) < 3 else route.continue_()

    page.route("**/timeseries*", refuse)
    page.fill("#lat", "34.8")
    page.fill("#lon", "-98.1")
    page.locator("#place button").click()
    expect(page.locator("#away")).to_contain_text("Trying again")
    page.wait_for_selector("#series:not([aria-busy]) .chart")
    expect(page.locator("#away")).to_be_hidden()
    assert len(refused) == 3
    page.unroute("**/timeseries*")
    page.route("**/timeseries*", lambda route: route.abort())
    page.fill("#lat", "34.9")
    page.locator("#place button").click()
    expect(page.locator("#again")).to_be_visible()
    expect(page.locator("#series")).to_contain_text("The service does not answer.")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (390, "light")])
def test_axe_finds_nothing_serious_on_the_tools(look: Look, axe: str, width: int, scheme: str) -> None:
    page = look(f"#area={RANKED}&plat=34.8&plon=-98.1", width=width, color_scheme=scheme, bypass_csp=True)
    ready(page)
    page.fill("#find", "okla")
    expect(page.get_by_role("button", name="Oklahoma", exact=True)).to_be_visible()
    page.locator("#look summary").click()
    page.click("#draw")
    page.click("#compare")
    page.wait_for_selector("#map2[aria-busy=false]")
    page.evaluate(axe)
    found = page.evaluate("axe.run()")["violations"]
    grave = [one for one in found if one["impact"] in ("serious", "critical")]
    assert not grave, [(one["id"], [node["html"] for node in one["nodes"]]) for one in grave]


def test_the_first_load_is_light(look: Look) -> None:
    page = look(f"#area={ANALYSES}")
    ready(page)
    sizes = page.evaluate(
        "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
        ".map((one) => one.transferSize)"
    )
    assert len(sizes) > 20
    assert 0 < sum(sizes) < 400_000, sum(sizes)
