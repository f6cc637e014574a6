"""``vadose catalog``: check and repair a catalogue, withdraw a day."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from downscaler.errors import CatalogFaultsError
from flows import console
from flows.commands.product.produce import DomainName, Out

if TYPE_CHECKING:
    from catalog.check.survey import Survey

Where = Annotated[
    str | None, typer.Argument(metavar="[CATALOG]", help="Catalogue: folder, file:// or s3://bucket/prefix.")
]


def catalog_check(
    context: typer.Context,
    catalog: Where = None,
    metadata_only: Annotated[
        bool, typer.Option("--metadata-only", help="Look at files by presence and size, neither checksum nor COG.")
    ] = False,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Write links, extents, index, cubes anew from the items; clear what died."),
    ] = False,
    min_age: Annotated[
        float, typer.Option(min=0, help="Hours for which unnamed files in a bucket may be a publication in progress.")
    ] = 24,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Check a whole catalogue: schemas, links, checksums, COGs, index, cubes, stray files; fails where it finds any.

    Files that an item names are never touched, nor strays that some item may have named.
    """
    from catalog.check.check import check
    from catalog.check.repair import repair as mend
    from flows.settings import load_settings

    uri = load_settings(context.obj.config, catalog=catalog).catalog
    age = dt.timedelta(hours=min_age)
    before: Survey | None = None
    with console.progress_bar("Checking", remaining=True) as tell:
        if repair:
            before, survey = mend(uri, metadata_only=metadata_only, min_age=age, progress=tell)
        else:
            survey = check(uri, metadata_only=metadata_only, min_age=age, progress=tell)
    mended = [f for f in before.findings if f not in survey.findings] if before else []
    faults = sum(finding.fault for finding in survey.findings)
    if json:
        found = {"findings": [asdict(f) for f in survey.findings], "mended": [asdict(f) for f in mended]}
        console.say(console.as_json(found | {"items": len(survey.items), "objects": len(survey.stats)}))
    else:
        _show(survey, before)
        if before is not None:
            console.say(f"{len(mended)} findings mended")
    if faults:
        can = any(finding.mend for finding in survey.findings) and not repair
        remedy = "`vadose catalog check --repair` mends what follows from the items." if can else None
        raise CatalogFaultsError(f"{survey.store.uri} has faults", value=f"{faults} of them", remedy=remedy)


def _show(survey: Survey, before: Survey | None) -> None:
    left = survey.findings
    for title, findings in (
        ("Mended", [f for f in before.findings if f not in left] if before else []),
        ("Found", left),
    ):
        if findings:
            made = console.table(title, "kind", "object", "what", "")
            for finding in findings:
                state = "" if title == "Mended" else "can be mended" if finding.mend else ""
                made.add_row(finding.kind, console.Text(finding.key), console.Text(finding.what), state)
            console.out.print(made)
    kinds = Counter(finding.kind for finding in left)
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "no finding"
    console.say(f"{len(survey.items)} items, {len(survey.stats)} objects: {told}")


def catalog_withdraw(
    context: typer.Context,
    date: Annotated[dt.datetime, typer.Argument(formats=["%Y-%m-%d"], metavar="DATE", help="The day, UTC.")],
    reason: Annotated[str, typer.Option(help="Why, in a sentence that users can read.")],
    domain: DomainName = None,
    out: Out = None,
) -> None:
    """Mark a published day as withdrawn: its item, files and links stay, with the reason."""
    from catalog.publish.withdraw import withdraw
    from downscaler import product
    from flows.settings import load_settings

    settings = load_settings(context.obj.config, domain=domain, catalog=out)
    console.say(withdraw(settings.catalog, product.domain(settings.domain), date.date(), reason))
