"""The validation report as one self-contained page with embedded figures."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined

from downscaler.product import DEPTH_NOTE, SIMULATED_LABEL, TITLE
from downscaler.report import validation_figures as figures
from downscaler.report.style import png
from downscaler.skill.interval import METHOD
from downscaler.validation.metrics import METRICS
from downscaler.validation.representativeness import Representativeness
from downscaler.validation.skill import GAINS
from downscaler.validation.summary import SHOWN, Findings

LABELS = {
    "bias": "bias",
    "rmsd": "RMSD",
    "ubrmsd": "ubRMSD",
    "r": "R",
    "spearman": "Spearman's rho",
    "anomaly_r": "anomaly R",
    "msd_correlation": "MSD: correlation",
    "msd_variance": "MSD: variance",
    "msd_bias": "MSD: bias",
    "abs_bias": "|bias|",
    "merlin": "Merlin's downscaling gain",
    "share_rmsd": "stations improved in RMSD",
    "share_ubrmsd": "stations improved in ubRMSD",
    "share_r": "stations improved in R",
}
LIMITS = (
    "Figures are unscaled: no estimate was fitted to the stations. Published figures of other products rest on other "
    "stations and days; only what stands side by side here may be compared.",
    "A station is a point of some decimetres in a cell of 1 km²: its own error and what it does not represent are in "
    "every difference. They are the same for product, SMAP and prior at the same pairs, so paired differences are the "
    "safer figure.",
    "What stations cannot tell of ground without stations, weights cannot tell either: reweighted skill corrects for "
    "the features named, not for others.",
    DEPTH_NOTE,
)


def page(findings: Findings, represented: Representativeness | str, backdrop: Any = None) -> str:
    """The report of a validation as HTML.

    Args:
        findings: what was found.
        represented: the stations' place in the domain, or why it cannot be told.
        backdrop: of the map, as ``figures.map_figure`` takes it.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"figure": _figure, "percent": percent, "typeset": _typeset}
    text = resources.files("downscaler.report").joinpath("validation.html.j2").read_text(encoding="utf-8")
    template = environment.from_string(text)
    return template.render(
        d=findings.document,
        method=METHOD,
        pictures=pictures(findings, represented, backdrop),
        labels=LABELS,
        names=figures.NAMES,
        metrics=METRICS,
        gains=GAINS,
        shown=SHOWN,
        limits=LIMITS,
        product=TITLE,
        simulated_label=SIMULATED_LABEL,
        stations=_stations(findings),
    )


def pictures(findings: Findings, represented: Representativeness | str, backdrop: Any = None) -> Mapping[str, str]:
    """All figures as data addresses by name."""
    simulated = bool(findings.document["simulated"])
    made = {
        "map": figures.map_figure(findings, backdrop),
        "gains": figures.gains_figure(findings.document),
        "scatter": figures.scatter_figure(findings),
        "strata": figures.strata_figure(findings.document),
        "stations": figures.stations_figure(findings),
        "series": figures.series_figure(findings),
    }
    if isinstance(represented, Representativeness):
        made["ground"] = figures.representativeness_figure(represented, simulated=simulated)
    return {name: f"data:image/png;base64,{base64.b64encode(png(f)).decode()}" for name, f in made.items()}


def cell(entry: Mapping[str, Any] | None, name: str = "") -> str:
    """A figure as text with its interval in brackets."""
    if entry is None or entry["value"] is None:
        return "–"
    if name.startswith("share"):
        ends = [percent(entry[end]) for end in ("value", "low", "high")]
    else:
        digits = (
            ".2e" if name.startswith("msd_") else ".3f" if name in ("r", "spearman", "anomaly_r", "merlin") else ".4f"
        )
        ends = [_number(entry[end], digits) for end in ("value", "low", "high")]
    return f"{ends[0]} [{ends[1]}, {ends[2]}]" if entry["low"] is not None else ends[0]


def _number(value: float | None, digits: str) -> str:
    """A number as text, what rounds to nothing without a sign."""
    if value is None:
        return "–"
    text = f"{value:{digits}}"
    return text if float(text) else text.removeprefix("-")


def _figure(entry: Mapping[str, Any] | None, name: str = "") -> str:
    """The same for the page, where a line may break before the bracket and nowhere else."""
    value, bracket, interval = cell(entry, name).partition(" [")
    return (value + bracket.replace(" ", "\n") + interval).replace(" ", "\N{NO-BREAK SPACE}")


def _typeset(text: str) -> str:
    """Units as they are printed."""
    return text.replace("m3 m-3", "m³\N{NO-BREAK SPACE}m⁻³").replace("m6 m-6", "m⁶\N{NO-BREAK SPACE}m⁻⁶")


def percent(value: float | None) -> str:
    """A share in percent."""
    return "–" if value is None else f"{100 * value:.0f} %"


def _stations(findings: Findings) -> list[dict[str, Any]]:
    """Rows of the station table, the largest gain first."""
    table = findings.sites[findings.sites["pairs"] >= findings.document["min_pairs"]]
    columns = ["network", "station", "lat", "lon", "pairs", "land_cover", "product_rmsd", "product_ubrmsd", "product_r"]
    columns += [f"gain_over_smap_rmsd{end}" for end in ("", "_low", "_high")]
    rows: list[dict[str, Any]] = table.sort_values("gain_over_smap_rmsd", ascending=False)[columns].to_dict("records")
    return rows
