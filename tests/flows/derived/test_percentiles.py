"""Percentiles in a catalogue: their numbers, and that a day is made again when its own season's days changed."""

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from layered import write_layers
from once import built_once
from publishing import publish_day
from starlette.testclient import TestClient

from catalog.api import create_app
from catalog.check.check import check
from catalog.reading.days import find_item, validate_catalog
from catalog.reading.rasters import read_rasters
from catalog.reading.stack import StackedDay
from downscaler import product
from downscaler.derived.composite import ErrorMemory
from downscaler.derived.drought import flash_drought_probability
from downscaler.derived.percentile import Reference, anomaly, join, percentile, quantiles, standing
from downscaler.derived.zones import zone_weights
from downscaler.errors import ConfigError
from downscaler.records import RunRecord
from downscaler.sources.landcover import Mask
from downscaler.sources.parflow import open_source
from downscaler.sources.zones import read_layer
from downscaler.stores.prior import build_prior, open_prior
from downscaler.stores.zones import read_zone
from flows.derived import percentiles
from flows.derived.make import keep_in_step, make_items
from flows.derived.percentiles import READ, PercentileJob, earlier, in_season, percentile_job, recent, season_before
from flows.derived.state import survey
from flows.derived.zones import make_zones
from flows.settings import Settings

PLACE = "-94.75,34.4,-94.7,34.45"
DAY, TODAY = dt.date(2024, 5, 20), dt.date(2024, 6, 1)
BEFORE = [dt.date(2023, 5, 10) + dt.timedelta(days=n) for n in range(11)]
WEEKS = [DAY - dt.timedelta(days=n) for n in (13, 12, 11, 2, 1)]  # two five-day means, today's and one before


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> PercentileJob:
    ground = product.domain(PLACE)

    def build(folder: Path) -> None:
        source = open_source("netcdf", write_layers(folder / "daily.nc", ground, days=60, start="2024-04-10"))
        build_prior(source, ground, folder / "prior")
        source.close()
        for date in [*BEFORE, dt.date(2023, 7, 1), *WEEKS, DAY]:
            publish_day(folder / "catalog", date, product.analysis_of(ground))

    folder = built_once(tmp_path_factory, "percentiles", build)
    return PercentileJob(catalog=str(folder / "catalog"), domain=PLACE, prior=folder / "prior")


