"""A served catalogue and a real browser that looks at its pages."""

import dataclasses
import datetime as dt
import importlib.resources
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from serving import served

from downscaler import product

ROOT = Path(__file__).resolve().parents[3]
BUILT = ROOT / "build" / "browser"
FIRST, DAYS = dt.date(2024, 5, 20), (0, 1, 2, 4, 9)  # days after the first; between the last two a line breaks
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def day_catalog(
    tmp_path_factory: pytest.TempPathFactory, whole_tiles: Callable[..., Any], run_record: Callable[..., Any]
) -> Path:
    """Five days of the Little Washita, all simulated but the first, which does not state SMAP's grid either."""
    from catalog import publish

    root, domain = tmp_path_factory.mktemp("pages"), product.LITTLE_WASHITA
    for number, after in enumerate(DAYS):
        run = run_record(domain, FIRST + dt.timedelta(days=after), simulated=number > 0)
        if number:
            run = dataclasses.replace(run, parameters=run.parameters | {"smap_grid": "M36"})
        publish(root, run, domain, whole_tiles(domain, seed=number))
    return root


@pytest.fixture(scope="session")
def address(day_catalog: Path) -> Iterator[str]:
    """Address of the running service of that catalogue, with STAC Browser where it was built."""
    from catalog.api import create_app

    with served(create_app(day_catalog, browser=BUILT)) as running:
        yield f"{running}/"


@pytest.fixture(scope="module")  # its event loop would be in the way of other modules' own
def chromium() -> Iterator[Any]:
    """The system's Chromium without a screen; skips where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("needs Chromium (Debian's package chromium), which is not installed here")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright, which is not installed here")
    playwright.expect.set_options(timeout=60_000)  # a busy machine is slow, not broken
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=list(QUIET))
        yield browser
        browser.close()


@dataclass
class Watch:
    """What went wrong on a page: console errors, exceptions, failed or refused requests, requests to other hosts."""

    host: str
    troubles: list[str] = field(default_factory=list)

    def over(self, page: Any) -> None:
        """Listen to a page."""
        page.on("console", lambda m: m.type == "error" and self.troubles.append(f"{m.type}: {m.text}"))
        page.on("pageerror", lambda error: self.troubles.append(f"exception: {error}"))
        page.on("requestfailed", lambda r: self.troubles.append(f"failed: {r.url} {r.failure}"))
        page.on("response", lambda r: r.status >= 400 and self.troubles.append(f"{r.status}: {r.url}"))
        page.on("request", self._request)

    def _request(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.netloc != self.host:
            self.troubles.append(f"outside: {request.url}")


@pytest.fixture
def look(address: str, chromium: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page of the service at a width; at the end nothing may have gone wrong on any of them."""
    contexts, watch = [], Watch(urlsplit(address).netloc)

    def open_page(path: str = "", *, width: int = 1280, guarded: bool = True, **options: Any) -> Any:
        context = chromium.new_context(viewport={"width": width, "height": 860}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        if guarded:
            watch.over(page)
        page.goto(address + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not watch.troubles


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, as a package brings it."""
    source = importlib.resources.files("axe_playwright_python") / "axe.min.js"
    return source.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def built() -> Path:
    """Folder of the built STAC Browser; skips where it was not built."""
    if not (BUILT / "index.html").is_file():
        pytest.skip("needs STAC Browser, which `make browser` builds")
    return BUILT
