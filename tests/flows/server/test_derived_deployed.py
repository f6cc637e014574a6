"""What is made from days, as deployments on a real server with a worker: what a superseded day re-makes, and only that.

Takes minutes, so it is marked slow: ``pytest -m slow tests/flows/server/test_derived_deployed.py``.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from layered import write_layers
from prefect_server import PREFECT, QUIET, free_port, serving, wait_for_server
from publishing import publish_day

from downscaler import product
from downscaler.ground.periods import first_day
from downscaler.sources.parflow import open_source
from downscaler.stores.prior import build_prior

from .conftest import BRISK, Site, make_queues, working

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

pytestmark = [pytest.mark.integration, pytest.mark.slow]
PLACE = "-94.75,34.4,-94.7,34.45"
DAYS = [dt.date(2024, 5, 20) + dt.timedelta(days=n) for n in (0, 1, 8, 30)]
LATE = DAYS[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Analyses of four days with a prior, settings and rules; server, pool and queues, and two deployments."""
    folder, ground, port = tmp_path_factory.mktemp("derived"), product.domain(PLACE), free_port()
    source = open_source("netcdf", write_layers(folder / "daily.nc", ground, days=90, start="2024-04-10"))
    build_prior(source, ground, folder / "prior")
    source.close()
    for date in DAYS:
        publish_day(folder / "catalog", date, product.analysis_of(ground))
    (folder / "vadose.toml").write_text(
        f'domain = "{PLACE}"\nprior = "prior"\nmodel = "absent"\ncatalog = "catalog"\nderived = "percentile"\n'
    )
    base = {"PATH": f"{PREFECT.parent}:{os.environ['PATH']}", "HOME": os.environ["HOME"]}
    environment = {**base, **QUIET, "PREFECT_HOME": str(folder / "prefect")}
    made = Site(folder, environment | {"PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}, DAYS[-1])
    with serving(folder, made.api, BRISK):
        wait_for_server(made.api)
        make_queues(made)
        made.deploy("derived", "composites")
        yield made


def run(site: Site, name: str, first: dt.date, last: dt.date, **more: Any) -> FlowRun:
    """A run of a deployment, made by the worker; its final state."""
    from prefect.deployments import run_deployment
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

    settings: dict[Any, Any] = {PREFECT_API_URL: site.api, PREFECT_HOME: site.folder / "prefect"}
    with temporary_settings(settings):
        found: Any = run_deployment(name, parameters={"start": str(first), "end": str(last), **more}, timeout=300)
    assert found.state.is_completed(), found.state
    return found


def revisions(site: Site) -> dict[str, int]:
    items = (json.loads(path.read_text()) for path in Path(site.catalog).glob("vadose-sm-*/*/*/*/*.json"))
    return {item["id"]: int(item["properties"]["version"]) for item in items}


def test_a_superseded_day_re_makes_what_held_it_and_nothing_else(site: Site) -> None:
    lengths, ground = {"lengths": ["3day", "weekly"]}, product.domain(PLACE)
    with working(site):
        run(site, "derived/derived", DAYS[0], DAYS[-1])
        run(site, "composites/composites", DAYS[0], DAYS[-1], **lengths)
        before = revisions(site)
        assert sum("percentile" in name for name in before) == len(DAYS)
        publish_day(site.catalog, LATE, product.analysis_of(ground), seed=1)
        run(site, "derived/derived", DAYS[0], DAYS[-1])
        run(site, "composites/composites", DAYS[0], DAYS[-1], **lengths)
    after = revisions(site)
    expected = {f"vadose-sm-1km-percentile_{ground.name}_{day:%Y%m%d}" for day in DAYS[1:3]}
    expected |= {f"vadose-sm-1km-3day_{ground.name}_{first_day('three days', LATE):%Y%m%d}"}
    expected |= {f"vadose-sm-1km-weekly_{ground.name}_{first_day('week', LATE):%Y%m%d}"}
    expected |= {f"vadose-sm-1km-analysis_{ground.name}_{LATE:%Y%m%d}"}
    assert {name for name in after if after[name] != before.get(name)} == expected
