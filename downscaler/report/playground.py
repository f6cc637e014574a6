"""The report of a playground: one page with its figures inside, and the tables that they were drawn from."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.figure import Figure

from downscaler.playground.evaluations import EVALUATIONS, TRUE
from downscaler.playground.experiment import PHYSICS, Design, Record
from downscaler.playground.findings import Finding, Table, findings
from downscaler.playground.methods import METHODS, learning_from, title_of
from downscaler.playground.stations.layouts import is_exact
from downscaler.playground.summary import maps, summary
from downscaler.playground.world import World
from downscaler.product import METHOD_CITATION, SIMULATED_LABEL
from downscaler.report import playground_figures as figures
from downscaler.report import playground_maps as pictures
from downscaler.report.playground_text import Truth, caveats, facts
from downscaler.report.style import png
from downscaler.skill.interval import METHOD, Interval

_TEMPLATE = "playground.html.j2"
_CAPTIONS = {
    "findings": (
        "What decides the findings, and what stands beside it",
        "Filled: decides. Open: stands beside it. Blue: above zero; orange: below; grey: not clear.",
    ),
    "truth": (
        "True skill, wall to wall",
        "On days that no method has learned from, all cells that the coarse sensor saw.",
    ),
    "optimism": (
        "Optimism: what cross-validation promises too much",
        "Above zero the error appears smaller than it is. The hybrid has learned from no station: its stations are a "
        "test alone, without folds.",
    ),
    "curve": (
        "More stations",
        f"Bands: {METHOD} over replicates, of a mean Student's; lines are methods that need no station.",
    ),
    "errors": (
        "Where the errors are",
        "Mean over replicates of each cell's RMSE. Dots: cells with a station in any replicate.",
    ),
    "features": (
        "Stations and errors in feature space",
        "Axes: leading principal components of the standardised siting covariates. Above: 1 is a fair share of "
        "stations; empty bins hold fewer than five cells.",
    ),
    "distances": (
        "How far folds are from the map they stand for",
        "W: the area between the distributions of nearest-neighbour distance in validation and in prediction.",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Report:
    """The findings, the page (HTML) and the tables by name."""

    findings: tuple[Finding, ...]
    page: str
    tables: Mapping[str, pd.DataFrame]


def network_layout(world: World, design: Design) -> str:
    """The layout that stands for real networks: the given one where it stands in the domain, else the biased one."""
    network = design.siting.network
    return "real" if network is not None and "real" in design.layouts and is_exact(world, network) else "biased"


def make_report(
    truth: Truth, world: World, design: Design, records: Sequence[Record], *, made: str, worked_out: str
) -> Report:
    """Everything that is told of an experiment; the same but for ``made`` and ``worked_out`` whenever it is told.

    Args:
        truth: what the prior is.
        world: the truth.
        design: what was asked.
        records: of all cells of the design's table, in its order.
        made: when, for the page's last line alone.
        worked_out: how many cells this run worked out, for the same line.
    """
    network = network_layout(world, design)
    table = Table(records, design.stations)
    long, ground = summary(table, records), maps(world, records)
    answered = findings(table, network)
    page = _environment().get_template(_TEMPLATE).render(
        title=f"What station networks do to downscaling: {truth.domain}",
        lead=f"{truth.title}, {truth.period}: {world.domain_cells} cells of 1 km², known everywhere and on every day.",
        simulated=truth.simulated,
        stamp=SIMULATED_LABEL.upper(),
        findings=answered,
        opening=_inline(figures.opening_figure(answered, simulated=truth.simulated)),
        method=METHOD,
        replicates=design.replicates,
        figures=_figures(answered, long, ground, world, design, network, simulated=truth.simulated),
        tables=_tables(long, design),
        facts=facts(truth, world, design),
        caveats=caveats(truth, world, design, network),
        citation=METHOD_CITATION,
        made=made,
        worked_out=worked_out,
    )  # fmt: skip
    return Report(findings=answered, page=page, tables={"figures": long, "scores": table.rows, "maps": ground})


def _environment() -> Environment:
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["signed"] = signed
    environment.filters["amounts"] = amounts
    return environment


def signed(interval: Interval) -> str:
    """A difference with its interval."""
    return f"{interval.value:+.4f} [{interval.low:+.4f}, {interval.high:+.4f}]".replace("-", "−")


def amounts(finding: Finding) -> str:
    """What decides a finding, in a clause with its intervals."""
    told = [f"{signed(difference.interval)} m³ m⁻³" for difference in finding.deciding]
    if not told:
        return "no replicates to tell from"
    first, *others = told
    return f"{finding.amount} {first}" + "".join(f", of trees on ground that they have not seen {o}" for o in others)


def _figures(
    answered: Sequence[Finding],
    long: pd.DataFrame,
    ground: pd.DataFrame,
    world: World,
    design: Design,
    network: str,
    *,
    simulated: bool,
) -> list[dict[str, str]]:
    """The figures as the page shows them; what the domain or the design has nothing for is left out."""
    layouts, stamp = design.layouts, {"simulated": simulated}
    drawn: dict[str, Figure] = {
        "findings": figures.findings_figure(answered, **stamp),
        "truth": figures.truth_figure(long, layouts, design.stations, **stamp),
        "optimism": figures.optimism_figure(long, layouts, **stamp),
        "errors": pictures.error_maps(world, ground, network, **stamp),
        "distances": figures.distance_figure(long, layouts, **stamp),
    }
    if design.curve:
        drawn["curve"] = figures.curve_figure(long, **stamp)
    if world.siting:
        drawn["features"] = pictures.feature_space(world, ground, layouts, **stamp)
    return [
        {"title": title, "caption": caption, "data": _inline(drawn[name])}
        for name, (title, caption) in _CAPTIONS.items()
        if name in drawn
    ]


def _inline(figure: Figure) -> str:
    return base64.b64encode(png(figure)).decode()


def _tables(long: pd.DataFrame, design: Design) -> list[dict[str, Any]]:
    learners = [method.name for method in learning_from("stations")]
    true = [
        [title_of(m.name), layout if layout != PHYSICS else "–", *_skills(long, m.name, layout, design.stations)]
        for m in METHODS
        for layout in (design.layouts if m.name in learners else (PHYSICS,))
    ]
    penalty = [
        [title_of(m), *(_cell(long, "location_penalty", m, layout, TRUE) for layout in design.layouts[1:])]
        for m in learners
    ]
    optimism = [
        [title_of(m), layout, *(_cell(long, "optimism", m, layout, e.name) for e in EVALUATIONS)]
        for m in (*learners, "physics_everywhere")
        for layout in design.layouts
    ]
    return [
        {
            "title": f"True skill with {design.stations} stations",
            "caption": "Wall to wall, with 95 % intervals over replicates.",
            "columns": ["method", "layout", "RMSE (m³ m⁻³)", "bias (m³ m⁻³)", "R", "ubRMSD (m³ m⁻³)"],
            "rows": true,
        },
        {
            "title": "Location penalty",
            "caption": "True RMSE less that of as many random stations, m³ m⁻³: above zero, the places do harm.",
            "columns": ["method", *design.layouts[1:]],
            "rows": penalty,
        },
        {
            "title": "Optimism",
            "caption": "True less apparent RMSE, m³ m⁻³: above zero, the test promises too much.",
            "columns": ["method", "layout", *(e.title for e in EVALUATIONS)],
            "rows": optimism,
        },
    ]


def _skills(long: pd.DataFrame, method: str, layout: str, stations: int) -> list[str]:
    chosen = long[(long["quantity"] == "skill") & (long["evaluation"] == TRUE) & (long["stations"] == stations)]
    chosen = chosen[(chosen["method"] == method) & (chosen["layout"] == layout)].set_index("figure")
    found = []
    for figure in ("rmse", "bias", "r", "ubrmsd"):
        row = chosen.loc[figure] if figure in chosen.index else None
        digits = ".3f" if figure == "r" else ".4f"
        found.append("–" if row is None else f"{row['value']:{digits}} [{row['low']:{digits}}, {row['high']:{digits}}]")
    return [text.replace("-", "−") for text in found]


def _cell(long: pd.DataFrame, quantity: str, method: str, layout: str, evaluation: str) -> str:
    chosen = long[(long["quantity"] == quantity) & (long["method"] == method)]
    chosen = chosen[(chosen["layout"] == layout) & (chosen["evaluation"] == evaluation)]
    if chosen.empty:
        return "–"
    row = chosen.iloc[0]
    return signed(Interval(value=row["value"], low=row["low"], high=row["high"]))
