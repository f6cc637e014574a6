"""A backfill through a Prefect server: each day is a run of the daily deployment, shared by all workers.

A day whose run is alive is joined, so that the same backfill may be submitted again, or twice at once; a day whose last
run ended begins a new one, which finds in the catalogue whether anything is left to do.
"""

from __future__ import annotations

import datetime as dt
import re
import time
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar, cast

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterTags,
)
from prefect.client.schemas.sorting import FlowRunSort
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from downscaler.errors import ConfigError, ServerAwayError, VadoseError
from flows.day.jobs import DayOutcome, Status
from flows.days.run import LIVES

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun
    from prefect.client.schemas.responses import DeploymentResponse

QUEUE = "backfill"
QUEUE_PRIORITY = 10  # the schedule's own queue has 1 and goes first
QUEUE_LIMIT = 2  # days at once, where the queue is made here; an operator's own limit is left as it is
POLL = 2.0  # seconds
PATIENCE = 900.0  # s that the server may be away: it is started anew, or its machine
PAUSE = 5.0  # s between two tries then
_PAGE = 100  # days asked for in one request
STATE_NAMES: dict[Status, str] = {"published": "Published", "current": "Current", "no-coverage": "NoCoverage"}
"""What a completed run of one day is called, so that server and submitter see what became of the day."""
_BY_NAME = {name: status for status, name in STATE_NAMES.items()}
T = TypeVar("T")
Hear = Callable[[DayOutcome], None]


def submit(
    days: Sequence[dt.date],
    deployment: str,
    *,
    force: bool = False,
    progress: Hear | None = None,
    poll: float = POLL,
) -> list[DayOutcome]:
    """Submit days as runs of a deployment, wait for all and return their outcomes in order of date.

    A day whose run crashed (its process or worker died) or was deleted by somebody is submitted once more. A server
    that is away for less than ``PATIENCE`` is waited for.

    Args:
        days: the days.
        deployment: flow and deployment, such as daily/daily.
        force: make each day again; a forced day joins no run.
        progress: hears each outcome.
        poll: seconds between two looks at the server.

    Raises:
        ConfigError: the server has no such deployment, or it has no work pool.
        ServerAwayError: the server did not answer for ``PATIENCE``.
    """
    with get_client(sync_client=True) as client:
        where = patiently(lambda: _deployment(client, deployment))
        patiently(lambda: ensure_queue(client, where))
        ids = {day: uuid.uuid4() for day in days} if force else {}  # a key that a repeated request brings again

        def begin(day: dt.date) -> uuid.UUID:
            return patiently(lambda: _submit_day(client, where, day, ids.get(day)))

        waiting = {begin(day): day for day in days}
        outcomes, lives = [], dict.fromkeys(days, LIVES)
        while waiting:
            for key, run in patiently(lambda: _ended(client, list(waiting))).items():
                day = waiting.pop(key)
                lives[day] -= 1
                # Its process died, now or before it was joined, or the run is no more.
                if lives[day] and (run is None or (run.state and run.state.is_crashed())):
                    if force:
                        ids[day] = uuid.uuid4()
                    waiting[begin(day)] = day
                    continue
                outcomes.append(outcome_of(day, run) if run else _deleted(day))
                if progress:
                    progress(outcomes[-1])
            if waiting:
                time.sleep(poll)
    return sorted(outcomes, key=lambda outcome: outcome.date)


def _deployment(client: SyncPrefectClient, name: str) -> DeploymentResponse:
    try:
        found = client.read_deployment_by_name(name)
    except (ObjectNotFound, ValueError):
        found = None
    if found is None or found.work_pool_name is None:
        raise ConfigError(
            "Prefect's server has no such deployment with a work pool",
            value=name,
            allowed="FLOW/DEPLOYMENT as `prefect deployment ls` lists them",
            remedy="Create it with `prefect deploy --all` in a clone.",
        )
    return found


def ensure_queue(client: SyncPrefectClient, where: DeploymentResponse, limit: int = QUEUE_LIMIT) -> None:
    """Create the backfill queue in the deployment's work pool if it is missing: lower priority, limited."""
    pool = where.work_pool_name
    assert pool is not None
    if any(queue.name == QUEUE for queue in client.read_work_queues(work_pool_name=pool)):
        return
    client.create_work_queue(
        name=QUEUE,
        work_pool_name=pool,
        priority=QUEUE_PRIORITY,
        concurrency_limit=limit,
        description="Days of backfills; the limit is how many run at once.",
    )


