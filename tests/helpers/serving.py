"""A served catalogue on loopback: the very server that ``vadose serve`` runs."""

import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from fastapi import FastAPI

from catalog.api.connections import Server, server_config
from catalog.api.limits import Limits

PATIENCE = 60.0


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Address of an application while it runs on a free port."""
    limits = getattr(app.state, "limits", None) or Limits()
    config = server_config(app, limits, host="127.0.0.1", port=0, log_level="warning", timeout_graceful_shutdown=5)
    server = Server(config)
    with serving(server):
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"


@contextmanager
def serving(server: Server) -> Iterator[None]:
    """A server while it runs, in a thread of its own."""
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        end = time.monotonic() + PATIENCE
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            assert time.monotonic() < end
            time.sleep(0.02)
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=PATIENCE)
        assert not thread.is_alive()


def eventually(check, message: str):
    """The first true answer of a check that is asked again and again."""
    end = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(requests.RequestException):
            if (found := check()) is not None and found is not False:
                return found
        assert time.monotonic() < end, message
        time.sleep(0.1)
