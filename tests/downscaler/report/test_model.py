"""Skill report, model card and figures say what the card and the evaluations hold, and nothing else."""

import io
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from downscaler.explain.explain import AGREES, UNCLEAR, Effect, Explanation, Importance
from downscaler.product import DEPTH_NOTE, METHOD_DOI
from downscaler.report.model import caveats, model_card, skill_report
from downscaler.report.model_figures import coverage_figure, explanation_figure, pareto_figure, skill_figure
from downscaler.report.style import png
from downscaler.report.trained import held_out_methods, in_other_seasons
from downscaler.skill.evaluation import FIGURES
from downscaler.skill.interval import Interval


def interval(value, half):
    return {"value": value, "low": value - half, "high": value + half}


@pytest.fixture
def card():
    return {
        "title": "vadose hybrid trained on a test",
        "product_version": "0.1.0",
        "algorithm_version": "0.2.0",
        "schema_version": "1",
        "prior": {
            "name": "prior",
            "title": "ParFlow-CLM of nowhere",
            "digest": "a" * 64,
            "model": "ParFlow-CLM",
            "lattice": "CONUS1",
            "period": "2016-10-01/2017-05-23",
            "days": 235,
            "simulated": False,
            "notes": ["Porosity is the largest soil moisture."],
            "sources": [{"name": "daily.nc", "sha256": "b" * 64, "size": 7}],
        },
        "domain": "upper-verde",
        "simulated": False,
        "days": {"train": 160, "held_out": 47, "gap": 7},
        "options": {"rows": 250000, "depth": 6},
        "skill": {
            "m09-forcing": {
                "split": "temporal",
                "cells": 272412,
                "rmse": {"hybrid": 0.0092, "climatological_pattern": 0.0193, "nearest": 0.0703},
            }
        },
        "features": {"coarse": {"units": "m3 m-3", "group": "coarse", "why": "wetness decides"}},
    }


@pytest.fixture
def evaluations():
    hybrid = {"rmse": interval(0.02, 0.001), "coverage_90": interval(0.91, 0.01), "conservation": interval(3e-9, 0.0)}
    return {
        "time, noise 0.04": {
            "methods": {
                "nearest": {"rmse": interval(0.08, 0.002)},
                "prior": {"rmse": interval(0.021, 0.001)},
                "hybrid": hybrid,
            },
            "notes": ["prior is its mean over the training days"],
        },
        "blocks": {"methods": {"nearest": {"rmse": interval(0.09, 0.002)}, "hybrid": {"rmse": interval(0.1, 0.002)}}},
    }


@pytest.fixture
def explanation():
    def size(name, value, share):
        return Importance(name=name, mean_abs=Interval(value=value, low=0.9 * value, high=1.1 * value), share=share)

    families = (size("antecedent rain", 0.003, 0.75), size("season", 0.001, 0.25))
    effects = tuple(
        Effect(
            feature=name,
            group="forcing",
            family="antecedent rain",
            mean_abs=families[0].mean_abs,
            rank_correlation=Interval(value=r, low=r - 0.05, high=r + 0.05),
            expected_sign=1,
            agrees=agrees,
            sentence="More rain.",
        )
        for name, r, agrees in (("precipitation_3d", 0.8, AGREES), ("season_sin", 0.01, UNCLEAR))
    )
    states = {state: {"antecedent rain": 0.75, "season": 0.25} for state in ("dry", "medium", "wet")}
    return Explanation(
        branch="m09-forcing",
        rows=100,
        days=10,
        base=0.0,
        groups=families,
        families=families,
        features=families,
        effects=effects,
        states=states,
    )


def test_report_shows_every_method_with_its_interval_split_by_split(card, evaluations, explanation):
    text = skill_report(card, evaluations, [explanation])
    assert "## time, noise 0.04" in text
    assert "stretches of days that the model has not seen" in text
    assert "blocks of ground that the model has not seen" in text
    assert "| nearest | 0.0800 [0.0780, 0.0820] |" in text
    assert "| 0.0200 [0.0190, 0.0210] | 0.910 [0.900, 0.920] | 3.0e-09 |" in text
    assert "- prior is its mean over the training days" in text
    assert "2016-10-01/2017-05-23" in text
    assert DEPTH_NOTE in text
    assert all(f"`{name}`" in text for name in FIGURES)
    assert "| antecedent rain | 0.0030 [0.0027, 0.0033] | 75 % |" in text


def test_verdicts_are_worked_out_and_not_flattering(card, evaluations):
    text = skill_report(card, evaluations)
    assert "- RMSE 75 % below nearest; the intervals do not overlap" in text
    assert "- RMSE 5 % below prior; the intervals overlap" in text
    assert "- RMSE 11 % above nearest; the intervals do not overlap" in text
    assert "- RMSE 52 % below climatological pattern\n" in text  # held out in training: no interval, no claim


