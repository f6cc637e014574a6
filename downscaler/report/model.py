"""Skill report and model card as Markdown, from a model's card and its evaluations: pure text, nothing typed in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from downscaler.explain.explain import Explanation
from downscaler.explain.text import as_markdown
from downscaler.product import (
    CONSERVATION_TOLERANCE,
    DEPTH_NOTE,
    INTERVAL,
    LICENSE,
    METHOD_CITATION,
    SIMULATED_LABEL,
    SOIL_MOISTURE,
)
from downscaler.report.trained import Card, Methods, expectations, held_out_methods, other_season
from downscaler.skill.evaluation import FIGURES
from downscaler.skill.interval import METHOD

Evaluations = Mapping[str, Mapping[str, Any]]
"""Title of an evaluation -> ``methods`` (method -> figure -> value, low, high) and perhaps ``notes``."""

SPLITS = {
    "time": "contiguous stretches of days that the model has not seen, on ground that it has seen",
    "temporal": "contiguous stretches of days that the model has not seen, on ground that it has seen",
    "blocks": "blocks of ground that the model has not seen, without any climatology of theirs",
}
LIMITS = (
    DEPTH_NOTE,
    "Truth here is the prior's own simulation: these figures say how well the pattern inside a SMAP cell is recovered, "
    "not how well the simulation or SMAP agrees with the ground. Only in-situ stations can tell that.",
    f"The block mean equals the SMAP retrieval to {CONSERVATION_TOLERANCE:g} {SOIL_MOISTURE.units}: an error of the "
    "retrieval is passed on, not corrected.",
    "Where the ground or the weather is unlike that of the training, the correction is an extrapolation.",
)


def skill_report(card: Card, evaluations: Evaluations, explanations: Sequence[Explanation] = ()) -> str:
    """The report beside a model: every method on the same held-out truth, with intervals, split by split.

    Args:
        card: a model's ``card``.
        evaluations: by title, which should name the split (and the noise of the coarse input).
        explanations: of the model's branches, to be appended.
    """
    lines = [f"# Skill of {card['title']}", "", *_warning(card), *_facts(card), ""]
    for title, evaluation in evaluations.items():
        lines += _evaluation(title, evaluation)
    lines += _held_out(card)
    lines += _analysis(card)
    lines += ["## What the figures are", "", *(f"- `{name}`: {meaning}" for name, meaning in FIGURES.items()), ""]
    lines += [f"In brackets: {METHOD} of a block bootstrap, the same draws for every method.", ""]
    if explanations:
        lines += ["# What the correction draws on", "", *(as_markdown(e) for e in explanations), *_memory(card), ""]
    lines += ["# Caveats", "", *(f"- {text}" for text in caveats(card)), ""]
    return "\n".join(lines)


def evaluation_report(evaluation: Mapping[str, Any]) -> str:
    """What ``vadose evaluate`` found: the verdict, every method and figure, and what they are.

    Args:
        evaluation: ``methods`` as in ``skill_report``, ``split``, ``noise`` (m3 m-3), ``grid``, ``prior`` (title),
            ``period``, ``model`` (title, or None where each fold fitted its own), ``simulated``, ``notes`` and
            perhaps ``applicability``: the hybrid's figures inside and outside its area of applicability.
    """
    first, last = evaluation["period"]
    lines = [f"# Skill on {evaluation['prior']}", "", *_warning(evaluation)]
    lines += [f"- prior: {evaluation['prior']}, {first} to {last}"]
    lines += [
        f"- coarse input: means over {evaluation['grid']} cells of the prior, noise {evaluation['noise']:g} m3 m-3"
    ]
    lines += [f"- hybrid: {evaluation['model'] or 'fitted anew for each fold'}", ""]
    lines += _evaluation(f"Split in {evaluation['split']}", evaluation)
    if evaluation.get("applicability"):
        lines += ["## The hybrid inside and outside its area of applicability", ""]
        lines += [*_table(evaluation["applicability"], first="where"), ""]
    lines += ["## What the figures are", "", *(f"- `{name}`: {meaning}" for name, meaning in FIGURES.items()), ""]
    lines += [f"In brackets: {METHOD} of a block bootstrap, the same draws for every method.", ""]
    lines += ["## Caveats", "", *(f"- {text}" for text in LIMITS), ""]
    return "\n".join(lines)


def model_card(card: Card, evaluations: Evaluations | None = None) -> str:
    """What the model is, what it is for and not for (Mitchell et al. 2019, doi:10.1145/3287560.3287596).

    Args:
        card: a model's ``card``.
        evaluations: as in ``skill_report``; without them the skill on the training's held-out days stands in.
    """
    prior = card["prior"]
    lines = [
        f"# Model card: {card['title']}",
        "",
        *_warning(card),
        "## Intended use",
        "",
        f"Downscaling SMAP surface soil moisture to 1 km in the domain `{card['domain']}`, with a "
        f"{100 * INTERVAL:.0f} % interval and flags, for hydrology, agriculture and research in catchments.",
        "",
        "Not for: other depths, single fields or points, frozen or snow-covered ground, places unlike the training "
        "domain, and decisions in which a wrong value can harm somebody without a look at the interval and the flags.",
        "",
        "## Model",
        "",
        "XGBoost regression trees predict what smooth SMAP surface and prior climatology leave of the 1 km pattern; "
        "bounded redistribution then keeps the mean of each SMAP cell. Two more sets of trees give the 5 % and 95 % "
        "quantiles, stretched to hold what was held out (split conformal), and by how much larger errors of whole "
        "fifths of the record are than those (`lasting`): for another season.",
        "",
        *_facts(card),
        f"- options: {_inline(card['options'])}",
        "",
        "## Training data",
        "",
        f"{prior['title']} ({prior['model']}; lattice {prior['lattice']}), {prior['period']}, {prior['days']} days.",
        "",
        *(f"- {source['name']}, sha256 `{source['sha256']}`" for source in prior.get("sources", ())),
        *(f"- {note}" for note in prior.get("notes", ())),
        "",
        "## Features",
        "",
        *_features(card),
        "",
        "## Metrics",
        "",
    ]
    for title, evaluation in (evaluations or {}).items():
        lines += _evaluation(title, evaluation, heading="###")
    lines += _held_out(card, heading="###")
    lines += _analysis(card, heading="###")
    lines += ["## Limits", "", *(f"- {text}" for text in caveats(card)), ""]
    lines += ["## Licence and citation", "", f"{LICENSE}. The method: {METHOD_CITATION}", ""]
    return "\n".join(lines)


def caveats(card: Card) -> list[str]:
    """What a reader of any figure of the model must know."""
    own = []
    if card["simulated"]:
        own.append(f"This is a {SIMULATED_LABEL}: landscape, weather and soil moisture are of no real place.")
    own += [str(note) for note in card["prior"].get("notes", ()) if not card["simulated"]]
    return [*own, *LIMITS, f"No figure of this report is one of the cited paper: {METHOD_CITATION}"]


def _warning(card: Card) -> list[str]:
    return (
        [f"**{SIMULATED_LABEL.upper()}**: made from simulated data, of no real place.", ""] if card["simulated"] else []
    )


def _facts(card: Card) -> list[str]:
    days, prior = card["days"], card["prior"]
    return [
        f"- domain: {card['domain']}",
        f"- period of the training data: {prior['period']}",
        f"- days: {days['train']} to train on, {days['held_out']} held out, {days['gap']} days apart",
        f"- prior: {prior['title']} ({prior['model']})",
        f"- algorithm {card['algorithm_version']}, product {card['product_version']}",
    ]


def _evaluation(title: str, evaluation: Mapping[str, Any], heading: str = "##") -> list[str]:
    """One evaluation: what the split is, the verdict in words, all methods and figures, notes."""
    methods: Methods = evaluation["methods"]
    split = next((meaning for word, meaning in SPLITS.items() if word in title), None)
    lines = [f"{heading} {title}", ""]
    lines += [f"Judged on {split}.", ""] if split else []
    lines += [*_verdict(methods), *_table(methods), ""]
    notes = [str(note) for note in evaluation.get("notes", ())]
    return [*lines, *(f"- {note}" for note in notes), *([""] if notes else [])]


def _verdict(methods: Methods) -> list[str]:
    """How the hybrid's RMSE stands to each baseline's, and whether the intervals tell them apart."""
    if "rmse" not in methods.get("hybrid", {}):
        return []
    ours = methods["hybrid"]["rmse"]
    lines = []
    for name, figures in methods.items():
        theirs = figures.get("rmse")
        if name == "hybrid" or theirs is None or theirs["value"] <= 0:
            continue
        change = 100 * (ours["value"] / theirs["value"] - 1)
        apart = ours["high"] < theirs["low"] or theirs["high"] < ours["low"]
        known = theirs["low"] < theirs["high"]
        tail = "" if not known else "; the intervals do not overlap" if apart else "; the intervals overlap"
        word = "below" if change < 0 else "above"
        lines.append(f"- RMSE {abs(change):.0f} % {word} {name.replace('_', ' ')}{tail}")
    return [*lines, ""] if lines else []


def _table(methods: Methods, first: str = "method") -> list[str]:
    names = [name for name in FIGURES if any(name in figures for figures in methods.values())]
    lines = [f"| {first} | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for method, figures in methods.items():
        lines.append(f"| {method} | {' | '.join(cell(name, figures.get(name)) for name in names)} |")
    return lines


def cell(name: str, entry: Mapping[str, float] | None) -> str:
    """A figure as text, in brackets the ends of its interval where it has one."""
    if entry is None:
        return "–"
    digits = (
        ".1e" if name in ("conservation", "beyond_bounds") else ".4f" if name in ("rmse", "ubrmsd", "bias") else ".3f"
    )
    value = f"{entry['value']:{digits}}"
    return value if entry["low"] == entry["high"] else f"{value} [{entry['low']:{digits}}, {entry['high']:{digits}}]"


def _held_out(card: Card, heading: str = "##") -> list[str]:
    """The skill that training itself measured, branch by branch."""
    lines: list[str] = []
    for branch, methods in held_out_methods(card).items():
        entry = card["skill"][branch]
        lines += [f"{heading} {branch}: held out in training", ""]
        lines += [f"Split: {entry['split']}; {entry['cells']} cells and days.", ""] if "cells" in entry else []
        lines += [text, ""] if (text := other_season(card, branch)) else []
        lines += [*_verdict(methods), *_table(methods), ""]
    return lines


def _analysis(card: Card, heading: str = "##") -> list[str]:
    """What the analysis is expected to be worth, by coarse grid."""
    rows = [text for _, text in expectations(card)]
    return [f"{heading} The analysis", "", *(f"- {text}" for text in rows), ""] if rows else []


def _features(card: Card) -> Iterable[str]:
    yield "| feature | units | group | why |"
    yield "|---|---|---|---|"
    for name, feature in card["features"].items():
        yield f"| `{name}` | {feature['units']} | {feature['group']} | {feature['why']} |"


def _memory(card: Card) -> list[str]:
    """A warning where the record is too short for the season to be more than a calendar of its events."""
    if int(card["prior"]["days"]) >= 2 * 365:
        return []
    return ["The record is shorter than two years: what is credited to season may be memory of its very days."]


def _inline(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
