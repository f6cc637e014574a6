"""Plans which days to make, from the catalogue and the available granules."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from downscaler.errors import GranuleMissingError, NoRetrievalError
from flows.day.inputs import prepare
from flows.day.jobs import DayJob, DayOutcome
from flows.day.make import try_day
from flows.day.period import makeable, today
from flows.days.crew import crew
from flows.days.cubes import keep_in_step
from flows.days.run import Attempt, Days, run_days
from flows.days.state import DayState, look_back, survey

Hear = Callable[[DayOutcome], None]
DONE = "already published from the same inputs, model and versions"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to make, in order, and what is told of the other days without making them."""

    work: Days
    settled: tuple[DayOutcome, ...] = ()


def plan_period(job: DayJob, dates: Sequence[dt.date], *, stale: bool = False) -> Plan:
    """The days of a period that need work: missing, stale, cut off or failed; with ``stale`` published ones alone.

    With ``job.force`` every day does, and where granules are named outright their content decides, day by day.
    Raises as ``flows.days.state.survey``.
    """
    if not stale and (job.force or job.granules):
        return Plan(work=dict.fromkeys(dates))
    states = survey(job, dates[0], dates[-1])
    work = {state.date: state.revision for state in states if _needs_work(state, stale=stale)}
    if stale and job.force:
        work = {state.date: state.revision for state in states if state.revision}
    settled = (_settled(state) for state in states if state.date not in work and (state.revision or not stale))
    return Plan(work=work, settled=tuple(settled))


def _needs_work(state: DayState, *, stale: bool) -> bool:
    """A failed day is tried again whenever a person asks for it; one without coverage when its inputs changed."""
    if stale:
        return state.revision > 0 and (state.work or state.state == "failed")
    return state.work or state.state == "failed"


def _settled(state: DayState) -> DayOutcome:
    if state.state == "published":
        return DayOutcome(date=state.date, status="current", reason=DONE)
    if state.state == "withdrawn":
        return DayOutcome(
            date=state.date, status="current", reason=f"withdrawn: {state.why}; --force publishes it again"
        )
    cause = NoRetrievalError if state.state == "no-coverage" else GranuleMissingError
    return DayOutcome(
        date=state.date, status="no-coverage", reason=state.why, error=cause.__name__, exit_code=cause.exit_code
    )


def plan_last(job: DayJob, last: dt.date, days: int) -> Plan:
    """The last days that are missing, stale or worth another try, the newest first; all of them with ``job.force``."""
    states = look_back(job, last, days)
    return Plan(work={state.date: state.revision for state in states if state.work or (job.force and state.granule)})


def make_period(
    job: DayJob,
    start: dt.date,
    end: dt.date,
    *,
    stale: bool = False,
    workers: int = 1,
    scheduler: str | None = None,
    attempt: Attempt = try_day,
    hear: Hear = lambda _outcome: None,
) -> list[DayOutcome]:
    """Backfill: make what a period lacks and tell of every day of it; one bad day stops no other.

    ``hear`` is told of each day, of those that stand first. Whether days failed is for ``judge`` to say. ``workers``
    processes share the days, or the workers of a Dask ``scheduler``; they load while it is found what is to be made.

    Raises:
        PeriodError: the period is reversed, in the future or before SMAP's first data.
        VadoseError: prior, model, catalogue or archive cannot be used; no day is touched then.
    """
    dates = makeable(start, end)
    outcomes: list[DayOutcome] = []
    with crew(job.each(), len(dates), workers, scheduler) as hands:
        for each in job.each():
            plan = plan_period(each, dates, stale=stale)
            _begin(plan, each)
            named, hear_named = _naming(each, hear)
            for outcome in plan.settled:
                hear_named(outcome)
            made = run_days(plan.work, each, hands=hands, attempt=attempt, progress=hear_named)
            outcomes += map(named, [*plan.settled, *made])
            _follow(made, each)
    return sorted(outcomes, key=lambda outcome: outcome.date)


def make_last(
    job: DayJob,
    days: int,
    *,
    last: dt.date | None = None,
    attempt: Attempt = try_day,
    hear: Hear = lambda _outcome: None,
) -> list[DayOutcome]:
    """The daily run: make what is missing or stale of the last days, the newest first; only these are told of.

    A failed day stops no other and comes back when its inputs changed or its fault may pass; days that wait for their
    granule are left alone. Raises PeriodError when ``last`` is in the future or before SMAP's first data, and as
    ``flows.days.state.look_back``.
    """
    until = makeable(last or today())[0]
    outcomes: list[DayOutcome] = []
    for each in job.each():
        plan = plan_last(each, until, days)
        _begin(plan, each)
        named, hear_named = _naming(each, hear)
        made = run_days(plan.work, each, attempt=attempt, progress=hear_named)
        outcomes += map(named, made)
        _follow(made, each)
    return sorted(outcomes, key=lambda outcome: outcome.date, reverse=True)


def _naming(job: DayJob, hear: Hear) -> tuple[Callable[[DayOutcome], DayOutcome], Hear]:
    """What names the job's product in an outcome, and ``hear`` told of outcomes so named."""

    def named(outcome: DayOutcome) -> DayOutcome:
        return replace(outcome, product=job.products[0])

    return named, lambda outcome: hear(named(outcome))


def _follow(made: Sequence[DayOutcome], job: DayJob) -> None:
    """Let the cube have what was published."""
    if any(outcome.status == "published" for outcome in made):
        keep_in_step(job.catalog, job.domain)


def _begin(plan: Plan, job: DayJob) -> None:
    """Check what the days are made with before any is touched; clear what dead runs left where no day stands."""
    from catalog.publish.claims import sweep
    from catalog.store.probe import require_conditional_writes
    from downscaler import product

    if plan.work:
        prepare(job)
        require_conditional_writes(job.catalog)
    sweep(job.catalog, product.domain(job.domain))
