"""What holds for every request and answer: known hosts, limits on bodies and on their number, security headers."""

from __future__ import annotations

import asyncio
import http
import ipaddress
import json
import socket
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from catalog.api.limits import Limits
from catalog.store.documents import depth_of

POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; script-src 'self'; "
    "connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
HEALTH = "/healthz"
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "cross-origin",  # anybody's page may show the open data
    "Permissions-Policy": "geolocation=(self), camera=(), microphone=()",
}
_PACKED = ("/catalog/", "/tiles/", "/cube/")  # files with ranges and tags, and what is compressed already


class Refusal(Exception):  # noqa: N818  (never leaves this module: an answer, no fault)
    """What a request is answered with that goes no further."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


class _Gone(Exception):  # noqa: N818
    """The client left before its request was whole."""


class Guard:
    """Pure ASGI: answers HEAD as GET without its body, reads bodies within limits, adds security headers.

    Where the service is known by a public address, every address in an answer begins with that one; else a request's
    ``Host`` has to be a name of this machine, or one of those that its operator allows.
    """

    def __init__(self, app: ASGIApp, limits: Limits, public_url: str | None = None) -> None:
        self.app, self._limits = app, limits
        self._public = urlsplit(public_url) if public_url else None
        self._hosts = {"localhost", socket.gethostname().lower(), *(host.lower() for host in limits.host_names())}
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        self._under_way += 1
        try:
            scope = self._admitted(scope)
            receive = await self._body(scope, receive)
        except _Gone:
            return
        except Refusal as refusal:
            await _refuse(sending, refusal)
        else:
            await self.app(scope, receive, sending)
        finally:
            self._under_way -= 1

    def _admitted(self, scope: Scope) -> Scope:
        if self._under_way > self._limits.requests and scope["path"] != HEALTH:
            raise Refusal(503, "The service is busy; come again in a moment.")
        if scope["method"] == "HEAD":  # the server leaves out the body of whatever is answered to HEAD
            scope = {**scope, "method": "GET", "vadose.head": True}
        if self._public is not None:
            return _as_published(scope, self._public)
        host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
        if not self._is_known(host, scope.get("server")):
            raise Refusal(
                400, f"The service is not known as {host[:80]!r}. Its operator sets --public-url or VADOSE_SERVE_HOSTS."
            )
        return scope

    def _is_known(self, host: str, server: Iterable[object] | None) -> bool:
        """Whether a Host header names this service: by a name, or by the address at which the request came in."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
            urlsplit(f"//{host}").port  # noqa: B018 - raises where it is none
        except ValueError:
            return False
        if name in self._hosts or "*" in self._hosts or (server is not None and name == next(iter(server))):
            return True
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False

    async def _body(self, scope: Scope, receive: Receive) -> Receive:
        """The request's body, read within its limits, to be received again; bodies of none are left alone."""
        headers = dict(scope["headers"])
        told, chunked = headers.get(b"content-length"), b"transfer-encoding" in headers
        if told is None and not chunked:
            return receive
        most, too_large = self._limits.body_bytes, f"A request's body has at most {self._limits.body_bytes:,} bytes."
        if told is not None and (not told.isdigit() or int(told[:20]) > most):
            raise Refusal(413, too_large)
        body, more = bytearray(), True
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Gone
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
                    if len(body) > most:
                        raise Refusal(413, too_large)
        except TimeoutError:
            raise Refusal(408, f"A request's body comes within {self._limits.body_seconds:g} s.") from None
        if told is not None and chunked:
            raise Refusal(400, "A request tells the length of its body once: Content-Length or Transfer-Encoding.")
        if depth_of(bytes(body), self._limits.body_depth) > self._limits.body_depth:
            raise Refusal(400, f"A request's JSON nests at most {self._limits.body_depth} deep.")
        waiting: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def again() -> Message:
            return waiting.pop() if waiting else await receive()

        return again


class Compressed:
    """Pure ASGI: gzip for answers in text; files of the catalogue, tiles and cubes go as they are."""

    def __init__(self, app: ASGIApp) -> None:
        self.app, self._packing = app, GZipMiddleware(app, minimum_size=1_000, compresslevel=5)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        plain = scope["type"] != "http" or scope["path"].startswith(_PACKED)
        await (self.app if plain else self._packing)(scope, receive, send)


def _as_published(scope: Scope, public: SplitResult) -> Scope:
    headers = [(name, value) for name, value in scope["headers"] if name != b"host"]
    headers.append((b"host", public.netloc.encode()))
    return {**scope, "scheme": public.scheme, "headers": headers, "root_path": public.path.rstrip("/")}


async def _refuse(send: Send, refusal: Refusal) -> None:
    code = http.HTTPStatus(refusal.status).phrase.replace(" ", "")
    body = json.dumps({"code": code, "description": refusal.text}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(b"retry-after", b"1")] if refusal.status == http.HTTPStatus.SERVICE_UNAVAILABLE else []
    headers += [(b"connection", b"close")] if refusal.status in (400, 408, 413) else []
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
