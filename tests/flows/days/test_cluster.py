"""Workers of a cluster of this machine: one thread each, and memory that they free is kept for their next tile."""

import os
import signal
import time

import pytest

from flows.days import cluster
from flows.days.cluster import connected

pytestmark = pytest.mark.integration


def told(client, name):
    return set(client.run(os.environ.get, name).values())


def test_a_worker_has_one_thread_and_keeps_freed_memory():
    with connected("local:1") as client:
        assert told(client, "OMP_NUM_THREADS") == {"1"}
        assert told(client, "MALLOC_TRIM_THRESHOLD_") == {None}  # Dask's own makes days cost two fifths more


def test_a_worker_that_hangs_does_not_keep_the_others_words():
    """What is said before closing is waited for a moment alone."""
    with connected("local:1") as client:
        (pid,) = client.run(os.getpid).values()
        os.kill(pid, signal.SIGSTOP)
        begun = time.monotonic()
        cluster._hush(client)
        assert time.monotonic() - begun < 10
        os.kill(pid, signal.SIGCONT)


def test_closing_tells_of_no_error(capfd):
    with connected("local:2") as client:
        assert client.submit(sum, [1, 2]).result() == 3
    assert "ERROR" not in capfd.readouterr().err