def test_percentiles_follow_their_season(job: PercentileJob, tmp_path: Path) -> None:
    (outcome,) = make_items(job, DAY, DAY, today=TODAY)
    assert (outcome.status, outcome.reason) == ("published", "percentile, revision 1, of 17 days")
    source, data = job.source(), open_prior(job.prior).data["soil_moisture"]
    days = {date: read_rasters(job.catalog, source, date, READ[:2]) for date in [*BEFORE, *WEEKS, DAY]}

    def stacked(dates: list[dt.date], name: str) -> np.ndarray:
        blank = np.full((36, 36), np.nan)
        return np.stack([days[date][name].astype(float) if date in days else blank for date in dates])

    def climatology(date: dt.date) -> Reference:
        own = data.values[in_season(data["time"].values, date)].astype(float)
        theta, sigma = (stacked([one for one in BEFORE if one in season_before(date)], name) for name in READ[:2])
        return join(theta, sigma, len(theta) / 31, own, len(own) / 31)

    now, before = climatology(DAY), climatology(earlier(DAY))
    theta, sigma = (stacked([*recent(DAY), DAY], name) for name in READ[:2])
    expected = standing(theta[-1], sigma[-1], now)
    found = read_rasters(job.catalog, job.target, DAY, [v.name for v in product.PERCENTILE_VARIABLES])
    np.testing.assert_allclose(found["percentile"], 100 * expected.percentile, atol=0.04)
    np.testing.assert_allclose(found["percentile_lower"], 100 * expected.lower, atol=0.04)
    np.testing.assert_allclose(found["anomaly"], anomaly(theta[-1], now), atol=1e-4)
    known = np.isfinite(expected.percentile)
    for share, level in zip(product.USUAL, quantiles(now, np.array(product.USUAL) / 100), strict=True):
        usual = found[f"climatology_p{share}"]
        np.testing.assert_allclose(usual[known], np.clip(level, 0, 1)[known], atol=1e-4)
        assert np.isnan(usual[~known]).all()
    for name, probability in expected.classes.items():
        np.testing.assert_allclose(found[f"probability_{name.lower()}"][known], 100 * probability[known], atol=0.51)
        assert (found[f"probability_{name.lower()}"][~known] == 255).all()
    assert known.any()
    flash = flash_drought_probability(theta, sigma, now, before, ErrorMemory.of(source.name))
    told = np.isfinite(flash)
    np.testing.assert_allclose(found["probability_flash"][told], 100 * flash[told], atol=0.51)
    assert (found["probability_flash"][~told] == 255).all()
    assert 0 < found["probability_flash"][told].max() <= 100
    assert (found["days_dry"][known & (expected.percentile > 0.305)] == 0).all()
    assert (found["days_dry"][known & (expected.percentile < 0.295)] > 0).all()
    assert (found["days_wet"][known & (expected.percentile < 0.695)] == 0).all()
    last = known & (expected.percentile < 0.295) & (percentile(theta[-2], now) > 0.305)
    assert last.any()
    assert (found["days_dry"][last] == 1).all()
    item = find_item(job.catalog, job.target, DAY)
    assert item is not None
    assert any("1 earlier years" in caveat for caveat in item["properties"]["vadose:caveats"])
    assert len(validate_catalog(job.catalog)) > 18
    assert [finding for finding in check(job.catalog).findings if finding.fault] == []

    client, square = TestClient(create_app(job.catalog)), shapely.box(-94.76, 34.39, -94.69, 34.46)
    asked = f"/zones?collection=vadose-sm-1km-{job.target.name}"
    told = client.post(asked, json=shapely.geometry.mapping(square)).json()
    (row,) = told["series"]
    at = f"/values?lon=-94.72&lat=34.42&collection=vadose-sm-1km-{job.target.name}"
    assert (told["simulated"], client.get(at).json()["simulated"]) == (True, True)
    lines = client.post(f"{asked}&f=csv", json=shapely.geometry.mapping(square)).text.splitlines()
    assert [line.rsplit(",", 1)[1] for line in lines] == ["simulated", "true"]
    weights = zone_weights([square], source).matrix.toarray()[0].reshape(known.shape)
    for name in ("percentile", "probability_d1", "probability_w4"):
        share = np.where(known, weights, 0.0)
        mean = float((share * np.where(known, found[name], 0)).sum() / share.sum())
        assert row[name] == pytest.approx(mean, abs=1e-2)
    assert told["units"]["probability_d1"] == "%"
    lines = client.post(f"{asked}&f=csv", json=shapely.geometry.mapping(square)).text.splitlines()
    assert lines[0].startswith("date,percentile,percentile_lower,percentile_upper,anomaly,probability_d0")
    assert lines[1].startswith(f"{DAY},")

    place = shapely.geometry.mapping(square)
    layer_file = tmp_path / "fields.geojson"
    layer_file.write_text(json.dumps({"type": "Feature", "properties": {"id": "7"}, "geometry": place}))
    layer, zones = read_layer(layer_file), tmp_path / "zones"
    assert make_zones(job.catalog, job.target, layer, zones, [DAY]).made == (DAY,)
    (series,) = read_zone(zones, "fields-percentile", "7").to_pylist()
    for name in ("probability_d1", "probability_flash", "days_dry", "anomaly"):
        seen = known & (found[name] != 255)
        mean = float((weights * np.where(seen, found[name], 0)).sum() / weights[seen].sum())
        assert series[name] == pytest.approx(mean, abs=1e-3), name
    assert series["mean"] == pytest.approx(row["percentile"], abs=1e-2)
    assert 0 < series["lower"] < series["mean"] < series["upper"] < 100
    widest = (found["percentile_upper"] - found["percentile_lower"])[known].mean() / 3.29
    assert 0.3 * widest < series["uncertainty"] < widest, "errors in space are alike, not the same"
    assert make_zones(job.catalog, job.target, layer, zones, [DAY]).made == ()
    share, cell = np.zeros(known.shape), np.unravel_index(np.argmax(np.where(known, weights, 0.0)), known.shape)
    share[cell] = 1.0
    crops = Mask(name="crops.tif", share=share, told={"classes": [1]})
    assert make_zones(job.catalog, job.target, layer, zones, [DAY], mask=crops).made == (DAY,), (
        "a mask is another series"
    )
    (series,) = read_zone(zones, "fields-percentile", "7").to_pylist()
    assert series["mean"] == pytest.approx(found["percentile"][cell], abs=0.01)
    assert series["cover"] == pytest.approx(1.0)

    after = DAY + dt.timedelta(days=1)
    publish_day(Path(job.catalog), dt.date(2023, 7, 1), source, seed=1)
    publish_day(Path(job.catalog), after, source)
    first, second = survey(job, DAY, after, TODAY)
    assert (first.state, second.state) == ("published", "due"), "neither another season's day nor a later one counts"
    assert [outcome.status for outcome in make_items(job, DAY, after, today=TODAY)] == ["current", "published"]
    publish_day(Path(job.catalog), WEEKS[0], source, seed=1)
    publish_day(Path(job.catalog), after, source, seed=1)
    first, second = survey(job, DAY, after, TODAY)
    assert (first.state, first.why) == ("stale", "1 day changed (2024-05-07)")
    assert (second.state, second.why) == ("stale", "2 days changed (2024-05-07, ...)")
    publish_day(Path(job.catalog), BEFORE[3], source, seed=1)
    settings = Settings(catalog=job.catalog, domain=PLACE, prior=job.prior, derived=("percentile",))
    made = keep_in_step(settings, WEEKS[-1], WEEKS[-1], today=TODAY)
    assert [(o.date, o.status, o.reason) for o in made] == [
        (WEEKS[-1], "published", "percentile, revision 1, of 16 days"),
        (DAY, "published", "percentile, revision 2, of 17 days"),
        (after, "published", "percentile, revision 2, of 18 days"),
    ], "later days that look back on it are made too"
    assert keep_in_step(settings, DAY, after, today=TODAY) == []


