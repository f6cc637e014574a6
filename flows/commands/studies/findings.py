"""Prints what a validation found: paired differences, days between passes, the scorecard, problems in files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flows import console

_NAMES = {"smap": "SMAP", "prior": "the prior", "carried": "SMAP carried on"}
_FIGURES = {"rmsd": "RMSD", "ubrmsd": "ubRMSD", "abs_bias": "|bias|", "r": "R", "anomaly_r": "anomaly R"}
CARD = {"bias": "bias", "rmsd": "RMSD", "ubrmsd": "ubRMSD", "r": "R"}
_SHOWN = 10  # station files with problems
_SHARES = {"share_rmsd": "stations improved in RMSD"}


def show_every_day(found: Mapping[str, Any]) -> None:
    """Analyses on every day, all and by age of the last retrieval, with 95 % intervals."""
    if "refused" in found:
        console.say(f"every day: {found['refused']}")
        return
    made = console.table(
        f"Analyses on every day: {found['pairs']} daily means at {found['sites']} sites on {found['days']} days",
        "last retrieval",
        "pairs>",
        *(f"{label}>" for label in CARD.values()),
        *(f"gain in RMSD over {_NAMES.get(name, name)}>" for name in found["gains"]),
        "in the 90 % interval>",
    )
    for name, part in {"all days": found, **found["ages"]}.items():
        own = part["estimates"]["product"]
        gains = (text("rmsd", part["gains"][baseline]["rmsd"]) for baseline in found["gains"])
        inside = "" if part["coverage"] is None else f"{100 * part['coverage']:.0f} %"
        made.add_row(name, str(part["pairs"]), *(text(metric, own[metric]) for metric in CARD), *gains, inside)
    console.out.print(made)


def show(document: Mapping[str, Any]) -> None:
    """Print the number of pairs, the headline figures, and problems in station files."""
    stamp = " (simulated sample)" if document["simulated"] else ""
    console.say(
        f"{document['title']}{stamp}, {' to '.join(document['period'])}: {document['pairs']} pairs at "
        f"{document['sites']} sites of {', '.join(document['networks'])}"
    )
    console.out.print(gains_table(document))
    if "every_day" in document:
        show_every_day(document["every_day"])
    if document["scorecard"]:
        _show_scorecard(document["scorecard"])
    ground = document["representativeness"]
    if "refused" in ground:
        console.say(f"representativeness: {ground['refused']}")
    else:
        plain, weighted = (ground[kind]["estimates"]["product"]["rmsd"] for kind in ("plain", "reweighted"))
        console.say(
            f"the stations represent {100 * ground['share_of_domain']:.0f} % of the domain; RMSD at the stations "
            f"{text('rmsd', plain)}, reweighted to the domain {text('rmsd', weighted)}"
        )
    if "refused" in document["triple_collocation"]:
        console.say(f"triple collocation: {document['triple_collocation']['refused']}")
    for note in document["notes"]:
        console.say(f"note: {note}")
    _show_files(document["files"])


def _show_scorecard(card: Mapping[str, Any]) -> None:
    """Every product at the same pairs, with 95 % intervals, and the paired gain over each."""
    if "refused" in card:
        console.say(f"scorecard: {card['refused']}")
        return
    made = console.table(
        f"Products at the same {card['pairs']} pairs of {card['sites']} sites and {card['days']} days",
        "product",
        *(f"{label}>" for label in CARD.values()),
        "gain in RMSD>",
    )
    for name, figures in card["estimates"].items():
        gain = card["gains"].get(name)
        shown = (text(metric, figures[metric]) for metric in CARD)
        made.add_row(_NAMES.get(name, name), *shown, text("rmsd", gain["rmsd"]) if gain else "")
    console.out.print(made)


def _show_files(files: Sequence[Mapping[str, Any]]) -> None:
    faulty = [report for report in files if not report["clean"]]
    left_out = sum(report["left_out"] is not None for report in files)
    console.say(f"station files: {len(files)} read, {left_out} left out as too deep, {len(faulty)} with problems")
    faulty.sort(key=lambda report: "outside the domain" in (report["problem"] or ""))  # what can be mended first
    for report in faulty[:_SHOWN]:
        console.say(f"  {report['file']}: {_fault(report)}")
    if len(faulty) > _SHOWN:
        console.say(f"  and {len(faulty) - _SHOWN} more, in the report")


def _fault(report: Mapping[str, Any]) -> str:
    counts = {
        "bad lines": report["bad_lines"],
        "duplicates": report["duplicates"],
        "contradictions": report["contradictions"],
        "unknown flags": report["unknown_flags"],
        "values out of range": report["out_of_range"],
    }
    told = [f"{count} {name}" for name, count in counts.items() if count]
    return "; ".join([part for part in (report["problem"], ", ".join(told), report["first_bad"]) if part])


def gains_table(document: Mapping[str, Any]) -> console.Table:
    """One row per figure: the product, and its paired difference against every baseline, with 95 % intervals."""
    baselines = list(document["gains"])
    made = console.table(
        "Paired differences at the same stations and days, positive where the product is better",
        "figure",
        "product>",
        *(f"over {_NAMES.get(baseline, baseline)}>" for baseline in baselines),
    )
    for name, label in (_FIGURES | _SHARES).items():
        own = document["estimates"]["product"].get(name)
        made.add_row(label, text(name, own), *(text(name, document["gains"][baseline][name]) for baseline in baselines))
    made.caption = f"in brackets: 95 % intervals, {document['interval']['method']}"
    return made


def text(name: str, entry: Mapping[str, Any] | None) -> str:
    """A figure with its interval, as in the report."""
    from downscaler.report.validation import cell

    return cell(entry, name)
