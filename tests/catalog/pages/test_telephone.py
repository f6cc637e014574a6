"""The viewer and the reports on a telephone: a finger taps, swipes and pinches; what is shown can be read."""

import base64
import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from downscaler import report
from downscaler.report import completeness
from downscaler.report.playground import _environment
from downscaler.report.style import new_figure, png

pytest.importorskip("playwright.sync_api", reason="needs playwright, which is not installed here")
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")  # a tile is a plain PNG
Look = Callable[..., Page]
PHONE = {"width": 390, "has_touch": True, "is_mobile": True}
MIDDLE = (34.75, -98.05)
FIRST = dt.date(2024, 1, 1)


def ready(page: Page) -> None:
    page.wait_for_load_state("networkidle")
    page.wait_for_selector("#map[aria-busy=false]")
    page.wait_for_selector("#facts:not([aria-busy]) dl")


def frame(page: Page) -> tuple[float, float]:
    """Middle of the map on the screen."""
    box = page.locator("#map").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def fingers(page: Page, paths: Any, steps: int = 12) -> None:
    """Move fingers along straight lines, each from (x, y) to (x, y), as the browser's own input tells them."""
    session = page.context.new_cdp_session(page)
    first, last = np.array(paths, float)[:, 0], np.array(paths, float)[:, 1]
    for step in range(steps + 1):
        at = first + (last - first) * step / steps
        points = [{"x": float(x), "y": float(y), "id": number} for number, (x, y) in enumerate(at)]
        session.send("Input.dispatchTouchEvent", {"type": "touchMove" if step else "touchStart", "touchPoints": points})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def grown(page: Page, name: str, least: float) -> None:
    """Wait until the address, which follows the map, tells more than that of ``lat`` or ``zoom``."""
    told = f"Number(/[#&]{name}=([-\\d.]+)/.exec(location.hash)[1])"
    page.wait_for_function(f"least => {told} > least", arg=least)


def view(page: Page) -> tuple[float, float, float]:
    """Longitude, latitude and zoom that the address tells."""
    page.wait_for_timeout(1000)  # the address follows with a tenth of a second
    found = dict(re.findall(r"(lon|lat|zoom)=([-\d.]+)", page.url))
    return float(found["lon"]), float(found["lat"]), float(found["zoom"])


def test_fingers_on_the_map(look: Look) -> None:
    """A tap shows a value and its series, one finger scrolls the page, two move and zoom the map."""
    page = look(f"#lat={MIDDLE[0]}&lon={MIDDLE[1]}&zoom=9", **PHONE)
    ready(page)
    x, y = frame(page)
    page.touchscreen.tap(x + 20, y + 10)
    expect(page.locator("#readout")).to_contain_text(re.compile(r"soil moisture [\d.]+ ± [\d.]+ m³ m⁻³, 90 % interval"))
    page.wait_for_selector("#series:not([aria-busy]) .chart")

    page.evaluate("window.scrollTo(0, 0)")
    x, y = frame(page)
    before = view(page)
    fingers(page, [[(x, y + 120), (x, y - 120)]])
    page.wait_for_function("window.scrollY > 60")
    assert view(page) == before, "the page moved, the map did not"

    page.evaluate("window.scrollTo(0, 0)")
    x, y = frame(page)
    fingers(page, [[(x - 40, y), (x - 90, y)], [(x + 40, y), (x + 90, y)]])
    grown(page, "zoom", before[2] + 0.5)
    _, lat, zoom = view(page)
    fingers(page, [[(x - 40, y - 60), (x - 40, y + 60)], [(x + 40, y - 60), (x + 40, y + 60)]])
    grown(page, "lat", lat)  # two fingers downward move the map downward, to what lies north
    assert view(page)[2] == pytest.approx(zoom, abs=0.1)
    assert page.evaluate("window.scrollY") == 0


def completeness_page() -> str:
    """A real report of days, one of them with much to tell."""
    days = [
        completeness.Day(
            date=FIRST + dt.timedelta(days=n), state="failed", granule=f"R19240.{n:03d}", why="cut short " * 9
        )
        for n in range(3)
    ]
    made = dt.datetime(2024, 6, 1, tzinfo=dt.UTC)
    told = completeness.completeness(days, title="Soil moisture, Here", collection="c", source="a folder", made=made)
    return completeness.page(told)


def _picture(width: float) -> str:
    figure = new_figure(width, 5.0, "Figure", simulated=True)
    figure.add_subplot().plot([1, 2, 3])
    return base64.b64encode(png(figure)).decode()


def experiment_page() -> str:
    """The page of an experiment with the figure of its opening, one more and one wide table."""
    opening, picture = (_picture(9.0 if wide else 4.6) for wide in (False, True))
    table = {
        "title": "Table",
        "caption": "Wide",
        "columns": [f"column {n}" for n in range(12)],
        "rows": [["0.0123"] * 12],
    }
    return _environment().get_template("playground.html.j2").render(
        title="Experiment", lead="Lead", simulated=True, stamp="SIMULATED", findings=[], method="m", replicates=3,
        opening=opening, figures=[{"title": "Figure", "caption": "Caption", "data": picture}], tables=[table],
        facts=[("commit", "0" * 40)], caveats=["None"], citation="c", made="now", worked_out="3",
    )  # fmt: skip


@pytest.mark.parametrize("page_of", [completeness_page, experiment_page])
def test_a_report_is_read_on_a_telephone(chromium: Any, tmp_path: Path, page_of: Callable[[], str]) -> None:
    """Nothing sticks out of the page; figures keep their size, tables their letters, both in boxes that move."""
    path = tmp_path / "report.html"
    path.write_text(page_of(), encoding="utf-8")
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for picture in page.locator(".picture img").all():
        assert picture.evaluate("img => img.getBoundingClientRect().width") >= 800, "letters of 8 points stay so"
    for picture in page.locator("img.narrow").all():
        assert picture.evaluate("img => img.getBoundingClientRect().width") >= 320, (
            "drawn 4.6 inches wide: 70 dots each"
        )
    for cell in page.locator(".wide tr:last-child td:first-child").all():
        assert cell.evaluate("cell => parseFloat(getComputedStyle(cell).fontSize)") >= 12.5
    box = page.locator(".wide:has(table)").last
    assert box.evaluate("box => { box.scrollLeft = 20; return box.scrollLeft; }") == 20, "the table moves in its box"
    shift = box.evaluate("box => box.querySelector('td').getBoundingClientRect().x - box.getBoundingClientRect().x")
    assert abs(shift) < 2, "the first column tells the row wherever the table is"
    context.close()


@pytest.mark.parametrize("name", ["completeness", "playground", "validation"])
def test_every_figure_and_table_of_a_report_lies_in_a_box_of_its_own(name: str) -> None:
    text = (Path(report.__file__).parent / f"{name}.html.j2").read_text(encoding="utf-8")
    boxes = text.count('<div class="wide picture" tabindex="0"'), text.count('<div class="wide" tabindex="0"')
    # what is drawn for a telephone needs no box
    assert boxes == (text.count("<img ") - text.count('<img class="narrow"'), text.count("<table>"))
    assert "max-width: 640px" in text
