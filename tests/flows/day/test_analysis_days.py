"""Analyses as they are published: complete days beside the conserving ones, without granules too, stale by amounts."""

import datetime as dt
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import rasterio

from downscaler.errors import NoRetrievalError
from downscaler.method.coarse.analysis import WINDOW
from flows.day.inputs import prepare
from flows.day.jobs import DayJob
from flows.day.make import run_day
from flows.day.reading import read as read_granules
from flows.days.plan import make_period
from flows.days.state import survey

COLLECTIONS = ("vadose-sm-1km_small", "vadose-sm-1km-analysis_small")


@pytest.fixture
def job(chain: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DayJob:
    from downscaler import product

    monkeypatch.setitem(product.DOMAINS, "small", chain.domain)
    granules = shutil.copytree(chain.sample / "granules", tmp_path / "granules")
    return DayJob(
        domain="small",
        prior=chain.prior.path,
        model=chain.model_folder,
        catalog=str(tmp_path / "catalog"),
        folder=granules,
        products=("conserving", "analysis"),
    )


def days_of(folder: Path) -> list[dt.date]:
    return sorted({dt.date.fromisoformat(f.name.split("_")[5]) for f in folder.glob("*.h5")})


def covered(job: DayJob) -> list[dt.date]:
    """Days on which SMAP has a retrieval of the domain."""
    assert job.folder is not None
    inputs, found = prepare(job.each()[0]), []
    for date in days_of(job.folder):
        with suppress(NoRetrievalError):
            read_granules(date, job.each()[0], inputs)
            found.append(date)
    return found


def items(job: DayJob) -> dict[str, dict[dt.date, pystac.Item]]:
    found: dict[str, dict[dt.date, pystac.Item]] = {name: {} for name in COLLECTIONS}
    for item in pystac.Catalog.from_file(f"{job.catalog}/catalog.json").get_items(recursive=True):
        assert item.datetime is not None
        assert item.collection_id is not None
        found[item.collection_id][item.datetime.date()] = item
    return found


def read(item: pystac.Item, name: str) -> np.ndarray:
    with rasterio.open(item.assets[name].get_absolute_href()) as file:
        return file.read(1, masked=True).astype(float).filled(np.nan)


def test_a_day_has_both_products_and_a_day_without_granule_its_analysis(job: DayJob, chain: Any) -> None:
    assert job.folder is not None
    seen = covered(job)[-1]
    last = seen + dt.timedelta(days=1)
    for file in job.folder.glob(f"*_{last:%Y%m%d}_*.h5"):
        file.unlink()
    made = make_period(job, seen, last)
    assert [outcome.status for outcome in made].count("published") == 3
    found = items(job)
    assert list(found[COLLECTIONS[0]]) == [seen]
    assert sorted(found[COLLECTIONS[1]]) == [seen, last]
    whole = chain.prior.data["active"].values.astype(bool)
    for date, item in found[COLLECTIONS[1]].items():
        value, age, share = (read(item, name) for name in ("soil_moisture", "smap_age", "smap_share"))
        assert np.isfinite(value[whole]).all()
        assert np.nanmin(age) >= (1 if date == last else 0)
        assert np.nanmax(age) < WINDOW
        assert ((share[whole] >= 0) & (share[whole] <= 1)).all()
        inside = (read(item, "lower") <= value) & (value <= read(item, "upper"))
        assert inside[whole].all()
        named = [entry for entry in item.properties["vadose:inputs"] if entry["kind"] == "granule"]
        assert len(named) >= 3  # every granule of the window
        told = item.properties["vadose:granules_considered"]
        assert told == sorted({*told, *(entry["name"] for entry in named)})  # each once, those not used too
    states = survey(job.each()[1], seen, last)
    assert [(state.state, state.why) for state in states] == [("published", "")] * 2


def test_a_late_granule_makes_stale_what_it_would_change(job: DayJob) -> None:
    assert job.folder is not None
    analysis = job.each()[1]
    near, last = covered(job)[-2:]
    late = list(job.folder.glob(f"*_{near:%Y%m%d}_*.h5"))
    away = job.folder.parent / "away"
    away.mkdir()
    for file in late:
        file.rename(away / file.name)
    first = run_day(last, analysis)
    assert first.status == "published"
    for file in late:
        (away / file.name).rename(file)
    [state] = survey(analysis, last, last)
    assert state.state == "stale"
    assert "came later" in state.why
    assert run_day(last, analysis).reason == "analysis, revision 2"
    for file in job.folder.glob(f"*_{last:%Y%m%d}_*.h5"):  # a day that SMAP saw never gives way to one that it did not
        file.unlink()
    held = run_day(last, analysis)
    assert held.status == "current"
    assert "granule is gone" in held.reason


def test_what_is_made_again_from_the_same_is_the_same(job: DayJob) -> None:
    assert job.folder is not None
    analysis = job.each()[1]
    last = days_of(job.folder)[-1]
    run_day(last, analysis)
    before = items(job)[COLLECTIONS[1]][last]
    checksums: Callable[[pystac.Item], list[str]] = lambda item: [  # noqa: E731
        item.assets[name].extra_fields["file:checksum"] for name in ("soil_moisture", "lower", "smap_share")
    ]
    assert run_day(last, analysis).status == "current"
    run_day(last, DayJob(**{**analysis.__dict__, "force": True}))
    assert checksums(items(job)[COLLECTIONS[1]][last]) == checksums(before)


def test_a_cut_granule_of_a_day_before_takes_nothing_from_an_analysis(job: DayJob) -> None:
    assert job.folder is not None
    analysis = job.each()[1]
    near, last = covered(job)[-2:]
    [sound] = job.folder.glob(f"*_{near:%Y%m%d}_*_001.h5")
    newer = sound.with_name(sound.name.replace("_001.h5", "_002.h5"))
    content = sound.read_bytes()
    run_day(last, analysis)
    newer.write_bytes(content[: len(content) // 2])  # still being copied
    assert "same inputs" in run_day(last, analysis).reason  # by the older release
    [state] = survey(analysis, last, last)
    assert (state.state, state.revision) == ("stale", 1)  # the newer one was not looked at
    newer.write_bytes(content)
    run_day(last, analysis)
    assert survey(analysis, last, last)[0].state == "published"
    newer.unlink()
    sound.write_bytes(content[: len(content) // 2])
    held = run_day(last, analysis)
    assert (held.status, "cannot be read any more" in held.reason) == ("current", True)
    run_day(last, replace(analysis, force=True))
    assert sound.name not in items(job)[COLLECTIONS[1]][last].properties["vadose:granules_considered"]
    sound.write_bytes(content)
    assert "came later" in survey(analysis, last, last)[0].why
