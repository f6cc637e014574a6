"""Outlooks in a catalogue: learned from a prior, their numbers and records, and what a changed day re-makes."""

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
from layered import write_layers
from once import built_once
from publishing import publish_day

from catalog.check.check import check
from catalog.cube.update import collections_with_days, open_cube, update_cube
from catalog.reading.days import find_item, validate_catalog
from catalog.reading.rasters import read_rasters
from downscaler import product
from downscaler.derived.outlook import LEADS, angles_of, learn_fading, look_ahead
from downscaler.derived.outlook_state import learn_outlook, open_outlook, read_outlook
from downscaler.errors import ConfigError, OutlookError
from downscaler.ground.grid import Span, Window
from downscaler.sources.parflow import open_source
from downscaler.stores.prior import build_prior, open_prior
from flows.derived.make import job_of_kind, make_items
from flows.derived.outlook import READ, OutlookJob
from flows.derived.state import survey
from flows.settings import Settings

PLACE = "-94.75,34.4,-94.7,34.45"
DAYS, TODAY = [dt.date(2024, 5, 20), dt.date(2024, 5, 21)], dt.date(2024, 6, 1)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> OutlookJob:
    ground = product.domain(PLACE)

    def build(folder: Path) -> None:
        source = open_source("netcdf", write_layers(folder / "daily.nc", ground))
        learn_outlook(build_prior(source, ground, folder / "prior"), folder / "outlook.h5")
        source.close()
        publish_day(folder / "catalog", DAYS[0], product.analysis_of(ground))

    folder = built_once(tmp_path_factory, "outlook", build)
    settings = Settings(catalog=str(folder / "catalog"), domain=PLACE, outlook=folder / "outlook.h5")
    made = job_of_kind(settings, "outlook")
    assert isinstance(made, OutlookJob)
    return made


def test_outlooks_are_learned_and_follow_their_own_day(job: OutlookJob) -> None:
    ground = product.domain(PLACE)
    whole = Window(rows=Span(start=0, stop=36), columns=Span(start=0, stop=36))
    learned = open_outlook(job.learned)
    fading, data = read_outlook(learned, ground, whole), open_prior(job.learned.parent / "prior").data
    active = data["active"].values.astype(bool)
    theta = data["soil_moisture"].values[:, active].astype(float)
    expected = learn_fading(theta, angles_of(data["time"].dt.dayofyear.values))
    np.testing.assert_allclose(fading.left[:, active], expected.left, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(fading.errors[:, active], expected.errors, rtol=1e-4)
    share = float(expected.given[0].mean())
    assert learned.attributes["given_share"][0] == pytest.approx(share, abs=1e-3)
    assert share == 1.0

    (outcome,) = make_items(job, DAYS[0], DAYS[0], today=TODAY)
    assert outcome.status == "published"
    source = job.source()
    today = read_rasters(job.catalog, source, DAYS[0], READ)
    values, errors = look_ahead(*(today[name].astype(float) for name in READ[:2]), DAYS[0], fading)
    found = read_rasters(job.catalog, job.target, DAYS[0], [v.name for v in product.OUTLOOK.variables])
    for number, days in enumerate(LEADS):
        np.testing.assert_allclose(found[f"soil_moisture_day{days}"], values[number], atol=1e-4)
        np.testing.assert_allclose(found[f"uncertainty_day{days}"], errors[number], atol=1e-4)
    empty = ~np.isfinite(values).any(axis=0)
    assert (found["quality_flag"][empty] & product.Flag.FILL).all()
    item = find_item(job.catalog, job.target, DAYS[0])
    assert item is not None
    assert [entry["kind"] for entry in item["properties"]["vadose:inputs"]] == ["day", "outlook"]
    assert len(validate_catalog(job.catalog)) > 4
    assert [finding for finding in check(job.catalog).findings if finding.fault] == []

    pytest.importorskip("icechunk", reason="cubes need icechunk")
    collection = f"vadose-sm-1km-{job.target.name}"
    assert update_cube(
        job.catalog, collection, collections_with_days(job.catalog)[collection], create=True
    ).written == (DAYS[0],)
    cube = open_cube(job.catalog, collection).sel(time=str(DAYS[0]))
    for name in ("soil_moisture_day3", "uncertainty_day10", "quality_flag"):
        np.testing.assert_array_equal(cube[name].values, found[name], err_msg=name)
    assert [finding for finding in check(job.catalog).findings if finding.fault] == []

    publish_day(Path(job.catalog), DAYS[0], source, seed=1)
    publish_day(Path(job.catalog), DAYS[1], source)
    assert [state.state for state in survey(job, *DAYS, TODAY)] == ["stale", "due"]


def test_what_cannot_be_learned_or_made_is_a_clear_error(job: OutlookJob, tmp_path: Path) -> None:
    ground = product.domain(PLACE)
    source = open_source("netcdf", write_layers(tmp_path / "short.nc", ground, days=40))
    prior = build_prior(source, ground, tmp_path / "prior")
    source.close()
    with pytest.raises(OutlookError, match="cannot be learned"):
        learn_outlook(prior, tmp_path / "outlook.h5")
    assert not (tmp_path / "outlook.h5").exists()
    with pytest.raises(OutlookError, match="no state"):
        open_outlook(tmp_path / "outlook.h5")
    with pytest.raises(ConfigError, match="needs a learned state"):
        job_of_kind(Settings(), "outlook")
    with pytest.raises(ConfigError, match="in SMAP's"):
        job_of_kind(Settings(outlook=job.learned, climatology=tmp_path / "smap.h5"), "outlook")
