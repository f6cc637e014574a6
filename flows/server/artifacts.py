"""Artifacts on Prefect's pages: summary with links and the newest picture, tables, progress, figures.

Artifacts of one key are the versions of one thing, so each domain's pages keep their history.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast, get_args

from prefect.artifacts import (
    create_image_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from catalog.naming import DayName
from catalog.reading.days import find_item
from catalog.store.documents import resolve
from downscaler import product
from flows.day.jobs import Status
from flows.server.events import gain_of

if TYPE_CHECKING:
    from uuid import UUID

    from flows.day.jobs import DayOutcome
    from flows.settings import Settings
    from flows.studies.validation import Validated

_STATUSES = get_args(Status)


def key_of(domain: str, what: str) -> str:
    """An artifact's key, in the letters that Prefect takes."""
    return re.sub(r"[^a-z0-9]+", "-", f"vadose-{domain}-{what}".lower()).strip("-")


class Progress:
    """Progress of a run as an artifact, from the first day to 100."""

    def __init__(self, domain: str, total: int = 0) -> None:
        self._domain, self._total, self._done = domain, total, 0
        self._id: UUID | None = None

    def hear(self, _outcome: DayOutcome) -> None:
        """Count one finished day."""
        self._done += 1
        self._total = max(self._total, self._done)
        share = 100.0 * self._done / self._total
        if self._id is None:
            key = key_of(self._domain, "progress")
            made = create_progress_artifact(progress=share, key=key, description="Share of the days that are done")
            self._id = cast("UUID", made)  # no coroutine, since nothing is async here
        else:
            update_progress_artifact(artifact_id=self._id, progress=share)


def show_days(outcomes: Sequence[DayOutcome], settings: Settings, title: str) -> None:
    """A run's summary in Markdown, its days as a table and the newest published day's picture.

    A run that had nothing to do leaves the pages as they are: they tell of the last one that had.
    """
    if not outcomes:
        return
    picture = newest_picture(outcomes, settings)
    create_markdown_artifact(
        markdown=summary(outcomes, settings, title, picture),
        key=key_of(settings.domain, "summary"),
        description=f"{title}: {counts(outcomes)}",
    )
    table = [row(outcome) for outcome in outcomes]
    create_table_artifact(table=table, key=key_of(settings.domain, "days"), description=title)
    if picture:
        what = f"Soil moisture of the newest published day of this run, {title}"
        create_image_artifact(image_url=picture, key=key_of(settings.domain, "thumbnail"), description=what)


def row(outcome: DayOutcome) -> dict[str, Any]:
    """One day of the table."""
    return {
        "date": str(outcome.date),
        "status": outcome.status,
        "error": outcome.error or "",
        "reason": outcome.reason,
        "seconds": round(outcome.seconds, 1),
        "item": outcome.href or "",
    }


def counts(outcomes: Sequence[DayOutcome]) -> str:
    """How many days of each status, in words."""
    found: Counter[str] = Counter(outcome.status for outcome in outcomes)
    return ", ".join(f"{found[status]} {status}" for status in _STATUSES if found[status]) or "nothing to do"


def summary(outcomes: Sequence[DayOutcome], settings: Settings, title: str, picture: str | None = None) -> str:
    """Markdown: what was done, why days failed by class of error, every day with a link, the newest picture."""
    lines = [f"# {title}", "", f"**{settings.domain}**: {counts(outcomes)}.", ""]
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    if failed:
        lines += ["## Failures", "", "| class | exit code | days | first reason |", "|---|---|---|---|"]
        for error in dict.fromkeys(outcome.error for outcome in failed):
            same = [outcome for outcome in failed if outcome.error == error]
            dates = ", ".join(str(outcome.date) for outcome in same)
            lines.append(f"| `{error}` | {same[0].exit_code} | {dates} | {_cell(same[0].reason)} |")
        lines.append("")
    if outcomes:
        lines += ["## Days", "", "| day | status | seconds | why |", "|---|---|---|---|"]
        for outcome in outcomes:
            link = link_of(outcome, settings)
            day = f"[{outcome.date}]({link})" if link else str(outcome.date)
            lines.append(f"| {day} | {outcome.status} | {outcome.seconds:.1f} | {_cell(outcome.reason)} |")
        lines.append("")
    if picture:
        lines += [f"![soil moisture]({picture})", ""]
    return "\n".join(lines)


def link_of(outcome: DayOutcome, settings: Settings) -> str | None:
    """Where the day's item is served, None where no address is known or the day has no item."""
    if settings.catalog_url is None or outcome.status not in ("published", "current"):
        return None
    name = DayName.of(product.domain(settings.domain), outcome.date)
    return f"{settings.catalog_url.rstrip('/')}/{name.item_key}"


def newest_picture(outcomes: Sequence[DayOutcome], settings: Settings) -> str | None:
    """The address of the newest published day's thumbnail; None where no address of the catalogue is known.

    The picture itself never goes to the server: 0.1 MB a day would stay in its database.
    """
    published = [outcome.date for outcome in outcomes if outcome.status == "published"]
    if not published or settings.catalog_url is None:
        return None
    domain = product.domain(settings.domain)
    item = find_item(settings.catalog, domain, max(published))
    if item is None:
        return None
    key = resolve(DayName.of(domain, max(published)).item_key, item["assets"]["thumbnail"]["href"])
    return f"{settings.catalog_url.rstrip('/')}/{key}"


def show_validation(done: Validated, domain: str) -> None:
    """A validation's paired gains, each with its 95 % interval, and where its report is."""
    document = done.document
    stamp = " (simulated sample)" if document["simulated"] else ""
    lines = [
        f"# Validation of {document['title']}{stamp}",
        "",
        f"{' to '.join(document['period'])}: {document['pairs']} pairs at {document['sites']} sites of "
        f"{', '.join(document['networks'])}. Positive where the product is better.",
        "",
        "| paired gain over | RMSD, m3 m-3 | ubRMSD, m3 m-3 | R |",
        "|---|---|---|---|",
        *(
            f"| {baseline} | " + " | ".join(_interval(gains.get(name)) for name in ("rmsd", "ubrmsd", "r")) + " |"
            for baseline, gains in document["gains"].items()
        ),
        "",
        f"Report: `{done.out / 'report.html'}`, item: {done.href or 'not published'}",
    ]
    gain = gain_of(document)
    told = "unknown" if gain is None else f"{gain:+.4f} m3 m-3"
    create_markdown_artifact(
        markdown="\n".join(lines), key=key_of(domain, "validation"), description=f"Gain over SMAP in ubRMSD: {told}"
    )


def _interval(entry: Mapping[str, Any] | None) -> str:
    if entry is None or entry.get("value") is None:
        return "unknown"
    if entry.get("low") is None or entry.get("high") is None:
        return f"{entry['value']:+.4f}"
    return f"{entry['value']:+.4f} [{entry['low']:+.4f}, {entry['high']:+.4f}]"


def _cell(text: str) -> str:
    """A text that breaks no table."""
    return " ".join(text.split()).replace("|", "\\|")
