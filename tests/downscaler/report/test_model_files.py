"""The reports beside a model: there, whole, linked, and of no influence on the model."""

import csv
import json
import re
import shutil

import pytest

from downscaler.explain.explain import Effect, Explanation, Importance
from downscaler.report.model_files import write_explanations, write_report
from downscaler.skill.interval import Interval
from downscaler.stores.model import load_model, model_record


@pytest.fixture
def folder(chain, tmp_path):
    return shutil.copytree(chain.model_folder, tmp_path / "model")


@pytest.fixture
def explanation():
    size = Interval(value=0.003, low=0.002, high=0.004)
    rain = Importance(name="antecedent rain", mean_abs=size, share=1.0)
    effect = Effect(
        feature="precipitation_3d",
        group="forcing",
        family="antecedent rain",
        mean_abs=size,
        rank_correlation=Interval(value=float("nan"), low=float("nan"), high=float("nan")),
        expected_sign=1,
        agrees="no clear direction",
        sentence="More antecedent rain: no single direction.",
    )
    feature = Importance(name="precipitation_3d", mean_abs=size, share=1.0)
    return Explanation(
        branch="M09 forcing/x",
        rows=10,
        days=2,
        base=0.0,
        groups=(rain,),
        families=(rain,),
        features=(feature,),
        effects=(effect,),
        states={},
    )


EVALUATIONS = {
    "time": {
        "methods": {
            "hybrid": {
                "rmse": {"value": 0.02, "low": 0.019, "high": 0.021},
                "coverage_90": {"value": 0.9, "low": 0.89, "high": 0.91},
            }
        }
    }
}
PARETO = [{"depth": 6, "trees": 300, "rmse": 0.02, "seconds_per_million": 2.4, "chosen": True}]


def test_reports_stand_beside_the_model_and_do_not_change_it(chain, folder, explanation):
    before = model_record(folder)
    files = write_report(folder, chain.model.card, EVALUATIONS, explanations=[explanation], pareto=PARETO)
    names = [file.relative_to(folder).as_posix() for file in files]
    pictures = ["figures/skill.png", "figures/coverage.png", "figures/pareto.png", "figures/features_m09-forcing-x.png"]
    assert names == [*pictures, "skill_report.md", "model_card.md"]
    assert model_record(folder).sha256 == before.sha256
    assert load_model(folder).branches.keys() == chain.model.branches.keys()
    assert not list(folder.rglob("*.partial"))


def test_every_picture_of_the_report_is_there(chain, folder):
    write_report(folder, chain.model.card, EVALUATIONS)
    linked = re.findall(r"!\[[^]]*\]\(([^)]+)\)", (folder / "skill_report.md").read_text())
    assert linked == ["figures/skill.png", "figures/coverage.png"]
    assert all((folder / href).is_file() for href in linked)


def test_writing_again_gives_the_same_bytes_and_drops_stale_figures(chain, folder):
    write_report(folder, chain.model.card, EVALUATIONS, pareto=PARETO)
    first = {file.name: file.read_bytes() for file in write_report(folder, chain.model.card, EVALUATIONS)}
    assert not (folder / "figures" / "pareto.png").exists()
    assert {file.name: file.read_bytes() for file in write_report(folder, chain.model.card, EVALUATIONS)} == first


def test_without_evaluations_the_trainings_own_skill_is_shown(chain, folder):
    write_report(folder, chain.model.card)
    report = (folder / "skill_report.md").read_text()
    assert "SIMULATED SAMPLE" in report
    assert "m09-forcing: held out in training" in report
    assert (folder / "figures" / "skill.png").stat().st_size > 5000


def test_explanations_as_csv_json_markdown_and_figure(tmp_path, explanation):
    files = write_explanations(tmp_path / "out", [explanation], simulated=True)
    assert [file.name for file in files] == [
        "explanation.csv",
        "explanation.json",
        "explanation.md",
        "features_m09-forcing-x.png",
    ]
    rows = list(csv.DictReader(files[0].read_text().splitlines()))
    assert [row["kind"] for row in rows] == ["group", "family", "feature"]
    assert float(rows[2]["share"]) == 1.0
    (document,) = json.loads(files[1].read_text())
    assert document["effects"][0]["rank_correlation"] == {"value": None, "low": None, "high": None}
    assert "More antecedent rain" in files[2].read_text()
