"""Percentiles in a catalogue: their numbers, and that a day is made again when its own season's days changed."""

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
from once import built_once
from publishing import publish_day

from catalog.check.check import check
from catalog.reading.days import find_item, validate_catalog
from catalog.reading.rasters import read_rasters
from downscaler import product
from downscaler.derived.percentile import anomaly, join, standing
from downscaler.errors import ConfigError
from downscaler.simulation.sample import write_sample
from downscaler.sources.parflow import open_source
from downscaler.stores.prior import build_prior, open_prior
from flows.derived.make import make_items
from flows.derived.percentiles import READ, PercentileJob, in_season, percentile_job, season_before
from flows.derived.state import survey
from flows.settings import Settings

PLACE = "-94.75,34.4,-94.7,34.45"
DAY, TODAY = dt.date(2024, 5, 20), dt.date(2024, 6, 1)
BEFORE = [dt.date(2023, 5, 14) + dt.timedelta(days=n) for n in range(11)]


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> PercentileJob:
    ground = product.domain(PLACE)

    def build(folder: Path) -> None:
        write_sample(folder / "sample", ground, days=2, start=DAY, seed=3, history=30)
        native = folder / "sample" / "prior"
        source = open_source("netcdf", native / "daily.nc", native / "static.nc")
        build_prior(source, ground, folder / "prior")
        source.close()
        for date in [*BEFORE, dt.date(2023, 7, 1), DAY]:
            publish_day(folder / "catalog", date, product.analysis_of(ground))

    folder = built_once(tmp_path_factory, "percentiles", build)
    return PercentileJob(catalog=str(folder / "catalog"), domain=PLACE, prior=folder / "prior")


def test_percentiles_follow_their_season(job: PercentileJob) -> None:
    (outcome,) = make_items(job, DAY, DAY, today=TODAY)
    assert (outcome.status, outcome.reason) == ("published", "percentile, revision 1, of 12 days")
    source, data = job.source(), open_prior(job.prior).data["soil_moisture"]
    archive = [read_rasters(job.catalog, source, date, READ[:2]) for date in BEFORE]
    theta, sigma = (np.stack([day[name] for day in archive]).astype(float) for name in READ[:2])
    own = data.values[in_season(data["time"].dt.dayofyear.values, DAY)].astype(float)
    today = read_rasters(job.catalog, source, DAY, READ)
    reference = join(theta, sigma, len(BEFORE) / 31, own, len(own) / 31)
    value = today["soil_moisture"].astype(float)
    expected = standing(value, today["uncertainty"].astype(float), reference)
    found = read_rasters(job.catalog, job.target, DAY, [v.name for v in product.PERCENTILE_VARIABLES])
    np.testing.assert_allclose(found["percentile"], 100 * expected.percentile, atol=0.04)
    np.testing.assert_allclose(found["percentile_lower"], 100 * expected.lower, atol=0.04)
    np.testing.assert_allclose(found["anomaly"], anomaly(value, reference), atol=1e-4)
    known = np.isfinite(expected.percentile)
    for name, probability in expected.classes.items():
        np.testing.assert_allclose(found[f"probability_{name.lower()}"][known], 100 * probability[known], atol=0.51)
        assert (found[f"probability_{name.lower()}"][~known] == 255).all()
    assert known.any()
    item = find_item(job.catalog, job.target, DAY)
    assert item is not None
    assert any("1 earlier years" in caveat for caveat in item["properties"]["vadose:caveats"])
    assert len(validate_catalog(job.catalog)) > 13
    assert [finding for finding in check(job.catalog).findings if finding.fault] == []

    publish_day(Path(job.catalog), dt.date(2023, 7, 1), source, seed=1)
    publish_day(Path(job.catalog), DAY + dt.timedelta(days=1), source)
    first, second = survey(job, DAY, DAY + dt.timedelta(days=1), TODAY)
    assert (first.state, second.state) == ("published", "due"), "neither another season's day nor a later one counts"
    publish_day(Path(job.catalog), BEFORE[3], source, seed=1)
    (state,) = survey(job, DAY, DAY, TODAY)
    assert (state.state, state.why) == ("stale", "1 days changed (20230517, ...)")
    (outcome,) = make_items(job, DAY, DAY, today=TODAY)
    assert (outcome.status, outcome.reason) == ("published", "percentile, revision 2, of 12 days")


def test_seasons_go_round_the_year_and_leap_days_have_one() -> None:
    days = np.arange(1, 367)
    assert set(days[in_season(days, dt.date(2024, 1, 3))]) == {*range(1, 19), *range(354, 367)}
    before = season_before(dt.date(2024, 2, 29))
    assert len(before) == 310 == len(set(before))
    assert (min(before), max(before)) == (dt.date(2014, 2, 13), dt.date(2023, 3, 15))


def test_without_a_prior_there_is_a_clear_error() -> None:
    with pytest.raises(ConfigError, match="need a prior"):
        percentile_job(Settings())
