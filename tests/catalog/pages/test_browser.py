"""STAC Browser as `make browser` builds it, beside the service; and what stands in its place where it is not built."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from catalog.api import create_app
from catalog.naming import collection_id
from downscaler import product

pytest.importorskip("playwright.sync_api", reason="needs playwright, which is not installed here")
from playwright.sync_api import Page, expect

COLLECTION = collection_id(product.LITTLE_WASHITA.name)
ITEM = f"{COLLECTION}_20240529"


def test_where_it_is_not_built_the_page_says_how(day_catalog: Path, tmp_path: Path) -> None:
    with TestClient(create_app(day_catalog, browser=tmp_path)) as client:
        answer = client.get("/browser/")
        assert answer.status_code == 404
        assert "make browser" in answer.text
        assert client.get("/browser").status_code == 404


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("width", [1280, 375])
def test_it_shows_catalogue_collection_and_item_with_thumbnail(look: Callable[..., Page], width: int) -> None:
    page = look("browser/", width=width)
    expect(page.get_by_role("heading", name="Catalog", exact=True)).to_be_visible()
    page.wait_for_load_state("networkidle")  # until then links are drawn anew, and a click may be lost
    page.get_by_role("link", name=product.LITTLE_WASHITA.title).first.click()
    expect(page).to_have_url(f"{page.url.partition('#')[0]}#/collections/{COLLECTION}")
    expect(page.get_by_role("heading", level=1)).to_contain_text(product.LITTLE_WASHITA.title)
    page.wait_for_load_state("networkidle")
    page.get_by_role("link", name="2024-05-29").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("2024-05-29")
    page.get_by_text("Thumbnails", exact=True).click()
    picture = page.locator(f"img[src*='{ITEM}/r001/thumbnail.png']")
    expect(picture).to_be_visible()
    page.wait_for_timeout(500)
    assert picture.evaluate("image => image.naturalWidth") > 500
    expect(page.get_by_text(product.SOIL_MOISTURE.title).first).to_be_visible()
