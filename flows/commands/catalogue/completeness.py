"""``vadose catalog completeness``: what became of every granule of a period, and how long it took."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from flows import console
from flows.commands.options import Inputs, Json, day_argument, with_inputs


@with_inputs
def catalog_completeness(
    context: typer.Context,
    start: Annotated[dt.date, day_argument("START", "First UTC day, YYYY-MM-DD.")],
    end: Annotated[dt.date, day_argument("END", "Last UTC day, included.")],
    inputs: Inputs,
    page: Annotated[
        Path | None,
        typer.Option(metavar="FILE", dir_okay=False, help="Write the page here instead of into the catalogue."),
    ] = None,
    json: Json = False,
) -> None:
    """Compare every granule on offer in a period with what was made, and publish the page beside the collection.

    Tells shares by month, latency from observation to publication, and the granules of which nothing was made yet. The
    period may be of years: one search, and one file of the index a month.
    """
    from flows.day.jobs import job_of
    from flows.day.period import makeable
    from flows.settings import load_settings
    from flows.studies.completeness import make_completeness

    makeable(start, end)
    job = job_of(load_settings(context.obj.config, **inputs.settings()))
    document, where = make_completeness(job, start, end, publish=page is None)
    if page is not None:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(where, encoding="utf-8")
    if json:
        console.say_json(document)
        return
    total = document["total"]
    console.say(f"{total['done']} of {total['with_granule']} granules are done, {total['produced']} days are published")
    console.say(f"page: {page or where}")
