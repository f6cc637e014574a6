"""``vadose evaluate`` as its users meet it, on the small chain with few rows and trees."""

import json
import shutil

import pytest

pytestmark = pytest.mark.integration
METHODS = ["nearest", "bilinear", "climatological_pattern", "prior", "stations_only", "hybrid"]
FIGURES = {"rmse", "ubrmsd", "bias", "r", "within_block_r", "seam_index", "beyond_bounds", "conservation"}
FLAT = {"within_block_r", "seam_index"}  # not defined for a field that is constant inside SMAP cells


@pytest.fixture
def small(monkeypatch, vadose):
    """The command with settings small enough for a test."""
    monkeypatch.setenv("VADOSE_TRAINING_ROWS", "3000")
    monkeypatch.setenv("VADOSE_TRAINING_ROUNDS", "12")
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    return lambda *arguments: vadose("evaluate", *arguments)


def check(printed, *, split, noise):
    document = json.loads(printed)
    assert (document["split"], document["noise"], document["grid"]) == (split, noise, "M09")
    assert document["simulated"] is True
    assert len(document["period"]) == 2
    assert document["notes"]
    assert list(document["methods"]) == METHODS
    for method, figures in document["methods"].items():
        expected = FIGURES - FLAT if method == "nearest" else FIGURES
        assert set(figures) == expected | ({"coverage_90"} if method == "hybrid" else set())
        for figure in figures.values():
            assert set(figure) == {"value", "low", "high"}
            assert figure["low"] <= figure["high"]
    return document


def test_time_split_is_evaluated_and_written(small, little, tmp_path):
    out = tmp_path / "out"
    ended = small("--prior", little.path, "--noise", 0.04, "--json", "--out", out)
    assert ended.code == 0, ended.err
    document = check(ended.out, split="time", noise=0.04)
    rmse = {method: figures["rmse"]["value"] for method, figures in document["methods"].items()}
    assert rmse["hybrid"] < rmse["nearest"]
    assert document["methods"]["hybrid"]["conservation"]["value"] < 1e-6
    assert 0.5 < document["methods"]["hybrid"]["coverage_90"]["value"] <= 1.0
    assert document["model"] is None
    assert {path.name for path in out.iterdir()} == {"evaluation.md", "skill.png", "coverage.png"}
    text = (out / "evaluation.md").read_text()
    assert "SIMULATED SAMPLE" in text
    assert "RMSE" in text
    assert f"{rmse['hybrid']:.4f}" in text


def test_blocks_split_is_of_ground_without_statistics(small, little):
    ended = small("--prior", little.path, "--split", "blocks", "--json")
    assert ended.code == 0, ended.err
    document = check(ended.out, split="blocks", noise=0.0)
    assert "the hybrid does not" in " ".join(document["notes"])


def test_a_trained_model_is_judged_without_refitting(small, chain, little):
    before = {path: path.read_bytes() for path in chain.model_folder.iterdir()}
    judge = ("--prior", little.path, "--model", chain.model_folder)
    ended = small(*judge, "--json")
    assert ended.code == 0, ended.err
    document = check(ended.out, split="time", noise=0.0)
    assert document["model"] == chain.model.card["title"]
    assert {path: path.read_bytes() for path in chain.model_folder.iterdir()} == before
    # trained on these very days: better than a few small trees of each fold could be
    assert (
        document["methods"]["hybrid"]["rmse"]["value"] < document["methods"]["climatological_pattern"]["rmse"]["value"]
    )
    shown = small(*judge).out
    assert "simulated sample" in shown
    assert all(method in shown for method in METHODS)
    assert "note: " in shown
    assert "above porosity" in shown


@pytest.mark.parametrize("noise", ["-0.01", "0.5", "nan", "inf"])
def test_a_noise_out_of_bounds_is_refused_with_the_value(small, little, noise):
    ended = small("--prior", little.path, f"--noise={noise}")
    assert ended.code == 3
    assert noise in ended.err
    assert "0.5" in ended.err


def test_bad_requests_end_with_their_own_codes(small, little, tmp_path):
    assert small().code == 3
    assert small("--prior", tmp_path).code == 21
    assert small("--prior", little.path, "--model", tmp_path).code == 31
    assert small("--prior", little.path, "--split", "space").code == 2
    alone = small("--prior", little.path, "--footprint", 36, "--weather", tmp_path)
    assert alone.code == 3
    assert "--footprint, --weather" in alone.err


def test_a_model_for_statics_that_the_prior_lacks_is_refused_by_name(small, chain, little, tmp_path):
    poor = tmp_path / "model"
    shutil.copytree(chain.model_folder, poor)
    manifest = json.loads((poor / "model.json").read_text())
    for branch in manifest["branches"]:
        branch["features"][branch["features"].index("elevation")] = "clay_fraction"
    (poor / "model.json").write_text(json.dumps(manifest))
    ended = small("--prior", little.path, "--model", poor)
    assert ended.code == 32
    assert "clay_fraction" in ended.err


def test_another_record_judges_the_analysis_with_the_statistics_of_the_prior(vadose, chain, monkeypatch):
    monkeypatch.setattr("flows.studies.elsewhere.MOST_DAYS", 3)
    asked = ("--prior", chain.prior.path, "--model", chain.model_folder, "--truth", chain.prior.path)
    ended = vadose("evaluate", *asked, "--noise", 0.04, "--revisit", "0,1,2,3,4", "--json")
    assert ended.code == 0, ended.err
    document = json.loads(ended.out)
    assert document["observation"]["error"] == 0.04
    methods = document["methods"]
    assert {"analysis", "calendar", "hybrid", "climatological_pattern", "nearest"} <= set(methods)
    assert {"rmse", "ubrmsd", "coverage_90", "within_block_r", "seam_index"} <= set(methods["analysis"])
    assert methods["analysis"]["rmse"]["value"] < methods["hybrid"]["rmse"]["value"]  # it need not keep the noise
    assert "as in publishing" in " ".join(document["notes"])


def test_another_record_needs_a_model_and_days_of_five(vadose, chain):
    asked = ("evaluate", "--prior", chain.prior.path, "--truth", chain.prior.path)
    assert "--model" in vadose(*asked).err
    model = ("--model", chain.model_folder)
    assert "days of five" in vadose(*asked, *model, "--revisit", "7").err
    assert "0,2" in vadose(*asked, *model, "--revisit", "all").err
