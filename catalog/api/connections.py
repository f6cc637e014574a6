"""How the server keeps its connections: those that send or take nothing give way, and logs stay short."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections import OrderedDict
from typing import Any, ClassVar

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from catalog.api.limits import Limits

QUEUE = 4096  # connections that the kernel keeps until they are taken: of one too many it drops the knock, for 1 to 3 s
_AT_ONCE = 64  # connections taken at one turn of the loop: fewer than the descriptors that are kept spare
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
        backlog=_AT_ONCE,
        server_header=False,
        h11_max_incomplete_event_size=_LARGEST_HEAD,
        **more,
    )


class Server(uvicorn.Server):
    """uvicorn's server with a long queue before it; the loop takes few connections of it at a time."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen; asyncio has one number for both the queue and what is taken at a turn."""
        await super().startup(sockets=sockets)
        for server in self.servers:
            for listening in server.sockets:
                with listening.dup() as own:
                    own.listen(QUEUE)


def _protocol(limits: Limits) -> type[H11Protocol]:
    own = {"limits": limits, "most": limits.sockets(), "waiting": OrderedDict()}
    return type("LimitedProtocol", (_LimitedProtocol,), own)


class _LimitedProtocol(H11Protocol):
    """uvicorn's protocol, which ends a connection whose head does not come or whose client does not read.

    Where there are more connections than may be, the one that has been waiting longest without a whole request gives
    way to the new one, so that a client that asks is always heard.
    """

    limits: ClassVar[Limits]
    most: ClassVar[int]
    waiting: ClassVar[OrderedDict[_LimitedProtocol, float]]  # and since when; the longest first
    sweep: ClassVar[asyncio.TimerHandle | None] = None

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._taken: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A new connection; an older one that waits gives way."""
        super().connection_made(transport)
        self._watch()
        if len(self.connections) > self.most:
            next(iter(self.waiting), self).transport.abort()

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
        if over or not waiting:
            self.waiting.pop(self, None)
            return
        self.waiting.setdefault(self, self.loop.time())
        if type(self).sweep is None:
            type(self).sweep = self.loop.call_later(self.limits.header_seconds, self._end_overdue, self.loop)

    @classmethod
    def _end_overdue(cls, loop: asyncio.AbstractEventLoop) -> None:
        """End the connections whose time for a head is over: one timer for all."""
        cls.sweep = None
        while cls.waiting:
            longest, since = next(iter(cls.waiting.items()))
            if (left := since + cls.limits.header_seconds - loop.time()) > 0:
                cls.sweep = loop.call_later(left, cls._end_overdue, loop)
                return
            cls.waiting.popitem(last=False)
            longest.transport.abort()


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
