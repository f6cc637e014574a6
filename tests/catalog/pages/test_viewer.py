"""The map viewer in a real browser, at the widths of a desk and of a telephone."""

import csv
import io
import re
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from matplotlib.image import imread
from rasterio.warp import transform

from downscaler import product
from downscaler.ground.grid import CRS

pytest.importorskip("playwright.sync_api", reason="needs playwright, which is not installed here")
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")  # a tile is a plain PNG
Look = Callable[..., Page]
FIRST, SECOND, FOURTH, LATEST = "2024-05-20", "2024-05-21", "2024-05-24", "2024-05-29"
WIDTHS = pytest.mark.parametrize("width", [1280, 375])
EMPTY, FULL = (34.95, -98.45), (34.7, -98.0)  # latitude and longitude in the empty cell, and in the middle of others


def ready(page: Page) -> None:
    """Wait until the map shows the chosen day, layer and boundaries and the panel tells of the day."""
    page.wait_for_load_state("networkidle")
    page.wait_for_selector("#map[aria-busy=false]")
    page.wait_for_selector("#facts:not([aria-busy]) dl")


def pixels(page: Page) -> Any:
    """The map as it is on the screen [y, x, band]."""
    return imread(io.BytesIO(page.locator("#map canvas").screenshot()))


def middle(page: Page) -> tuple[float, float]:
    frame = page.locator("#map").bounding_box()
    assert frame is not None
    return frame["width"] / 2, frame["height"] / 2


@WIDTHS
def test_the_latest_day_comes_first_and_days_are_walked_through(look: Look, width: int) -> None:
    page = look(width=width)
    ready(page)
    date, note = page.locator("#date"), page.locator("#day-note")
    expect(date).to_have_value(LATEST)
    expect(page.locator("#next")).to_be_disabled()
    newest = pixels(page)
    page.click("#previous")
    expect(date).to_have_value(FOURTH)
    ready(page)
    assert (pixels(page) != newest).any(), "another day has another map"
    page.locator("#day").press("Home")
    expect(date).to_have_value(FIRST)
    expect(page.locator("#previous")).to_be_disabled()
    expect(page.locator("#day")).to_have_attribute("aria-valuetext", FIRST)
    date.fill("2024-05-25")
    expect(note).to_contain_text(f"2024-05-25 is not published; the nearest day is {FOURTH}")
    page.locator("#map").press(",")
    expect(date).not_to_have_value(FOURTH)
    page.click("#latest")
    expect(date).to_have_value(LATEST)
    expect(page).to_have_url(re.compile(f"date={LATEST}"))
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "nothing sticks out sideways"


@WIDTHS
def test_a_click_shows_the_series_that_the_service_has(look: Look, address: str, width: int) -> None:
    page = look(f"#plat={FULL[0]}&plon={FULL[1]}", width=width)
    ready(page)
    x, y = middle(page)
    page.locator("#map").click(position={"x": x + 40, "y": y + 40})
    page.wait_for_selector("#series:not([aria-busy]) .chart")
    lat, lon = page.locator("#lat").input_value(), page.locator("#lon").input_value()
    assert (lat, lon) != FULL
    page.locator("#series summary").click()
    shown = [row.split("\t") for row in page.locator("#series tbody").inner_text().splitlines()]
    link = page.locator("#series a[download]").get_attribute("href")
    with urllib.request.urlopen(f"{address}{link}") as answer:
        rows = list(csv.DictReader(io.TextIOWrapper(answer, "utf-8")))
    assert len(rows) == 5
    assert [line[0] for line in shown] == [row["date"] for row in reversed(rows)]
    assert [line[1] for line in shown] == [f"{float(row['soil_moisture']):.3f}" for row in reversed(rows)]
    assert page.locator(".chart .point").count() == 5
    assert page.locator(".chart .band").count() == 1, "four days in a row"
    assert page.locator(".chart .whisker").count() == 1, "the last stands alone"
    expect(page.locator(".chart #series-title")).to_contain_text("Time series")
    expect(page.locator(".chart desc")).to_contain_text("5 of 5 published days have a value")


def test_the_keyboard_alone_is_enough(look: Look) -> None:
    page = look()
    ready(page)
    page.locator("#map").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    expect(page.locator("#readout")).to_contain_text(re.compile(r"m³ m⁻³, 90 % interval"))
    page.keyboard.press("Enter")
    page.wait_for_selector("#series:not([aria-busy]) .chart")
    expect(page.locator("#live")).to_contain_text("Time series at 34.8")
    page.keyboard.press(",")
    expect(page.locator("#date")).to_have_value(FOURTH)
    before = page.url
    page.keyboard.press("+")
    page.keyboard.press("Shift+ArrowLeft")
    expect(page).not_to_have_url(before)
    expect(page).to_have_url(re.compile("zoom="))
    page.keyboard.press("0")
    page.locator("#series summary").press("Enter")
    page.get_by_role("button", name=SECOND).press("Enter")
    expect(page.locator("#date")).to_have_value(SECOND)


