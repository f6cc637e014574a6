"""``vadose explain`` and ``vadose publish-model`` as their users meet them."""

import json

import pytest


@pytest.fixture
def model(chain):
    return ("--prior", chain.prior.path, "--model", chain.model_folder)


def test_explain_prints_and_writes_what_the_model_learned(vadose, model, tmp_path):
    out, asked = tmp_path / "out", (*model, "--branch", "m09-forcing", "--rows", 300)
    ended = vadose("explain", *asked, "--out", out)
    assert ended.code == 0, ended.err
    assert "antecedent rain" in ended.out
    assert "agrees with physics" in ended.out
    names = {path.name for path in out.iterdir()}
    assert names == {"explanation.csv", "explanation.json", "explanation.md", "features_m09-forcing.png"}
    (document,) = json.loads(vadose("explain", *asked, "--json").out).values()
    assert document["branch"] == "m09-forcing"
    assert sum(group["share"] for group in document["groups"]) == pytest.approx(1.0)


def test_explain_refuses_an_unknown_branch_and_missing_options(vadose, model):
    ended = vadose("explain", *model, "--branch", "m01-magic")
    assert ended.code == 3
    assert "m09-forcing" in ended.err
    assert vadose("explain").code == 3


def test_publish_model_says_where_and_info_finds_it_whole(vadose, chain, tmp_path):
    ended = vadose("publish-model", chain.model_folder, "--out", tmp_path / "catalog")
    assert ended.code == 0, ended.err
    item = ended.out.strip().removeprefix("file://")
    told = json.loads(vadose("info", item, "--json").out)
    assert told["kind"] == "item"
    assert told["collection"] == "vadose-models"
    assert told["valid"]
    assert told["checksums_ok"]


def test_publish_model_refuses_what_is_no_model(vadose, tmp_path):
    assert vadose("publish-model", tmp_path, "--out", tmp_path / "catalog").code == 31
