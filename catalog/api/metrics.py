"""``/metrics``: how the product stands, for Prometheus; looked up in the catalogue at most once a minute."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST

from catalog.metrics import catalogue_samples, exposition

if TYPE_CHECKING:
    from catalog.store.base import Store

PATH = "/metrics"
_FRESH = 60.0  # s


class Told:
    """The text as it was last made, and when."""

    def __init__(self, store: Store, fresh: float = _FRESH) -> None:
        self._store, self._fresh = store, fresh
        self._text, self._made, self._lock = b"", float("-inf"), threading.Lock()

    def now(self) -> bytes:
        """The text, made anew where it is older than a minute; raises CatalogError where the store is away."""
        with self._lock:
            if time.monotonic() - self._made > self._fresh:
                self._text, self._made = exposition(catalogue_samples(self._store)), time.monotonic()
            return self._text


def add_metrics(app: FastAPI, store: Store, fresh: float = _FRESH) -> None:
    """Add the route to an application."""
    told, own = Told(store, fresh), CapacityLimiter(1)

    @app.get(PATH, summary="How the product stands, for Prometheus", response_class=Response)
    async def metrics() -> Response:
        """Freshness, gaps by cause, latency, failures and skill; HTTP 503 where the catalogue cannot be read."""
        text = await to_thread.run_sync(told.now, limiter=own)
        return Response(text, media_type=CONTENT_TYPE_LATEST)
