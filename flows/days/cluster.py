"""Work on a Dask cluster: one that runs, or one of this machine's processes; a worker that dies costs its own task."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from downscaler.errors import ConfigError
from downscaler.parts import cores

_CONNECT_SECONDS = 20
_Item = TypeVar("_Item")
LOCAL = re.compile(r"local(?::([1-9]\d{0,2}))?")


@contextmanager
def connected(scheduler: str) -> Iterator[Any]:
    """A client of a scheduler at tcp://HOST:PORT, or of worker processes of this machine (``local``, ``local:N``).

    Raises:
        ConfigError: Dask is not installed, or no scheduler answers.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise ConfigError(
            "Dask is not installed", value=f"--scheduler {scheduler}", remedy="pip install 'vadose[dask]'."
        ) from None
    if local := LOCAL.fullmatch(scheduler):
        workers = int(local[1] or cores())
        own = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
        with LocalCluster(n_workers=workers, **own) as cluster, Client(cluster, set_as_default=False) as client:
            yield client
        return
    try:
        client = Client(scheduler, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise ConfigError(
            "No Dask scheduler answers",
            value=f"{scheduler}: {error}",
            allowed="local, local:N, or tcp://HOST:PORT of a running scheduler",
        ) from None
    with client:
        yield client


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
