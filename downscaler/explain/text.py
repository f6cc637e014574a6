"""An explanation as texts: JSON, rows of a table, and Markdown for a hydrologist."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from downscaler.explain.explain import STATES, Explanation
from downscaler.skill.interval import METHOD, Interval


def as_document(explanation: Explanation) -> dict[str, Any]:
    """An explanation as JSON: plain numbers and texts."""
    return asdict(explanation)


def as_table(explanation: Explanation) -> list[dict[str, Any]]:
    """A row per group, family and feature, for CSV: kind, name, mean |contribution| and interval, share, direction."""
    effects = {effect.feature: effect for effect in explanation.effects}
    rows = []
    for kind in ("groups", "families", "features"):
        for entry in getattr(explanation, kind):
            effect = effects.get(entry.name) if kind == "features" else None
            rows.append(
                {
                    "branch": explanation.branch,
                    "kind": kind.removesuffix("s").replace("familie", "family"),
                    "name": entry.name,
                    "mean_abs_contribution": entry.mean_abs.value,
                    "low": entry.mean_abs.low,
                    "high": entry.mean_abs.high,
                    "share": entry.share,
                    "rank_correlation": effect.rank_correlation.value if effect else None,
                    "agrees_with_physics": effect.agrees if effect else None,
                }
            )
    return rows


def as_markdown(explanation: Explanation) -> str:
    """The explanation for a reader: families, their share by wetness, and a sentence for each leading feature."""
    lines = [
        f"## {explanation.branch}",
        "",
        f"Shapley values of the correction on {explanation.rows} cells of {explanation.days} days. In brackets: "
        f"{METHOD} of a bootstrap of days.",
        "",
        "| predictors | mean abs. contribution (m³ m⁻³) | share | dry | medium | wet |",
        "|---|---|---|---|---|---|",
    ]
    for family in explanation.families:
        by_state = [
            f"{100 * s[family.name]:.0f} %" if (s := explanation.states.get(state)) else "–" for state in STATES
        ]
        cells = [family.name, _shown(family.mean_abs), f"{100 * family.share:.0f} %", *by_state]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| feature | rank correlation | agrees with physics | in words |", "|---|---|---|---|"]
    for effect in explanation.effects:
        correlation = _shown(effect.rank_correlation, 2)
        lines.append(f"| `{effect.feature}` | {correlation} | {effect.agrees} | {effect.sentence} |")
    return "\n".join(lines) + "\n"


def _shown(interval: Interval, digits: int = 4) -> str:
    return f"{interval.value:.{digits}f} [{interval.low:.{digits}f}, {interval.high:.{digits}f}]"
