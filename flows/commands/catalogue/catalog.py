"""``vadose catalog``: check and repair a catalogue, withdraw a day."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from downscaler.errors import CatalogFaultsError
from flows import console
from flows.commands.catalogue.export import Of
from flows.commands.options import CatalogAddress, DomainName, Json, PublishTo, day_argument

if TYPE_CHECKING:
    from catalog.check.survey import Survey


def catalog_check(
    context: typer.Context,
    catalog: CatalogAddress = None,
    metadata_only: Annotated[
        bool,
        typer.Option(
            "--metadata-only", help="Check that files exist and have the right size; skip checksums and COG validation."
        ),
    ] = False,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="Rebuild links, extents, index and cubes from the items; remove what crashed runs left."
        ),
    ] = False,
    min_age: Annotated[
        float,
        typer.Option(
            min=0, help="Hours during which a file in a bucket without an item may belong to a running publication."
        ),
    ] = 24,
    json: Json = False,
) -> None:
    """Check a whole catalogue: schemas, links, checksums, COGs, index, cubes, stray files. Fails if it finds a fault.

    Files that an item names are never touched, nor stray files that may still belong to an item.
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
        console.say_json(found | {"items": len(survey.items), "objects": len(survey.stats)})
    else:
        _show(survey, before)
        if before is not None:
            console.say(f"{len(mended)} findings repaired")
    if faults:
        can = any(finding.mend for finding in survey.findings) and not repair
        remedy = "`vadose catalog check --repair` rebuilds what can be derived from the items." if can else None
        raise CatalogFaultsError(f"The check of {survey.store.uri} found faults", value=faults, remedy=remedy)


def _show(survey: Survey, before: Survey | None) -> None:
    left = survey.findings
    for title, findings in (
        ("Repaired", [f for f in before.findings if f not in left] if before else []),
        ("Found", left),
    ):
        if findings:
            made = console.table(title, "kind", "object", "finding", "")
            for finding in findings:
                state = "can be repaired" if title == "Found" and finding.mend else ""
                made.add_row(finding.kind, console.Text(finding.key), console.Text(finding.what), state)
            console.out.print(made)
    kinds = Counter(finding.kind for finding in left)
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "no findings"
    console.say(f"{len(survey.items)} items, {len(survey.stats)} objects: {told}")


def catalog_withdraw(
    context: typer.Context,
    date: Annotated[dt.date, day_argument("DATE", "UTC day, YYYY-MM-DD.")],
    reason: Annotated[str, typer.Option(help="Why, in a sentence for the product's users.")],
    domain: DomainName = None,
    out: PublishTo = None,
    of: Annotated[
        Of | None,
        typer.Option(
            metavar="KIND",
            help="Only this: conserving, analysis, percentile, rootzone, outlook, 3day, weekly or monthly; unset, the "
            "SMAP-conserving day and its analysis.",
        ),
    ] = None,
) -> None:
    """Mark a published day as withdrawn. Its item, files and links stay, with the reason.

    The SMAP-conserving day and its analysis are withdrawn together, as far as they are published; `--of` names one of
    them, or what was made of days, by its first day.
    """
    from catalog.publish.withdraw import withdraw
    from catalog.reading.days import find_item
    from downscaler import product
    from flows.days.cubes import keep_in_step
    from flows.settings import load_settings

    settings = load_settings(context.obj.config, domain=domain, catalog=out)
    ground, kinds = product.domain(settings.domain), {kind.prefix: kind for kind in product.KINDS}
    if of is not None:
        places = [product.under(kinds.get(f"{of}_", product.CONSERVING), ground)]
    elif product.kind_of(ground.name) is product.CONSERVING:
        places = [ground, product.analysis_of(ground)]
    else:  # such as weekly_conus
        places = [ground]
    published = [place for place in places if find_item(settings.catalog, place, date) is not None]
    for place in published or places[:1]:  # where none is published, withdrawing the first says so
        console.say(withdraw(settings.catalog, place, date, reason))
        keep_in_step(settings.catalog, place.name)
