"""``vadose validate``: published days against in-situ networks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows import console
from flows.commands.options import DomainName, PriorPath, Seed, day_option, period

if TYPE_CHECKING:
    from flows.studies.validation_job import ValidationJob

_NAMES = {"smap": "SMAP", "prior": "the prior"}
_FIGURES = {"rmsd": "RMSD", "ubrmsd": "ubRMSD", "abs_bias": "|bias|", "r": "R", "anomaly_r": "anomaly R"}
_CARD = {"bias": "bias", "rmsd": "RMSD", "ubrmsd": "ubRMSD", "r": "R"}
_SHOWN = 10  # station files with problems
_SHARES = {"share_rmsd": "stations improved in RMSD"}


Stations = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATH",
        help="Station data: ISMN archive, USCRN file, table of readings, folder of these, scan or snotel; may be "
        "repeated.",
    ),
]
CatalogPlace = Annotated[
    str | None, typer.Option(metavar="CATALOG", help="Catalogue to validate: folder, file:// or s3://.")
]
Out = Annotated[Path, typer.Option(metavar="DIR", help="Folder for report, figures and tables.")]
Start = Annotated[dt.date | None, day_option("First day to validate; unset, all.")]
End = Annotated[dt.date | None, day_option("Last day to validate; unset, all.")]
Compare = Annotated[
    list[str] | None,
    typer.Option(
        metavar="OTHER",
        help="Compare with another catalogue or product at the same pairs: PATH, PATH::VARIABLE, or a folder of "
        "GeoTIFFs.",
    ),
]
Third = Annotated[
    str | None, typer.Option(metavar="PATH", help="Third source for triple collocation, independent of the others.")
]
ThirdInputs = Annotated[
    str | None,
    typer.Option(metavar="NAMES", help="What the third source is derived from, comma-separated, such as ASCAT."),
]
Depth = Annotated[float, typer.Option(min=0.0, max=1.0, help="Use only sensors that end above this depth, m.")]
Hours = Annotated[
    float, typer.Option(min=0.0, max=12.0, help="Use readings within this many hours of SMAP's observation.")
]
MinPairs = Annotated[
    int | None,
    typer.Option(min=3, help="Least number of pairs for a site to count in averages; unset, `validation_pairs`."),
]
LayerName = Annotated[
    Literal["layer2", "layer3"] | None,
    typer.Option(
        metavar="LAYER",
        help="Judge the published root zones instead, against sensors in the ground: layer2 (0.1 to 0.4 m) or layer3 "
        "(0.4 to 1 m). Nothing is published.",
    ),
]
Publish = Annotated[
    bool, typer.Option("--publish/--no-publish", help="Publish the report and headline figures in the catalogue.")
]


def validate(
    context: typer.Context,
    stations: Stations = None,
    catalog: CatalogPlace = None,
    domain: DomainName = None,
    prior: PriorPath = None,
    out: Out = Path("build/validation"),
    start: Start = None,
    end: End = None,
    compare: Compare = None,
    third: Third = None,
    third_inputs: ThirdInputs = None,
    depth: Depth = 0.10,
    window: Hours = 3.0,
    min_pairs: MinPairs = None,
    layer: LayerName = None,
    publish: Publish = True,
    seed: Seed = None,
) -> None:
    """Validate published days against in-situ networks, paired with SMAP and the prior, with 95 % intervals.

    Writes DIR/report.html (self-contained), validation.json, and sites, pairs and readings as Parquet. Station files
    that cannot be read are reported; the rest is used.
    """
    from flows.settings import load_settings
    from flows.studies.validation import run_validation
    from flows.studies.validation_job import job_of

    given = {"domain": domain, "catalog": catalog, "prior": prior, "stations": stations or None, "seed": seed}
    settings = load_settings(context.obj.config, **given, validation_pairs=min_pairs)
    job = job_of(
        settings,
        out,
        period=period(start, end),
        compare=tuple(compare or ()),
        third=third,
        third_inputs=tuple(name.strip() for name in (third_inputs or "").split(",") if name.strip()),
        deepest=depth,
        window=window,
        publish=publish,
    )
    if layer is not None:
        _layer(job, layer)
        return
    with console.progress_bar("validating") as tell:
        done = run_validation(job, lambda count, total, what: tell(count, total, what))
    _show(done.document)
    console.say(f"report: {done.out / 'report.html'}")
    if done.href:
        console.say(f"published: {done.href}")


def _layer(job: ValidationJob, layer: str) -> None:
    """Judge a layer of the root zone and print its figures."""
    from flows.studies.deeper import validate_layer

    done = validate_layer(job, layer)
    stamp = " (simulated sample)" if done["simulated"] else ""
    console.say(
        f"{done['title']}{stamp}, {' to '.join(done['period'])}: {done['pairs']} daily means at {done['sites']} sites"
    )
    made = console.table(done["what"], "estimate", *(f"{label}>" for label in _CARD.values()), "gain in RMSD>")
    for name, figures in done["estimates"].items():
        gain = done["gains"].get(name, {}).get("rmsd")
        shown = (_text(metric, figures[metric]) for metric in _CARD)
        made.add_row(name, *shown, _text("rmsd", gain) if gain else "")
    console.out.print(made)
    console.say(f"inside the 90 % interval: {100 * done['coverage']:.0f} %")
    console.say(f"figures: {job.out / f'{layer}.json'}")


def _show(document: Mapping[str, Any]) -> None:
    """Print the number of pairs, the headline figures, and problems in station files."""
    stamp = " (simulated sample)" if document["simulated"] else ""
    console.say(
        f"{document['title']}{stamp}, {' to '.join(document['period'])}: {document['pairs']} pairs at "
        f"{document['sites']} sites of {', '.join(document['networks'])}"
    )
    console.out.print(gains_table(document))
    if document["scorecard"]:
        _show_scorecard(document["scorecard"])
    ground = document["representativeness"]
    if "refused" in ground:
        console.say(f"representativeness: {ground['refused']}")
    else:
        plain, weighted = (ground[kind]["estimates"]["product"]["rmsd"] for kind in ("plain", "reweighted"))
        console.say(
            f"the stations represent {100 * ground['share_of_domain']:.0f} % of the domain; RMSD at the stations "
            f"{_text('rmsd', plain)}, reweighted to the domain {_text('rmsd', weighted)}"
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
        *(f"{label}>" for label in _CARD.values()),
        "gain in RMSD>",
    )
    for name, figures in card["estimates"].items():
        gain = card["gains"].get(name)
        shown = (_text(metric, figures[metric]) for metric in _CARD)
        made.add_row(_NAMES.get(name, name), *shown, _text("rmsd", gain["rmsd"]) if gain else "")
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
        made.add_row(
            label, _text(name, own), *(_text(name, document["gains"][baseline][name]) for baseline in baselines)
        )
    made.caption = f"in brackets: 95 % intervals, {document['interval']['method']}"
    return made


def _text(name: str, entry: Mapping[str, Any] | None) -> str:
    from downscaler.report.validation import cell

    return cell(entry, name)
