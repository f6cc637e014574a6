"""Analyses at stations: SMAP is what the granules had, readings are of the own day, and every day is judged."""

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from publishing import PLACE, publish_day

from catalog.reading.points import published_days
from catalog.reading.rasters import read_rasters
from downscaler import product
from downscaler.errors import ValidationError
from downscaler.ground.blocks import block_mean
from downscaler.report.validation_files import READINGS
from downscaler.sources.insitu import table
from downscaler.sources.insitu.series import Sensor, Series
from downscaler.validation.sites import sites_of
from flows.studies.every_day import validate_every_day
from flows.studies.validation import match_up
from flows.studies.validation_job import ValidationJob

DAYS = [dt.date(2024, 5, 1) + dt.timedelta(days=n) for n in range(4)]
PASSES = DAYS[::2]
LATE = 6 * 1440.0  # minutes: the last pass of an analysis may be of a week before


def test_analyses_are_judged_beside_the_retrievals_of_their_days(tmp_path: Path) -> None:
    analyses, root = product.analysis_of(PLACE), tmp_path / "catalog"
    shape = (PLACE.shape().y, PLACE.shape().x)
    for date in DAYS:
        publish_day(root, date, analyses, grid="M36", more={"observation_time": np.full(shape, 700.0 - LATE)})
    job = ValidationJob(domain=analyses.name, catalog=str(root), stations=("x",), out=tmp_path / "out")
    sensor = Sensor(network="N", station="S", name="probe", depth_from=0.05, depth_to=0.05, lat=34.8, lon=-98.0)
    time = np.arange(np.datetime64("2024-04-20", "s"), np.datetime64("2024-05-06", "s"), np.timedelta64(1, "h"))
    value = np.arange(time.size) / 1000
    series = Series(sensor=sensor, time=time, value=value, flag=np.full(time.size, "G"))
    assert len(list(table.write(job.out / READINGS, [series]))) == 1
    days = published_days(root, analyses)
    sites = sites_of([sensor], PLACE, days[0].grid)

    with pytest.raises(ValidationError, match="no SMAP-conserving day"):
        match_up(job, analyses, days, sites, None, lambda *_: None)
    for date in PASSES:
        publish_day(root, date, PLACE, seed=7, grid="M36")
    found = match_up(job, analyses, days, sites, None, lambda *_: None)
    (site,) = sites
    for number, date in enumerate(DAYS):
        (own,) = read_rasters(root, analyses, date, ["soil_moisture"]).values()
        assert found.estimates["product"][0, number] == own[site.row, site.column]
        assert found.pairs[0, number] == (date in PASSES)
        if date not in PASSES:
            continue
        (whole,) = read_rasters(root, PLACE, date, ["soil_moisture"]).values()
        coarse = block_mean(whole.astype(float), np.isfinite(whole), 36)
        assert found.estimates["smap"][0, number] == pytest.approx(coarse[site.row // 36, site.column // 36])
        near = np.abs(time - np.datetime64(date, "s") - np.timedelta64(700, "m")) <= np.timedelta64(3, "h")
        assert found.stations[0, number] == pytest.approx(value[near].mean())
    assert any("days of SMAP's passes" in note for note in found.notes)


def test_every_day_is_judged_also_without_smap_conserving_days(tmp_path: Path) -> None:
    """What SMAP did not see counts too, by daily means; SMAP's last value carried on stands beside it, if any."""
    analyses, root = product.analysis_of(PLACE), tmp_path / "catalog"
    shape = (PLACE.shape().y, PLACE.shape().x)
    gaps = np.full(shape, product.Flag.GAP_FILLED, np.uint16)
    for number, date in enumerate(DAYS):
        seen = date in PASSES
        fields = {"quality_flag": gaps * (not seen), "smap_age": np.full(shape, number % 2)}
        publish_day(root, date, analyses, grid="M36", more=fields)
    time = np.arange(np.datetime64("2024-04-30", "s"), np.datetime64("2024-05-06", "s"), np.timedelta64(1, "h"))
    sensor = Sensor(network="N", station="S", name="probe", depth_from=0.05, depth_to=0.05, lat=34.8, lon=-98.0)
    value = np.random.default_rng(3).uniform(0.1, 0.4, time.size)
    readings = tmp_path / "given.parquet"
    given = Series(sensor=sensor, time=time, value=value, flag=np.full(time.size, "G", "U3"))
    assert len(list(table.write(readings, [given]))) == 1
    job = ValidationJob(
        domain=PLACE.name, catalog=str(root), stations=(str(readings),), out=tmp_path / "out", min_pairs=2
    )

    alone = validate_every_day(job)
    assert alone == json.loads((job.out / "every_day.json").read_text())
    assert (alone["pairs"], alone["gains"], alone["title"]) == (4, {}, analyses.title)
    assert {name: part["pairs"] for name, part in alone["ages"].items()} == {"the day itself": 2, "1 or 2 days": 2}
    (site,) = sites_of([sensor], PLACE, published_days(root, analyses)[0].grid)
    at = site.row, site.column
    own = [read_rasters(root, analyses, date, ["soil_moisture"])["soil_moisture"][at] for date in DAYS]
    means = [value[time.astype("datetime64[D]") == np.datetime64(date)].mean() for date in DAYS]
    assert alone["estimates"]["product"]["bias"]["value"] == pytest.approx(np.mean(own) - np.mean(means))

    for date in PASSES:
        publish_day(root, date, PLACE, grid="M36", more={"quality_flag": gaps * 0})
    beside = validate_every_day(replace(job, domain=analyses.name))
    last = [read_rasters(root, PLACE, date, ["soil_moisture"])["soil_moisture"][at] for date in np.repeat(PASSES, 2)]
    carried = beside["estimates"]["carried"]["bias"]["value"]
    assert carried == pytest.approx(np.mean(last) - np.mean(means))
    with pytest.raises(ValidationError, match="no published analysis"):
        validate_every_day(replace(job, period=(dt.date(2023, 1, 1), dt.date(2023, 1, 5))))
