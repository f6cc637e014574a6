"""What training itself measured of a model, in words: on days held out of the record, and on whole fifths of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from downscaler.product import INTERVAL

Card = Mapping[str, Any]
Methods = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Method -> figure -> value, low and high."""


def held_out_methods(card: Card) -> dict[str, Methods]:
    """The figures of the training's own held-out days by branch, in the form of an evaluation.

    A figure without an interval has its value at both ends.
    """
    found: dict[str, Methods] = {}
    for branch, entry in card.get("skill", {}).items():
        if "methods" in entry:
            found[branch] = entry["methods"]
        elif "rmse" in entry:
            found[branch] = {m: {"rmse": {"value": v, "low": v, "high": v}} for m, v in entry["rmse"].items()}
    return found


def other_season(card: Card, branch: str) -> str:
    """What a branch's held-out days do not tell, with the size of errors on whole fifths; empty where none is known."""
    near = card["skill"][branch].get("within_90", 0.0)
    far = card.get("analysis", {}).get(branch.split("-")[0].upper(), {}).get("within_90", 0.0)
    if not near or not far:
        return ""
    share = f"{100 * INTERVAL:.0f} %"
    return (
        f"These days lie between days that were learned from, and SMAP is without error: {share} of the errors are "
        f"below {near:.3f} m3 m-3. Where whole fifths of the record are left out, {share} are below {far:.3f} m3 m-3. "
        "Expect the second in another season, and SMAP's own error besides."
    )


def in_other_seasons(card: Card) -> str:
    """By how much the errors of all branches are larger in a season not seen; empty where that is not known."""
    factors = [entry["lasting"] for entry in card["skill"].values() if entry.get("lasting", 1.0) > 1.0]
    if not factors:
        return ""
    low, high = (f"{end:.1f}" for end in (min(factors), max(factors)))
    times = low if low == high else f"{low} to {high}"
    return (
        "Held-out days lie between days that were learned from, and SMAP is without error. In another season expect "
        f"errors {times} times as large, and SMAP's own error besides."
    )


def expectations(card: Card) -> list[tuple[str, str]]:
    """Of each coarse grid whose analysis was judged in training: its name, and a sentence with error and coverage."""
    found = []
    for grid, entry in card.get("analysis", {}).items():
        if entry:
            classes = " / ".join("–" if part is None else f"{100 * part:.0f}" for part in entry["coverage_of_classes"])
            holds = f"{100 * entry['coverage_90']:.0f} % (dry / usual / wet cells: {classes} %)"
            worth = f"RMSE {entry['rmse']:.4f} m3 m-3, the {100 * INTERVAL:.0f} % interval holds {holds}"
            found.append((grid, f"{grid}: {worth}. Split: {entry['split']}."))
    return found
