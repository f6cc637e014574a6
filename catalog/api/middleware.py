"""Middleware for every request: read-only methods, limited bodies, security headers."""

from __future__ import annotations

import http
import json
from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY = 1_000_000  # bytes of a search document; a polygon of 10,000 positions fits
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; script-src 'self'; "
    "connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "cross-origin",  # anybody's page may show the open data
    "Permissions-Policy": "geolocation=(self), camera=(), microphone=()",
}


class Guard:
    """Pure ASGI: answers HEAD as GET without its body, refuses large bodies, adds security headers.

    Where the service is known by a public address, every address in an answer begins with that one.
    """

    def __init__(self, app: ASGIApp, public_url: str | None = None) -> None:
        self.app = app
        self._public = urlsplit(public_url) if public_url else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        head = scope["method"] == "HEAD"
        if head:  # the server leaves out the body of whatever is answered to HEAD
            scope = {**scope, "method": "GET", "vadose.head": True}

        if self._public is not None:
            scope = _as_published(scope, self._public)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        refusal = _too_large(scope)
        if refusal is not None:
            await _refuse(sending, *refusal)
            return
        await self.app(scope, receive, sending)


def _as_published(scope: Scope, public: SplitResult) -> Scope:
    headers = [(name, value) for name, value in scope["headers"] if name != b"host"]
    headers.append((b"host", public.netloc.encode()))
    return {**scope, "scheme": public.scheme, "headers": headers, "root_path": public.path.rstrip("/")}


def _too_large(scope: Scope) -> tuple[int, str] | None:
    headers = dict(scope["headers"])
    if b"transfer-encoding" in headers:
        return 411, "A request with a body must state its Content-Length."
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or int(length[:20]) > LARGEST_BODY:
        return 413, f"A request's body has at most {LARGEST_BODY:,} bytes."
    return None


async def _refuse(send: Send, status: int, text: str) -> None:
    code = http.HTTPStatus(status).phrase.replace(" ", "")
    body = json.dumps({"code": code, "description": text}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
