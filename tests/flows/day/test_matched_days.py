"""Days matched to the prior's climatology, as a job makes them; a gap stays empty."""

import datetime as dt
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from downscaler import product
from downscaler.day.inputs import Inputs
from downscaler.day.reading import Reading
from downscaler.errors import ClimatologyError, GranuleMissingError
from downscaler.ground.blocks import block_mean
from downscaler.ground.grid import M36
from downscaler.method.coarse_prior import prior_statistics
from downscaler.method.tile.predict import predict
from downscaler.product import CONSERVATION_TOLERANCE
from downscaler.sources.smap import find_granules
from downscaler.stores.climatology import save_statistics, smap_statistics
from flows.day.inputs import prepare
from flows.day.jobs import DayJob
from flows.day.make import run_day, try_day
from flows.day.reading import read

WHERE = "-98.54,34.19,-97.89,35.11"  # the fixture `chain`
LAST = dt.date(2024, 5, 23)  # of the sample's granules and of its prior
GAP = LAST + dt.timedelta(days=1)


@pytest.fixture
def job(chain: Any, tmp_path: Path) -> DayJob:
    return DayJob(
        domain=WHERE,
        prior=chain.prior.path,
        model=chain.model_folder,
        catalog=str(tmp_path / "c"),
        folder=chain.sample / "granules",
    )


@pytest.fixture
def matched(job: DayJob, chain: Any, tmp_path: Path) -> DayJob:
    """The job with a climatology of the sample's own granules."""
    save_statistics(smap_statistics(chain.sample / "granules", product.domain(WHERE)), tmp_path / "smap.nc")
    return replace(job, climatology=tmp_path / "smap.nc")


def fields(reading: Reading, inputs: Inputs) -> dict[str, Any]:
    """The product's fields on the whole domain, before encoding."""
    shape = inputs.domain.shape(product.GRID)
    made: dict[str, Any] = {}
    for tile in predict(inputs.model, inputs.prior, reading.day, matching=inputs.matching):
        for name, values in tile.fields.items():
            whole = made.setdefault(name, np.zeros((shape.y, shape.x), values.dtype))
            whole[tile.window.rows.slice, tile.window.columns.slice] = values
    return made


def assert_conserves(made: dict[str, Any], coarse: Any, inputs: Inputs) -> None:
    theta = made["soil_moisture"]
    blocks = block_mean(np.nan_to_num(theta), np.isfinite(theta), 9)
    assert np.isfinite(blocks).any()
    use = np.isfinite(blocks)
    assert np.abs(blocks - coarse)[use].max() <= CONSERVATION_TOLERANCE


def provenance(job: DayJob, date: dt.date) -> dict[str, Any]:
    (file,) = Path(job.catalog).rglob(f"*{date:%Y%m%d}/r001/provenance.json")
    document: dict[str, Any] = json.loads(file.read_text())
    return document


def test_a_gap_stays_empty(job: DayJob) -> None:
    with pytest.raises(GranuleMissingError):
        run_day(GAP, job)
    assert try_day(GAP, job).status == "no-coverage"


def test_a_day_with_its_own_retrievals_stays_when_its_granule_goes(job: DayJob, tmp_path: Path) -> None:
    own = replace(job, folder=shutil.copytree(job.folder or "", tmp_path / "granules"))
    assert run_day(LAST, own).status == "published"
    for path in find_granules(own.folder or Path(), LAST):
        path.unlink()
    with pytest.raises(GranuleMissingError):
        run_day(LAST, own)
    assert provenance(own, LAST)["date"] == str(LAST)


def test_matching_changes_the_contrast_and_keeps_the_block_means(job: DayJob, matched: DayJob) -> None:
    plain, inputs = prepare(job), prepare(matched)
    assert inputs.matching is not None
    assert prepare(matched).matching is inputs.matching  # made once in a process
    reading = read(LAST, matched, inputs)
    coarse = reading.day.data["soil_moisture"].where(reading.day.data["recommended"]).values
    without, made = fields(reading, plain), fields(reading, inputs)
    for each in (without, made):
        assert_conserves(each, coarse, inputs)
    assert np.nanmax(np.abs(made["soil_moisture"] - without["soil_moisture"])) > 1e-3
    assert run_day(LAST, job).status == "published"
    assert run_day(LAST, matched).reason == "revision 2"
    (file,) = Path(job.catalog).rglob(f"*{LAST:%Y%m%d}/r002/provenance.json")
    told = json.loads(file.read_text())
    assert told["parameters"]["matching"]["method"] == "mean_std"
    assert told["parameters"]["matching"]["notes"] == list(inputs.matching.notes)
    assert [entry["kind"] for entry in told["inputs"]].count("climatology") == 1
    assert "SMAP climatology" in told["caveats"][0]
    assert run_day(LAST, replace(matched, matching="cdf")).reason == "revision 3"


def test_a_climatology_that_changes_makes_days_stale(matched: DayJob, chain: Any) -> None:
    assert run_day(LAST, matched).status == "published"
    assert run_day(LAST, matched).status == "current"
    shorter = (LAST - dt.timedelta(days=2), LAST)
    changed = smap_statistics(chain.sample / "granules", product.domain(WHERE), period=shorter)
    save_statistics(changed, matched.climatology or Path())
    assert run_day(LAST, matched).status == "published"


def test_a_climatology_of_another_grid_is_refused(matched: DayJob) -> None:
    assert matched.climatology is not None
    other = prior_statistics(prepare(matched).prior, M36).on(product.domain(WHERE))
    save_statistics(other, matched.climatology)
    with pytest.raises(ClimatologyError, match="another grid"):
        run_day(LAST, matched)
    assert not (Path(matched.catalog) / "catalog.json").exists()


def test_without_it_the_run_is_told_as_before(job: DayJob) -> None:
    assert run_day(LAST, job).status == "published"
    told = provenance(job, LAST)
    assert set(told["parameters"]) == {"smap_grid", "smap_merge_rule"}
    assert {entry["kind"] for entry in told["inputs"]} == {"granule", "prior", "model"}
    error = told["findings"]["smap_error"]
    assert error["minimum"] <= error["median"] <= error["maximum"]
    assert error["stated"] + error["found"] + error["nominal"] > 0
