"""Gap-filled days and days matched to the prior's climatology, as a job makes them; without either nothing changes."""

import datetime as dt
import json
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from catalog.reading.days import find_item
from downscaler import product
from downscaler.day.gaps import Reading
from downscaler.day.inputs import Inputs
from downscaler.errors import ClimatologyError, GranuleMissingError, NoRetrievalError, TrainingError
from downscaler.ground.blocks import block_mean
from downscaler.ground.grid import M36
from downscaler.learn.ageing import ENOUGH_DAYS, prior_decay, smap_decay
from downscaler.method.coarse_prior import coarse_days, prior_statistics
from downscaler.method.gapfill import MAX_AGE
from downscaler.method.hybrid import DEFAULT_ERROR
from downscaler.method.tile.predict import predict
from downscaler.product import CONSERVATION_TOLERANCE, Flag
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


def test_a_gap_is_empty_by_default_and_published_where_wanted(job: DayJob) -> None:
    with pytest.raises(GranuleMissingError):
        run_day(GAP, job)
    assert try_day(GAP, job).status == "no-coverage"
    wanted = replace(job, gap_fill=True)
    assert run_day(GAP, wanted).status == "published"
    assert run_day(GAP, wanted).status == "current"
    told = provenance(wanted, GAP)
    filling = told["parameters"]["gap_fill"]
    assert filling["prior"] == "its climatology"
    assert filling["decay_from"].startswith("the prior's own departures")
    assert filling["decay"]["prior_error"] > filling["decay"]["observation_error"] == DEFAULT_ERROR
    assert any("carried forward" in caveat for caveat in told["caveats"])
    granules = [entry["name"] for entry in told["inputs"] if entry["kind"] == "granule"]
    assert granules
    item = find_item(wanted.catalog, product.domain(WHERE), GAP)
    assert item is not None
    assert set(granules) <= {link.get("title") for link in item["links"] if link["rel"] == "derived_from"}
    assert max(item["properties"]["vadose:observed"]) < f"{GAP}T00:00:00Z"


def test_filled_pixels_are_flagged_and_conserved_and_ever_less_sure(job: DayJob) -> None:
    job = replace(job, gap_fill=True)
    inputs = prepare(job)
    fresh = fields(read(LAST, replace(job, gap_fill=False), inputs), inputs)
    spreads, errors = [], []
    for age in (1, 4, 8):
        reading = read(LAST + dt.timedelta(days=age), job, inputs)
        made = fields(reading, inputs)
        data = reading.day.data
        assert_conserves(made, data["soil_moisture"].values, inputs)
        published = np.isfinite(made["soil_moisture"])
        assert (made["quality_flag"][published] & Flag.GAP_FILLED).all()
        assert not (made["quality_flag"][~published] & Flag.GAP_FILLED).any()
        assert (made["observation_time"][published] < 0).all()
        nominal = data.assign(soil_moisture_error=data["soil_moisture_error"] * 0 + DEFAULT_ERROR)
        sure = fields(replace(reading, day=replace(reading.day, data=nominal)), inputs)
        assert (made["uncertainty"] > sure["uncertainty"])[published].all()
        spreads.append(float(made["uncertainty"][published].mean()))
        limit = reading.filling["decay"]["prior_error"]
        errors.append(np.where(data["filled"], data["soil_moisture_error"], np.nan))
    assert np.nanmean(fresh["uncertainty"]) < spreads[0] < spreads[1] < spreads[2]
    for sooner, later in pairwise(errors):
        both = np.isfinite(sooner) & np.isfinite(later)
        assert both.any()
        grows = later > sooner  # towards the prior's error, which some retrievals' own exceeds
        assert np.array_equal(grows[both], (sooner < limit)[both])
        assert grows[both].mean() > 0.5
    with pytest.raises(GranuleMissingError):
        read(LAST + dt.timedelta(days=MAX_AGE + 1), job, inputs)


def rewritten(job: DayJob, folder: Path, change: Any) -> DayJob:
    """The job with gap filling on a copy of its granules, the last day's flags changed by ``change(flag, surface)``."""
    shutil.copytree(job.folder or "", folder)
    (path,) = find_granules(folder, LAST)
    with h5py.File(path, "r+") as file:
        for group, end in (("AM", ""), ("PM", "_pm")):
            part = file[f"Soil_Moisture_Retrieval_Data_{group}"]
            names = [f"retrieval_qual_flag{end}", f"surface_flag{end}"]
            for name, values in zip(names, change(*(part[name][...] for name in names)), strict=True):
                part[name][...] = values
    return replace(job, folder=folder, gap_fill=True)