def test_the_readout_is_the_published_value(look: Look, day_catalog: Path) -> None:
    page = look(f"#lat={FULL[0]}&lon={FULL[1]}&zoom=9")
    ready(page)
    x, y = middle(page)
    page.locator("#map").hover(position={"x": x, "y": y})
    expect(page.locator("#readout")).to_contain_text("interval")
    text = page.locator("#readout").inner_text()
    found = re.match(r"([\d.]+)° N, ([\d.]+)° W: soil moisture ([\d.]+) ", text)
    assert found, text
    lat, west, value = (float(part) for part in found.groups())
    path = next(day_catalog.rglob(f"*{LATEST.replace('-', '')}/r001/soil_moisture.tif"))
    with rasterio.open(path) as file:
        xs, ys = transform("EPSG:4326", CRS, [-west], [lat])
        assert value == pytest.approx(float(next(file.sample([(xs[0], ys[0])]))[0]), abs=5.1e-4)


def test_every_layer_is_drawn_with_its_legend_and_units(look: Look) -> None:
    page = look()
    seen = []
    for name in ("soil_moisture", "uncertainty", "quality_flag", "difference"):
        page.locator(f"#layers input[value={name}]").check(force=True)
        ready(page)
        seen.append(pixels(page)[::7, ::7])
        legend = page.locator("#legend").inner_text()
        assert ("m³ m⁻³" in legend) == (name != "quality_flag")
        if name in {v.name for v in product.VARIABLES}:
            assert product.variable(name).title in legend
    for meaning in product.FLAG_MEANINGS.values():
        page.locator("#layers input[value=quality_flag]").check(force=True)
        expect(page.locator("#legend")).to_contain_text(meaning)
    assert all(np.asarray(one != seen[0]).any() for one in seen[1:] if one.shape == seen[0].shape)
    expect(page.locator("#layer-note")).to_be_empty()


def test_a_link_shows_the_same_again(look: Look) -> None:
    page = look(f"#date={SECOND}&layer=uncertainty&lat=34.75&lon=-98.1&zoom=10&plat={FULL[0]}&plon={FULL[1]}&days=31")
    ready(page)
    page.wait_for_selector("#series:not([aria-busy]) .chart")
    expect(page.locator("#date")).to_have_value(SECOND)
    expect(page.locator("#layers input:checked")).to_have_value("uncertainty")
    expect(page.locator("#period")).to_have_value("31")
    expect(page).to_have_url(re.compile("days=31"))
    again = look(page.url.partition("#")[1] + page.url.partition("#")[2])
    ready(again)
    again.wait_for_selector("#series:not([aria-busy]) .chart")
    expect(again).to_have_url(page.url)
    np.testing.assert_allclose(pixels(again), pixels(page), atol=1.5 / 255)  # round corners are smoothed anew


def test_simulated_days_say_so_and_others_do_not(look: Look) -> None:
    page = look()
    ready(page)
    expect(page.locator("#simulated")).to_be_visible()
    page.locator("#day").press("Home")
    ready(page)
    expect(page.locator("#simulated")).to_be_hidden()
    expect(page.locator(".caveats")).to_contain_text(product.DEPTH_NOTE)
    for variable in product.VARIABLES:
        expect(page.locator(".downloads")).to_contain_text(variable.title)
    with page.expect_download() as started:
        page.get_by_role("link", name=product.SOIL_MOISTURE.title, exact=True).click()
    with rasterio.open(started.value.path()) as file:
        assert file.tags()["date"] == FIRST


def test_what_cannot_be_shown_is_said(look: Look) -> None:
    page = look(f"#date={FIRST}&layer=difference", guarded=False)
    expect(page.locator("#layer-note")).to_contain_text("cannot be drawn")
    page.fill("#lat", "60")
    page.fill("#lon", "10")
    page.click("#place button")
    expect(page.locator("#series")).to_contain_text("60.000° N, 10.000° E is outside the area")
    page.fill("#lat", str(EMPTY[0]))
    page.fill("#lon", str(EMPTY[1]))
    page.click("#place button")
    expect(page.locator(".chart desc")).to_have_text("No value on 5 published days.")


@pytest.mark.parametrize("bad", ["#date=never&layer=none&zoom=x&lat=1e9", "#area=absent&plat=200&plon=0&%E0%A4%A"])
def test_a_broken_link_still_shows_the_latest_day(look: Look, bad: str) -> None:
    page = look(bad)
    ready(page)
    expect(page.locator("#date")).to_have_value(LATEST)


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (375, "dark")])
def test_axe_finds_nothing_serious(look: Look, axe: str, width: int, scheme: str) -> None:
    page = look(f"#plat={FULL[0]}&plon={FULL[1]}", width=width, color_scheme=scheme, bypass_csp=True)
    ready(page)
    page.wait_for_selector("#series:not([aria-busy]) .chart")
    page.locator("#series summary").click()
    page.evaluate(axe)
    for layer in ("soil_moisture", "quality_flag"):
        page.locator(f"#layers input[value={layer}]").check(force=True)
        ready(page)
        found = page.evaluate("axe.run()")["violations"]
        grave = [one for one in found if one["impact"] in ("serious", "critical")]
        assert not grave, [(one["id"], [node["html"] for node in one["nodes"]]) for one in grave]
