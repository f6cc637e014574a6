"""Work on a Dask cluster: one that runs, or one of this machine's processes; a worker that dies costs its own task."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

from downscaler.errors import ConfigError, VadoseError
from downscaler.parts import Spread, cores, in_processes

_CONNECT_SECONDS, _HUSH_SECONDS = 20, 2
_Item = TypeVar("_Item")
# Of a cluster of our own, which nobody looks at. Its workers may keep memory that they will ask for again: Dask has
# them give back each piece at once, which made days cost two fifths more.
_OWN = {
    "distributed.nanny.pre-spawn-environ": {f"{name}_NUM_THREADS": 1 for name in ("OMP", "OPENBLAS", "MKL")},
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.tick.interval": "1s",
}
LOCAL = re.compile(r"local(?::([1-9]\d{0,2}))?")
_ADDRESS = re.compile(r"(tcp|tls)://(\[[0-9a-fA-F:.%]+\]|[^\s:/]+):\d{1,5}/?")


@contextmanager
def connected(scheduler: str) -> Iterator[Any]:
    """A client of a scheduler at tcp://HOST:PORT, or of worker processes of this machine (``local``, ``local:N``).

    Raises:
        ConfigError: Dask is not installed, or no scheduler answers.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError:
        raise ConfigError(
            "Dask is not installed", value=f"--scheduler {scheduler}", remedy="pip install 'vadose[dask]'."
        ) from None
    if local := LOCAL.fullmatch(scheduler):
        workers = int(local[1] or cores())
        own = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
        with (
            dask.config.set(_OWN),
            LocalCluster(n_workers=workers, **own) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            try:
                yield client
            finally:
                _hush(client)
        return
    allowed = "local, local:N, or tcp://HOST:PORT of a running scheduler"
    if not _ADDRESS.fullmatch(scheduler):  # Dask's client fails half made, and hangs for 40 s when it is thrown away
        raise ConfigError("--scheduler is no address of a scheduler", value=scheduler, allowed=allowed)
    try:
        client = Client(scheduler, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise ConfigError("No Dask scheduler answers", value=f"{scheduler}: {error}", allowed=allowed) from None
    with client:
        yield client


def _hush(client: Any) -> None:
    """Before its cluster closes: a worker that reports just then would tell of an error that is none.

    A worker that hangs is waited for no longer than others; it is closed like them.
    """

    def tell() -> None:
        with suppress(Exception):  # a lost cluster is told of by its work
            client.run(_report_nothing, on_error="ignore")

    telling = threading.Thread(target=tell, daemon=True)
    telling.start()
    telling.join(_HUSH_SECONDS)


def _report_nothing() -> None:
    logging.getLogger("distributed.worker").setLevel(logging.CRITICAL)


@contextmanager
def spread_on(scheduler: str | None, workers: int, lost: type[VadoseError]) -> Iterator[Spread]:
    """Who does numbered work: a Dask cluster if a scheduler is named, else so many processes of this machine.

    Work that costs several workers raises ``lost``.
    """
    if scheduler is None:
        yield in_processes(workers)
        return
    with connected(scheduler) as client:
        yield partial(_spread, client, lost)


def _spread(
    client: Any, lost: type[VadoseError], work: Callable[[int], Any], items: Sequence[int], /
) -> Iterator[tuple[int, Any]]:
    for item, result, error in each_done(client, work, items):
        if error is None:
            yield item, result
        elif type(error).__name__ == "KilledWorker":
            raise lost(
                "Several workers died of the same work (perhaps out of memory)",
                value=error,
                remedy="Run the same command again: what was finished is kept. Perhaps with fewer or larger workers.",
            ) from error
        else:
            raise error


def each_done(
    client: Any, work: Callable[[_Item], Any], items: Sequence[_Item]
) -> Iterator[tuple[_Item, Any, Exception | None]]:
    """Each item with its result, or with what was raised, as they come.

    Work whose worker died is begun again on another; what has cost several workers comes with ``KilledWorker``.
    """
    from distributed import as_completed

    futures = {client.submit(work, item, pure=False): item for item in items}
    for future in as_completed(list(futures), loop=client.loop):
        item, error = futures.pop(future), future.exception()
        yield item, (future.result() if error is None else None), error
        future.release()