def test_held_out_days_do_not_pass_for_another_season(card):
    assert "Expect the second in another season" not in model_card(card, {}), "nothing is told that is not known"
    assert in_other_seasons(card) == ""
    card["skill"]["m09-forcing"] |= {"within_90": 0.013, "lasting": 1.954}
    card["analysis"] = {"M09": {"within_90": 0.0254, "rmse": 0.0263, "coverage_90": 0.9, "coverage_of_classes": [0.9]}}
    card["analysis"]["M09"]["split"] = "fifths"
    told = (
        "90 % of the errors are below 0.013 m3 m-3. Where whole fifths of the record are left out, 90 % are below 0.025"
    )
    assert told in model_card(card, {})
    assert told in skill_report(card, {})
    assert "expect errors 2.0 times as large, and SMAP's own error besides" in in_other_seasons(card)
    card["skill"]["m36-forcing"] = card["skill"]["m09-forcing"] | {"lasting": 1.5}
    assert "errors 1.5 to 2.0 times as large" in in_other_seasons(card)


def test_a_short_record_is_warned_of_where_season_counts(card, explanation):
    warning = "memory of its very days"
    assert warning in skill_report(card, {}, [explanation])
    card["prior"]["days"] = 1461
    assert warning not in skill_report(card, {}, [explanation])


def test_card_says_what_the_model_is_for_made_from_and_not_for(card, evaluations):
    text = model_card(card, evaluations)
    for part in ("Intended use", "Not for", "Training data", "Features", "Metrics", "Limits", "Licence and citation"):
        assert part in text
    assert f"daily.nc, sha256 `{'b' * 64}`" in text
    assert "| `coarse` | m3 m-3 | coarse | wetness decides |" in text
    assert "depth 6" in text
    assert METHOD_DOI in text
    assert "0.0092" in text


@pytest.mark.parametrize("write", [skill_report, model_card])
def test_simulated_data_are_announced_and_real_data_are_not(card, evaluations, write):
    assert "simulated sample" not in write(card, evaluations).lower()
    card["simulated"] = True
    assert "**SIMULATED SAMPLE**" in write(card, evaluations)
    assert "of no real place" in caveats(card)[0]


def test_held_out_skill_takes_both_forms(card):
    methods = held_out_methods(card)["m09-forcing"]
    assert methods["hybrid"]["rmse"] == {"value": 0.0092, "low": 0.0092, "high": 0.0092}
    given = {"hybrid": {"rmse": interval(0.01, 0.001)}}
    card["skill"] = {"m09-forcing": {"split": "temporal", "methods": given}}
    assert held_out_methods(card) == {"m09-forcing": given}
    assert "0.0100 [0.0090, 0.0110]" in skill_report(card, {})
    card["skill"] = {}
    assert held_out_methods(card) == {}
    assert "held out in training" not in skill_report(card, {})


def texts(figure: Figure) -> set[str]:
    found = {text.get_text() for text in figure.texts} | {figure.get_suptitle()}
    found |= {text.get_text() for legend in figure.legends for text in legend.get_texts()}
    for axes in figure.axes:
        labels = [*axes.get_xticklabels(), *axes.get_yticklabels(), axes.xaxis.label, axes.yaxis.label, axes.title]
        found |= {text.get_text() for text in labels} | {axes.get_title(loc="left")}
        if axes.get_legend():
            found |= {text.get_text() for text in axes.get_legend().get_texts()}
    return found


def test_skill_figure_has_a_panel_a_split_and_figure_and_labels_at_the_foot(evaluations):
    splits = {title: evaluation["methods"] for title, evaluation in evaluations.items()}
    figure = skill_figure(splits, {"rmse": "RMSE (m³ m⁻³)", "seam_index": "seam index"})
    assert len(figure.axes) == 4
    assert {"time, noise 0.04", "blocks", "RMSE (m³ m⁻³)", "seam index", "hybrid", "prior"} <= texts(figure)
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    assert widths == [0.08, 0.021, 0.02]


def test_coverage_figure_shows_every_interval_that_was_judged(evaluations):
    figure = coverage_figure({title: e["methods"] for title, e in evaluations.items()})
    assert "time, noise 0.04: hybrid" in texts(figure)
    (points,) = figure.axes[0].containers
    np.testing.assert_allclose(points[0].get_xdata(orig=False), [91.0])


def test_pareto_figure_rings_the_chosen_one():
    rows = [
        {"depth": depth, "trees": trees, "rmse": 0.02 + 1 / depth / trees, "seconds_per_million": depth * trees / 500}
        for depth in (4, 6)
        for trees in (100, 300)
    ]
    rows[3]["chosen"] = True
    figure = pareto_figure(rows)
    assert {"depth 4", "depth 6", "chosen"} <= texts(figure)


def test_explanation_figure_tells_verdicts_apart_by_shape_as_well_as_colour(explanation):
    figure = explanation_figure(explanation)
    assert {"agrees with physics", "no clear direction", "antecedent rain", "dry", "wet"} <= texts(figure)
    markers = {bars[0].get_marker() for bars in figure.axes[2].containers}
    assert len(markers) == 2


@pytest.mark.parametrize("simulated", [True, False])
def test_figures_are_stamped_where_simulated_and_the_same_bytes_each_time(explanation, simulated):
    figure = explanation_figure(explanation, simulated=simulated)
    assert ("SIMULATED SAMPLE" in texts(figure)) is simulated
    first = png(figure)
    assert first == png(explanation_figure(explanation, simulated=simulated))
    with Image.open(io.BytesIO(first)) as image:
        assert image.width > 1000


def test_no_global_figure_is_left_behind(explanation):
    explanation_figure(explanation)
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []


def test_nothing_to_show_is_still_a_figure():
    assert coverage_figure({}).axes
    assert skill_figure({}, {}).axes
