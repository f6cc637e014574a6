"""``vadose validate``: published days against in-situ networks."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows import console
from flows.commands.options import DomainName, PriorPath, Seed, day_option, period
from flows.commands.studies.findings import CARD, show, show_every_day, text

if TYPE_CHECKING:
    from flows.studies.validation_job import ValidationJob


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
Out = Annotated[Path, typer.Option(metavar="DIR", file_okay=False, help="Folder for report, figures and tables.")]
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
EveryDay = Annotated[
    bool,
    typer.Option(
        "--every-day",
        help="Judge the analyses alone, on every day, against daily means of readings and by the age of the last "
        "retrieval; needs no SMAP-conserving days. Nothing is published.",
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
    every_day: EveryDay = False,
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

    _require_used(layer=layer, every_day=every_day, compare=compare, third=third, third_inputs=third_inputs)
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
    if every_day:
        _alone(job)
        return
    with console.progress_bar("validating") as tell:
        done = run_validation(job, lambda count, total, what: tell(count, total, what))
    show(done.document)
    console.say(f"report: {done.out / 'report.html'}")
    if done.href:
        console.say(f"published: {done.href}")


def _require_used(*, layer: str | None, every_day: bool, **beside: object) -> None:
    """Raises ConfigError for options that would be passed over in silence."""
    from downscaler.errors import ConfigError

    kinds = ["--layer"] * (layer is not None) + ["--every-day"] * every_day
    unused = [f"--{name.replace('_', '-')}" for name, value in beside.items() if value]
    if len(kinds) > 1 or (kinds and unused):
        raise ConfigError(
            "These options do not go together",
            value=", ".join(kinds + unused),
            remedy="Give --layer or --every-day alone: neither compares with other products.",
        )


def _layer(job: ValidationJob, layer: str) -> None:
    """Judge a layer of the root zone and print its figures."""
    from flows.studies.deeper import validate_layer

    done = validate_layer(job, layer)
    stamp = " (simulated sample)" if done["simulated"] else ""
    console.say(
        f"{done['title']}{stamp}, {' to '.join(done['period'])}: {done['pairs']} daily means at {done['sites']} sites"
    )
    made = console.table(done["what"], "estimate", *(f"{label}>" for label in CARD.values()), "gain in RMSD>")
    for name, figures in done["estimates"].items():
        gain = done["gains"].get(name, {}).get("rmsd")
        shown = (text(metric, figures[metric]) for metric in CARD)
        made.add_row(name, *shown, text("rmsd", gain) if gain else "")
    console.out.print(made)
    console.say(f"inside the 90 % interval: {100 * done['coverage']:.0f} %")
    console.say(f"figures: {job.out / f'{layer}.json'}")


def _alone(job: ValidationJob) -> None:
    """Judge the analyses on every day and print the figures."""
    from flows.studies.every_day import FILE, validate_every_day

    with console.progress_bar("validating") as tell:
        done = validate_every_day(job, lambda count, total, what: tell(count, total, what))
    stamp = " (simulated sample)" if done["simulated"] else ""
    console.say(f"{done['title']}{stamp}, {' to '.join(done['period'])}")
    show_every_day(done)
    console.say(f"figures: {job.out / FILE}")