def patiently(
    call: Callable[[], T],
    *,
    patience: float = PATIENCE,
    pause: float = PAUSE,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """The result of a call to the server, repeated while nothing answers or the server has errors of its own.

    Args:
        call: asks the server; may be repeated without harm.
        patience: s, how long the server may be away.
        pause: s, between two tries.
        sleep: waits.
        clock: s, from any time on.

    Raises:
        ServerAwayError: it was away for longer.
    """
    began = clock()
    while True:
        try:
            return call()
        except (httpx.TransportError, PrefectHTTPStatusError) as error:
            theirs = isinstance(error, PrefectHTTPStatusError) and error.response.status_code < 500  # it did answer
            if theirs:
                raise
            if clock() - began >= patience:
                raise ServerAwayError(
                    "The Prefect server does not answer",
                    value=f"for {patience / 60:g} min: {type(error).__name__}",
                    remedy="Start it again and repeat the command: days whose runs are alive are joined.",
                ) from error
        sleep(pause)


def _submit_day(
    client: SyncPrefectClient, where: DeploymentResponse, day: dt.date, forced: uuid.UUID | None
) -> uuid.UUID:
    """A run of the day: the one that is alive, else a new one after the last; a forced one is known by its own key.

    The key holds the last run that ended, so of two submissions at once both get the same new run.
    """
    tag, force = f"day:{day}", forced is not None
    last = None if force else _last_run(client, where, tag)
    if last is not None and not _is_final(last):
        return last.id
    after = forced or (last.id if last else "none")
    run = run_deployment(
        where.id,
        parameters={"day": day.isoformat(), "force": force},
        flow_run_name=str(day),
        timeout=0,
        as_subflow=False,
        tags=["backfill", tag],
        idempotency_key=f"{tag}:after:{after}",
        work_queue_name=QUEUE,
    )
    return cast("FlowRun", run).id  # no coroutine, since nothing is async here


def _last_run(client: SyncPrefectClient, where: DeploymentResponse, tag: str) -> FlowRun | None:
    runs = client.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[where.id])),
        flow_run_filter=FlowRunFilter(tags=FlowRunFilterTags(all_=[tag])),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=1,
    )
    return runs[0] if runs else None


def _is_final(run: FlowRun) -> bool:
    return run.state is not None and run.state.is_final()


def _ended(client: SyncPrefectClient, runs: Sequence[uuid.UUID]) -> dict[uuid.UUID, FlowRun | None]:
    """Those of some runs that ended, by their identifiers; None where the server knows the run no more."""
    found: dict[uuid.UUID, FlowRun] = {}
    for first in range(0, len(runs), _PAGE):
        page = FlowRunFilter(id=FlowRunFilterId(any_=list(runs[first : first + _PAGE])))
        found |= {run.id: run for run in client.read_flow_runs(flow_run_filter=page, limit=_PAGE)}
    return {key: found.get(key) for key in runs if key not in found or _is_final(found[key])}


def _deleted(day: dt.date) -> DayOutcome:
    return DayOutcome(
        date=day, status="failed", reason="its runs were deleted on the server", error="Deleted", exit_code=1
    )


def outcome_of(day: dt.date, run: FlowRun) -> DayOutcome:
    """The outcome of a day from the final state of its run."""
    state = run.state
    assert state is not None
    seconds = run.total_run_time.total_seconds()
    told = state.message or ""
    if state.is_completed():
        status = _BY_NAME.get(state.name or "", "published")
        href = told if status == "published" else None
        return DayOutcome(date=day, status=status, href=href, reason=told, seconds=seconds)
    error, reason = _error(told)
    kind = _class(error)
    return DayOutcome(
        date=day,
        status="failed",
        reason=reason or f"the run ended as {state.name}",
        error=error or state.name,
        exit_code=kind.exit_code if kind else 1,
        seconds=seconds,
    )


def _error(message: str) -> tuple[str | None, str]:
    """Class and text of the error in the message of a failed run: the daily flow's own, or Prefect's."""
    match = re.match(r"(?:.*?exception:? )?(\w*Error): (.*)", message, re.DOTALL)
    return (match[1], match[2]) if match else (None, message)


def _class(name: str | None) -> type[VadoseError] | None:
    from downscaler import errors

    kind = getattr(errors, name or "", None)
    return kind if isinstance(kind, type) and issubclass(kind, VadoseError) else None
