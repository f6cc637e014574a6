"""Runs the cells of a playground on processes or a Dask cluster, keeps each, and writes the report."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from threadpoolctl import threadpool_limits

from downscaler.errors import ExperimentError
from downscaler.ground.prior import Prior
from downscaler.playground import CELLS
from downscaler.playground.experiment import PHYSICS as PHYSICS_LAYOUT
from downscaler.playground.experiment import Cell, Design, Record, fingerprint, fit_physics, run_cell, sited, table
from downscaler.playground.records import Records, read_propensity, write_report
from downscaler.playground.sampled.frame import frame_of
from downscaler.playground.sampled.gathering import sampled_world
from downscaler.playground.stations.networks import read_network
from downscaler.playground.world import World, make_world
from downscaler.report.playground import make_report
from downscaler.report.playground_text import Truth
from downscaler.stores.prior import open_prior
from flows import console
from flows.days.cluster import connected, each_done
from flows.days.workers import end_with_parent, shared_memory

if TYPE_CHECKING:
    from downscaler.playground.findings import Finding
    from downscaler.playground.method import Method
    from downscaler.playground.stations.layouts import Network
    from downscaler.playground.stations.siting import Propensity

Shared = tuple[World, Design, tuple["Method", ...]]
_SINGLE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_shared: list[Shared] = []  # of a worker process: what it was started with


@dataclass(frozen=True, kw_only=True)
class PlaygroundJob:
    """What to run, from which prior, on which part of it, where to keep it, and on what: processes or a scheduler.

    A domain of more than ``cells`` active cells is sampled, so that no more are held.
    """

    prior: Path
    out: Path
    domain: str | None = None
    design: Design = field(default_factory=Design)
    cells: int = CELLS
    workers: int = 1
    scheduler: str | None = None


@dataclass(frozen=True, kw_only=True)
class Done:
    """A finished experiment: its truth, its cells' records in the order of the table, and how many were made now."""

    prior: Prior
    world: World
    records: tuple[Record, ...]
    made: int


def open_world(job: PlaygroundJob, network: Network | None, given: Propensity | None) -> tuple[PlaygroundJob, World]:
    """The job with its siting, and the truth on its domain: whole, or where that is large a sample of it.

    Args:
        job: what was asked.
        network: a real network, whose layout is added.
        given: propensity of siting; None fits it to the network where it can be, see ``sited``.

    Raises as ``open_prior``, ``Prior.require``, ``make_world`` and ``sampled_world``.
    """
    from downscaler import product

    prior = open_prior(job.prior)
    domain = prior.domain if job.domain is None else product.domain(job.domain)
    prior.require(domain)
    if int(prior.active(domain).sum()) > job.cells:
        frame = frame_of(prior, domain)
        design = sited(job.design, frame, network, given)
        return replace(job, design=design), sampled_world(prior, domain, frame, design, job.cells)
    window = domain.window()
    learning, judged = job.design.days
    data = prior.window(domain, window.relative_to(window))
    world = make_world(data, learning_days=learning, judged_days=judged)
    return replace(job, design=sited(job.design, world, network, given)), world


def run_experiment(job: PlaygroundJob, world: World) -> Done:
    """All cells of a job's table; those that a run before has finished are kept.

    Raises:
        ExperimentError: a worker died, or records cannot be written or read.
        ConfigError: no scheduler answers, or Dask is not installed.
    """
    prior = open_prior(job.prior)
    cells = table(job.design, world.domain_cells)
    sampled = None if world.sample is None else job.cells
    records = Records(job.out, fingerprint(job.design, f"{prior.record().sha256}/{job.domain}", sampled))
    records.clear()
    missing = records.missing(cells)
    if missing:
        needed = any(cell.layout == PHYSICS_LAYOUT for cell in missing)
        with threadpool_limits(1):
            physics = fit_physics(world, job.design) if needed else ()
        shared = (world.light(), job.design, physics)
        with console.progress_bar("playground", total=len(missing), remaining=True) as tell:
            for done, record in enumerate(_results(missing, shared, job), start=1):
                records.write(record)
                tell(done, len(missing))
    found = tuple(records.read(cell) for cell in cells)
    return Done(prior=prior, world=world, records=found, made=len(missing))


def _results(cells: Sequence[Cell], shared: Shared, job: PlaygroundJob) -> Iterator[Record]:
    if job.scheduler is not None:
        return _on_cluster(cells, shared, job.scheduler)
    if job.workers == 1 or len(cells) == 1:
        return (_work(shared, cell) for cell in cells)
    return _in_processes(cells, shared, job.workers)


def _work(shared: Shared, cell: Cell) -> Record:
    """One cell in this process, on one thread: sums come out the same wherever it is worked out."""
    with threadpool_limits(1):
        return run_cell(*shared, cell)


def _in_processes(cells: Sequence[Cell], shared: Shared, workers: int) -> Iterator[Record]:
    before = {name: os.environ.get(name) for name in _SINGLE}
    os.environ.update(_SINGLE)  # read by the libraries when a worker starts
    # spawn: forking after XGBoost and BLAS have started their threads deadlocks
    with shared_memory():
        pool = ProcessPoolExecutor(
            max_workers=min(workers, len(cells)),
            mp_context=get_context("spawn"),
            initializer=_start,
            initargs=(shared,),
        )
    try:
        for future in as_completed([pool.submit(_work_here, cell) for cell in cells]):
            yield future.result()
    except BrokenProcessPool as error:
        raise _lost(error) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _lost(error: BaseException) -> ExperimentError:
    return ExperimentError(
        "A worker process died (perhaps out of memory)",
        value=error,
        remedy="Run the same command again, perhaps with fewer workers; finished cells are kept.",
    )


def _start(shared: Shared) -> None:
    _shared.append(shared)
    end_with_parent()


def _work_here(cell: Cell) -> Record:
    return _work(_shared[0], cell)


def _on_cluster(cells: Sequence[Cell], shared: Shared, scheduler: str) -> Iterator[Record]:
    """Cells on a Dask cluster whose workers have this package; records come back to this process alone."""
    with connected(scheduler) as client:
        everywhere: Any = client.scatter([shared], broadcast=True)[0]
        for _cell, record, error in each_done(client, partial(_work, everywhere), cells):
            if error is None:
                yield record
            elif type(error).__name__ == "KilledWorker":
                raise _lost(error) from error
            else:
                raise error


def make_playground(
    job: PlaygroundJob, network: Path | None = None, propensity: Path | None = None
) -> tuple[Finding, ...]:
    """Run a job and write its report; the findings."""
    real = None if network is None else read_network(network)
    job, world = open_world(job, real, None if propensity is None else read_propensity(propensity))
    return report(job, run_experiment(job, world))


def report(job: PlaygroundJob, done: Done) -> tuple[Finding, ...]:
    """Write the page and the tables; returns the findings."""
    first, last = done.prior.period
    truth = Truth(
        title=done.prior.title,
        domain=job.domain or done.prior.domain.name,
        period=f"{first} to {last}",
        digest=done.prior.record().sha256,
        simulated=done.prior.simulated,
        notes=done.prior.notes,
    )
    made = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    worked_out = f"{done.made} of {len(done.records)} cells worked out in this run"
    found = make_report(truth, done.world, job.design, done.records, made=made, worked_out=worked_out)
    write_report(job.out, found.page, found.tables)
    return found.findings