def test_numbers_do_not_hang_on_how_many_cells_are_worked_on_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng, dates = np.random.default_rng(3), [DAY, *season_before(DAY)[31 * 7 :], *recent(DAY)]
    cells = [[rng.uniform(*ends, 50).astype(np.float32) for _ in dates] for ends in ((0.1, 0.4), (0.02, 0.05))]
    cells[0][5][:20] = cells[1][5][:20] = np.nan
    prior = rng.uniform(0.05, 0.3, (62, 50)).astype(np.float32)
    seasons = [percentiles._Season(date=date, prior=prior) for date in (DAY, earlier(DAY))]
    memory = ErrorMemory.of("analysis_conus")
    whole = percentiles._in_parts(dates, cells, seasons, memory)
    monkeypatch.setattr(percentiles, "_CELLS", 7)
    for name, values in percentiles._in_parts(dates, cells, seasons, memory).items():
        np.testing.assert_allclose(values, whole[name], rtol=1e-9, atol=1e-12, err_msg=name)
    assert set(whole) == {v.name for v in product.PERCENTILE_VARIABLES} - {"quality_flag"}
    assert (whole["climatology_p10"] < whole["climatology_p50"]).all()


@pytest.mark.parametrize("month_day", [(1, 3), (3, 10), (12, 28), (2, 29), (7, 1)])
def test_a_season_has_as_many_days_in_every_year(month_day: tuple[int, int]) -> None:
    """By numbers of days of the year, one is lost around New Year of common years, and all move after a leap day."""
    date = dt.date(2024, *month_day)
    days = np.arange("2014-06-01", "2024-06-01", dtype="datetime64[D]")
    expected = {day for day in season_before(date) if days[0].item() <= day <= days[-1].item()}
    own = {date + dt.timedelta(days=n) for n in range(-15, 16)}
    chosen = set(days[in_season(days, date)].tolist())
    assert chosen - own == expected - own
    assert in_season(days[:0], date).size == 0


def test_seasons_go_round_the_year_and_leap_days_have_one() -> None:
    before = season_before(dt.date(2024, 2, 29))
    assert len(before) == 310 == len(set(before))
    assert (min(before), max(before)) == (dt.date(2014, 2, 13), dt.date(2023, 3, 15))


def test_a_winter_is_one_earlier_year(job: PercentileJob) -> None:
    """It lies in two years; counted twice, nine winters would be told as ten, and no more as a short record."""
    run = RunRecord(
        date=dt.date(2024, 1, 3), domain_name="x", inputs=(), observed=(dt.datetime(2024, 1, 3, tzinfo=dt.UTC),) * 2
    )
    held = [one for one in season_before(run.date) if one > dt.date(2015, 2, 1)]
    days = [
        StackedDay(date=date, keys={}, record=None, simulated=False, caveats=(), observed=run.observed)  # type: ignore[arg-type]
        for date in [run.date, *held]
    ]
    assert ["of 8 earlier years" in caveat for caveat in job._caveats(run, days, run.date)] == [True]


def test_without_a_prior_there_is_a_clear_error() -> None:
    with pytest.raises(ConfigError, match="need a prior"):
        percentile_job(Settings())
