"""Events that a run sends to Prefect's server, for automations (``flows.server.automations``).

The names and labels here are a contract with operators' own automations; ``docs/how-to/operate.md`` lists them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from prefect.events import emit_event

if TYPE_CHECKING:
    from flows.day.jobs import DayJob, DayOutcome
    from flows.settings import Settings
    from flows.studies.validation import Validated

DAY_PUBLISHED = "vadose.day.published"
DAY_FAILED = "vadose.day.failed"
VALIDATED = "vadose.validation.finished"


def tell_day(outcome: DayOutcome, job: DayJob, look_back: int) -> None:
    """Send an event for a published or failed day; none for a current day or one without coverage."""
    if outcome.status == "published":
        _emit(DAY_PUBLISHED, job, str(outcome.date), _published(outcome, look_back), {"href": outcome.href})
    elif outcome.status == "failed":
        _emit(DAY_FAILED, job, str(outcome.date), _failed(outcome, job), {"reason": outcome.reason})


def _published(outcome: DayOutcome, look_back: int) -> Mapping[str, str]:
    """``vadose.new`` is yes for the first revision of a day that the schedule still looks back to."""
    revision = outcome.reason.rpartition(" ")[2]
    age = (dt.datetime.now(dt.UTC).date() - outcome.date).days
    return {"vadose.revision": revision, "vadose.new": "yes" if revision == "1" and age < look_back else "no"}


def _failed(outcome: DayOutcome, job: DayJob) -> Mapping[str, str]:
    """``vadose.attempt`` is the number of failures in a row from the same inputs: 1 where the failure is new."""
    from catalog.publish.failures import failures
    from downscaler import product
    from downscaler.errors import VadoseError

    try:
        noted = failures(job.catalog, product.domain(job.domain)).get(outcome.date)
    except VadoseError:  # the store is what failed
        noted = None
    return {
        "vadose.error": outcome.error or "",
        "vadose.exit-code": str(outcome.exit_code),
        "vadose.attempt": str(noted.attempts if noted else 1),
    }


def tell_validation(done: Validated, job_domain: str, settings: Settings) -> None:
    """Send an event with a validation's paired gain over SMAP in ubRMSD (m3 m-3) and whether it meets the bound."""
    gain = gain_of(done.document)
    held = "unknown" if gain is None else "below" if gain < settings.validation_gain else "held"
    labels = {"vadose.gain": held, "vadose.simulated": str(done.document["simulated"]).lower()}
    payload = {"ubrmsd_gain": gain, "bound": settings.validation_gain, "pairs": done.document["pairs"]}
    _send(VALIDATED, f"vadose.validation.{job_domain}", {"vadose.domain": job_domain, **labels}, payload)


def gain_of(document: Mapping[str, Any]) -> float | None:
    """The paired gain over SMAP in ubRMSD, m3 m-3, positive where the product is better; None where there is none."""
    value = document["gains"].get("smap", {}).get("ubrmsd", {}).get("value")
    return None if value is None else float(value)


def _emit(event: str, job: DayJob, day: str, labels: Mapping[str, str], payload: Mapping[str, Any]) -> None:
    named = {"vadose.domain": job.domain, "vadose.day": day, **labels}
    _send(event, f"vadose.day.{job.domain}.{day}", named, payload)


def _send(event: str, resource: str, labels: Mapping[str, str], payload: Mapping[str, Any]) -> None:
    name = {"prefect.resource.id": resource, "prefect.resource.name": resource.removeprefix("vadose.")}
    emit_event(event=event, resource={**name, **labels}, payload=dict(payload))
