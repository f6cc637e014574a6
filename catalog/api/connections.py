"""How the server keeps its connections: those that send or take nothing give way, and logs stay short."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from catalog.api.limits import Limits

BACKLOG = 64  # connections taken at one turn of the loop: fewer than the descriptors that are kept spare
_LARGEST_HEAD = 32_768  # bytes of a request's line and headers
_MESSAGES, _SPAN = 20, 10.0  # of one kind in so many seconds


def server_config(app: Any, limits: Limits, **more: Any) -> uvicorn.Config:
    """The server's settings with its limits on connections, heads and logs; ``more`` as uvicorn takes them."""
    for name in ("uvicorn.error", "asyncio"):
        logger = logging.getLogger(name)
        logger.filters = [*(f for f in logger.filters if not isinstance(f, Seldom)), Seldom()]
    return uvicorn.Config(
        app,
        http=_protocol(limits),
        ws="none",
        backlog=BACKLOG,
        server_header=False,
        h11_max_incomplete_event_size=_LARGEST_HEAD,
        **more,
    )


def _protocol(limits: Limits) -> type[H11Protocol]:
    return type("LimitedProtocol", (_LimitedProtocol,), {"limits": limits, "most": limits.sockets()})


class _LimitedProtocol(H11Protocol):
    """uvicorn's protocol, which ends a connection whose head does not come or whose client does not read.

    Where there are more connections than may be, the one that has been waiting longest without a whole request gives
    way to the new one, so that a client that asks is always heard.
    """

    limits: Limits
    most: int

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._head: asyncio.TimerHandle | None = None
        self._taken: asyncio.TimerHandle | None = None
        self.waiting_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A new connection; an older one that waits gives way."""
        super().connection_made(transport)
        self._watch()
        if len(self.connections) > self.most:
            others = [other for other in self.connections if isinstance(other, _LimitedProtocol)]
            waiting = [other for other in others if other.waiting_since is not None]
            longest = min(waiting, key=lambda other: other.waiting_since or 0.0, default=self)
            longest.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Part of a request."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """A request is answered; the connection may be used again."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._watch(over=True)
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client takes nothing; it has a while to go on."""
        super().pause_writing()
        if self._taken is None:
            self._taken = self.loop.call_later(self.limits.answer_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        if self._taken is not None:
            self._taken.cancel()
            self._taken = None

    def _watch(self, *, over: bool = False) -> None:
        """Start the time for a request's head, or end it where the head is there."""
        answered = self.cycle is not None and self.cycle.response_complete
        waiting = self.conn.their_state is h11.IDLE or (answered and self.conn.their_state is h11.SEND_BODY)
        if waiting and not over:
            if self._head is None:
                self.waiting_since = time.monotonic()
                self._head = self.loop.call_later(self.limits.header_seconds, self.transport.abort)
            return
        self.waiting_since = None
        if self._head is not None:
            self._head.cancel()
            self._head = None


class Seldom(logging.Filter):
    """Lets a message through a few times in a while, so that a flood of requests is no flood of log lines."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a message is written."""
        now, kind = time.monotonic(), str(record.msg)[:80]
        since, number = self._seen.get(kind, (now, 0))
        if now - since > _SPAN:
            since, number = now, 0
        if len(self._seen) > 1_000:
            self._seen.clear()
        self._seen[kind] = (since, number + 1)
        return number < _MESSAGES