def test_retrievals_of_the_day_stay_and_a_missing_or_broken_day_is_a_gap(job: DayJob, tmp_path: Path) -> None:
    """SMAP sees the east alone; of the days before, one is broken, one without coverage, and one is left."""

    def east(flag: Any, surface: Any) -> Any:
        flag[:, : 219 * 4] = 65534
        return flag, surface

    folder = tmp_path / "granules"
    wanted = rewritten(job, folder, east)
    (broken,) = find_granules(folder, LAST - dt.timedelta(days=2))
    broken.write_bytes(broken.read_bytes()[:4000])
    inputs = prepare(wanted)
    plain = read(LAST, replace(wanted, gap_fill=False), inputs).day
    reading = read(LAST, wanted, inputs)
    data = reading.day.data
    seen = plain.data["recommended"].values
    np.testing.assert_array_equal(data["soil_moisture"].values[seen], plain.data["soil_moisture"].values[seen])
    filled = data["filled"].values
    assert filled[:, :4].mean() > 0.9
    assert not (filled & seen).any()
    assert set(data["age_days"].values[filled].tolist()) == {3}
    assert reading.filling["prior"] == "its own days"
    assert [record.name.split("_")[5] for record in reading.day.inputs] == ["20240523", "20240520"]
    assert "%" in reading.caveats[0]
    made = fields(reading, inputs)
    assert_conserves(made, data["soil_moisture"].values, inputs)
    published = np.isfinite(made["soil_moisture"])
    flagged = (made["quality_flag"] & Flag.GAP_FILLED) > 0
    assert np.array_equal(flagged, published & np.kron(filled, np.ones((9, 9), bool)))
    assert made["uncertainty"][flagged].mean() > made["uncertainty"][published & ~flagged].mean()
    # a named granule that is not there is a mistake, no gap
    with pytest.raises(GranuleMissingError, match="given by --granule"):
        read(GAP, replace(wanted, granules=(folder / "absent.h5",)), inputs)
    # nothing to carry forward: the day's own error
    (folder / "empty").mkdir()
    with pytest.raises(GranuleMissingError, match="No SMAP"):
        read(GAP, replace(wanted, folder=folder / "empty"), inputs)


def test_a_day_with_its_own_retrievals_never_gives_way_to_a_carried_one(job: DayJob, tmp_path: Path) -> None:
    folder = tmp_path / "granules"
    shutil.copytree(job.folder or "", folder)
    own = replace(job, folder=folder)
    assert run_day(LAST, own).status == "published"
    for path in find_granules(folder, LAST):
        path.unlink()
    held = run_day(LAST, replace(own, gap_fill=True))
    assert held.status == "current"
    assert "granule is gone" in held.reason


def test_frozen_ground_is_not_filled_though_nothing_is_recommended(job: DayJob, tmp_path: Path) -> None:
    def frozen(flag: Any, surface: Any) -> Any:
        north, had = np.arange(len(flag))[:, None] < 88 * 4, flag != 65534
        return np.where(had, flag | 1, flag), np.where(had & north, 1 << 7, surface & ~np.uint16(0b1111 << 5))

    wanted = rewritten(job, tmp_path / "granules", frozen)
    inputs = prepare(wanted)
    with pytest.raises(NoRetrievalError):
        read(LAST, replace(wanted, gap_fill=False), inputs)
    filled = read(LAST, wanted, inputs).day.data["filled"].values
    assert not filled[:8].any()
    assert filled[8:].mean() > 0.9


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
    for wanted in (matched, replace(matched, gap_fill=True)):
        with pytest.raises(ClimatologyError, match="another grid"):
            run_day(LAST, wanted)
    assert not (Path(matched.catalog) / "catalog.json").exists()


def test_both_together(matched: DayJob) -> None:
    wanted = replace(matched, gap_fill=True)
    inputs = prepare(wanted)
    reading = read(GAP, wanted, inputs)
    assert_conserves(fields(reading, inputs), reading.day.data["soil_moisture"].values, inputs)
    assert run_day(GAP, wanted).status == "published"
    assert {"gap_fill", "matching"} <= set(provenance(wanted, GAP)["parameters"])


def test_without_either_the_run_is_told_as_before(job: DayJob) -> None:
    assert run_day(LAST, job).status == "published"
    told = provenance(job, LAST)
    assert set(told["parameters"]) == {"smap_grid", "smap_merge_rule"}
    assert {entry["kind"] for entry in told["inputs"]} == {"granule", "prior", "model"}


@pytest.mark.parametrize("climatology", [True, False])
def test_decay_is_of_smap_where_there_are_enough_days(job: DayJob, climatology: bool) -> None:
    """Departures of a known rate from the prior, on days of its record or of another year, are found again."""
    inputs = prepare(job)
    template = read(LAST, job, inputs).day
    last = dt.date(2023, 5, 23) if climatology else LAST
    dates = [last - dt.timedelta(days=back) for back in range(3 * ENOUGH_DAYS, -1, -1)]
    level, _ = coarse_days(inputs.prior, inputs.domain, template.grid, dates, climatology=climatology)
    rng = np.random.default_rng(0)
    departure, made = 0.08 * rng.standard_normal(level[0].shape), []
    for date, mean in zip(dates, level, strict=True):
        departure = 0.9 * departure + 0.08 * np.sqrt(1 - 0.9**2) * rng.standard_normal(mean.shape)
        values = mean + departure + 0.04 * rng.standard_normal(mean.shape)
        seen = np.isfinite(values)
        data = template.data.assign(soil_moisture=(("y", "x"), values), recommended=(("y", "x"), seen))
        made.append(replace(template, date=date, data=data))
    decay, number = smap_decay(made, inputs.prior, inputs.domain, climatology=climatology, matching=None)
    assert number == len(dates)
    assert decay.rate == pytest.approx(0.9, abs=0.05)
    assert decay.prior_error == pytest.approx(0.08, rel=0.15)
    with pytest.raises(TrainingError, match="Too few days"):
        smap_decay(made, inputs.prior, inputs.domain, climatology=not climatology, matching=None)
    quiet = [
        replace(day, data=day.data.assign(soil_moisture=(("y", "x"), mean)))
        for day, mean in zip(made, level, strict=True)
    ]
    decay, _ = smap_decay(quiet, inputs.prior, inputs.domain, climatology=climatology, matching=None)
    assert decay.prior_error == decay.observation_error == DEFAULT_ERROR
    alone = prior_decay(inputs.prior, inputs.domain, template.grid)
    assert alone.prior_error > alone.observation_error == DEFAULT_ERROR
