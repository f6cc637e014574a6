"""Who makes the days of a period: processes, or workers of a cluster, which load while the days are chosen."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from flows.day.jobs import DayJob
from flows.day.make import get_ready
from flows.days.cluster import LOCAL, connected
from flows.days.workers import one_worker, threads_shared

_PATIENCE = 10  # seconds that a cluster waits for workers that still load, where days are few


@dataclass
class Crew:
    """Processes that have nothing to do, or a cluster's ``client``; neither where this process makes the days."""

    jobs: Sequence[DayJob]
    workers: int
    stack: ExitStack
    idle: list[ProcessPoolExecutor] = field(default_factory=list)
    client: Any = None

    def hire(self) -> ProcessPoolExecutor:
        """One more process, which has its share of the cores and begins to load."""
        with threads_shared(self.workers):  # read when the process starts, which is with its first task
            worker = self.stack.enter_context(one_worker())
            worker.submit(get_ready, self.jobs)
        return worker

    def load(self) -> None:
        """Have every worker of the cluster begin to load; before the cluster is closed, they have ended that."""
        loading = [
            self.client.submit(get_ready, self.jobs, workers=[address], allow_other_workers=True, pure=False)
            for address in self.client.scheduler_info(n_workers=-1)["workers"]
        ]
        self.stack.callback(partial(_ended, loading))


def _ended(loading: Sequence[Any]) -> None:
    """Wait for what still loads: a worker that is busy is killed with its cluster, which says so."""
    until = time.monotonic() + _PATIENCE
    for each in loading:
        with suppress(TimeoutError, CancelledError):
            each.exception(timeout=max(0.01, until - time.monotonic()))


@contextmanager
def crew(jobs: Sequence[DayJob], days: int, workers: int, scheduler: str | None) -> Iterator[Crew]:
    """Those who make so many days: at most ``workers`` processes, or the workers of a Dask ``scheduler``.

    Raises as ``flows.days.cluster.connected`` and ``flows.days.workers.one_worker``.
    """
    with ExitStack() as stack:
        made = Crew(jobs=jobs, workers=min(workers, days), stack=stack)
        if scheduler is not None:
            made.client = stack.enter_context(connected(scheduler))
            if LOCAL.fullmatch(scheduler):
                made.load()
        elif made.workers > 1:
            made.idle = [made.hire() for _ in range(made.workers)]
        yield made
