"""The numbers of a run as a file for Prometheus's node exporter (textfile collector), beside what the catalogue tells.

A run that had nothing to do leaves the durations of the last one that had.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from downscaler.errors import VadoseError
from flows.day.jobs import DayOutcome, Status

if TYPE_CHECKING:
    from catalog.metrics import Sample
    from flows.day.jobs import DayJob
    from flows.days.state import DayState

_LOG = logging.getLogger(__name__)
STAGE = "vadose_stage_seconds"
RUN_METRICS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "vadose_run_timestamp_seconds": ("End of the last run, seconds since 1970.", ("domain",)),
    "vadose_run_days": ("Days of the last run by what became of them.", ("domain", "status")),
    "vadose_days": ("Days that the schedule looks back on by their state.", ("domain", "state")),
    STAGE: (
        "Newest day published: from its last observation to the archive's release (archive), until the run began with "
        "it (waiting), finding and reading granules (inputs), predicting and writing (publication).",
        ("domain", "stage"),
    ),
}
"""Name, meaning and labels of each metric that only a run can tell."""


def write_metrics(
    path: Path, job: DayJob, outcomes: Sequence[DayOutcome], look_back: int, now: dt.datetime | None = None
) -> None:
    """Write the file anew, whole or not at all; what cannot be told is left out, since no day may fail of it.

    Args:
        path: the file, in the collector's folder; its name ends in .prom.
        job: of the run.
        outcomes: of its days.
        look_back: days of which the states are told.
        now: the time of the run's end.
    """
    from catalog.metrics import METRICS, exposition

    try:
        samples = [
            *_of_catalogue(job.catalog),
            *_of_run(path, job, outcomes, look_back, now or dt.datetime.now(dt.UTC)),
        ]
        _replace(path, exposition(samples, {**METRICS, **RUN_METRICS}))
    except (VadoseError, OSError) as error:
        _LOG.warning("The metrics cannot be written to %s: %s", path, error)


def _of_catalogue(catalog: str) -> list[Sample]:
    from catalog.metrics import catalogue_samples
    from catalog.naming import ROOT
    from catalog.store.base import open_store

    store = open_store(catalog)
    return [] if store.get(ROOT) is None else catalogue_samples(store)


def _of_run(
    path: Path, job: DayJob, outcomes: Sequence[DayOutcome], look_back: int, now: dt.datetime
) -> Iterator[Sample]:
    from catalog.metrics import Sample
    from flows.days.state import look_back as states_of

    yield Sample(name="vadose_run_timestamp_seconds", labels=(job.domain,), value=now.timestamp())
    became: Counter[str] = Counter(outcome.status for outcome in outcomes)
    for status in get_args(Status):
        yield Sample(name="vadose_run_days", labels=(job.domain, status), value=became[status])
    yield from _states(job, states_of(job, now.date(), look_back, now))
    published = [outcome for outcome in outcomes if outcome.status == "published" and outcome.stages]
    if published:
        newest = max(published, key=lambda outcome: outcome.date)
        for stage, seconds in newest.stages.items():
            yield Sample(name=STAGE, labels=(job.domain, stage), value=seconds)
    else:
        yield from _kept(path)


def _states(job: DayJob, states: Sequence[DayState]) -> Iterator[Sample]:
    from catalog.metrics import Sample
    from flows.days.state import State

    counted: Counter[str] = Counter(state.state for state in states)
    for state in get_args(State):
        yield Sample(name="vadose_days", labels=(job.domain, state), value=counted[state])


def _kept(path: Path) -> Iterator[Sample]:
    """The durations that an earlier run wrote; none where the file is not there or damaged."""
    from prometheus_client.parser import text_string_to_metric_families

    from catalog.metrics import Sample

    try:
        families = list(text_string_to_metric_families(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return
    for found in (sample for family in families for sample in family.samples if sample.name == STAGE):
        labels = tuple(found.labels.get(name, "") for name in RUN_METRICS[STAGE][1])
        yield Sample(name=STAGE, labels=labels, value=found.value)


def _replace(path: Path, content: bytes) -> None:
    """The collector reads at any time: it sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
