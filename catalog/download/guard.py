"""What a catalogue of others may make this machine ask for: hosts, addresses, and how much of an answer is taken.

A catalogue names addresses, in links, hrefs and redirects. Only those of its own host and port are asked, and those of
hosts that the user allows; a public name that leads to a private address is none of them. Every answer that is no file
is taken within limits of bytes, time and nesting.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import requests
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from catalog.store.documents import depth_of
from catalog.store.settings import from_environment
from downscaler.errors import CatalogError, ConfigError, ForeignHostError, VadoseError

BUSY = (429, 500, 502, 503, 504)
_PIECE = 1 << 16
_LONGEST_WAIT = 30.0  # s between two tries, whatever a server asks for
_PORTS = {"http": 80, "https": 443}


class Bounds(BaseSettings):
    """How much a download takes of a catalogue; ``VADOSE_DOWNLOAD_DOCUMENTS=1000`` sets one."""

    model_config = SettingsConfigDict(env_prefix="VADOSE_DOWNLOAD_", extra="forbid")

    document_bytes: int = Field(default=16_000_000, ge=10_000, description="bytes of one JSON document")
    document_seconds: float = Field(default=120.0, gt=0, description="seconds in which one JSON document has to come")
    document_parts: int = Field(default=1_000_000, ge=1_000, description="objects, lists and values of one document")
    document_depth: int = Field(default=64, ge=16, description="how deep a document's JSON may nest")
    documents: int = Field(default=100_000, ge=10, description="documents of one download")
    link_depth: int = Field(default=12, ge=4, description="links from the root of a catalogue down to an item")
    items: int = Field(default=50_000, ge=1, description="days of one download")
    redirects: int = Field(default=5, ge=0, description="redirects of one request")
    file_bytes: int = Field(
        default=4_000_000_000, ge=1_000, description="bytes of a file whose item does not tell its size"
    )
    file_rate: float = Field(
        default=200.0, ge=0, description="bytes a second, on a minute's average, below which a file is given up"
    )


def bounds() -> Bounds:
    """The bounds as the environment sets them; raises ConfigError."""
    return from_environment(Bounds, "limit of downloads")


class Guard:
    """Says which addresses of a catalogue may be asked, and counts its documents.

    Args:
        address: of the catalogue, as the user gave it.
        allow_hosts: further hosts, each NAME or NAME:PORT.
        limits: how much is taken.

    Raises:
        ConfigError: an allowed host is no name.
    """

    def __init__(self, address: str, allow_hosts: Iterable[str] = (), limits: Bounds | None = None) -> None:
        self.limits = limits or bounds()
        self.refusal: VadoseError | None = None
        self._own = _place(address)
        self._allowed = {_named(host) for host in allow_hosts}
        self._asked = 0
        self._counting = threading.Lock()
        # Whoever names a host of a private network means it; a public name may not turn into such an address later.
        self._private = {name for name, _ in self._allowed}
        if self._own[0] and _is_private_name(self._own[0]):
            self._private.add(self._own[0])

    def require_allowed(self, address: str) -> None:
        """Raise ForeignHostError for an address of another host, port or scheme than the catalogue's own."""
        name, port = _place(address)
        if (name, port) != self._own and not {(name, port), (name, None)} & self._allowed:
            self._refuse(address, "its own host", f"--allow-host {name}" if name else None)

    def require_public(self, name: str, peer: str) -> None:
        """Raise ForeignHostError where a public name has led to an address of this machine or a private network."""
        if name.lower() not in self._private and _is_private(peer):
            self._refuse(f"{name} at {peer}", "public addresses", f"--allow-host {name}")

    def count(self, address: str) -> None:
        """Count a document; raises CatalogError when there are more than may be."""
        with self._counting:
            self._asked += 1
        if self._asked > self.limits.documents:
            raise CatalogError(
                "The catalogue has more documents than one download reads",
                value=address,
                allowed=f"{self.limits.documents:,}",
                remedy="Choose a shorter period, or set VADOSE_DOWNLOAD_DOCUMENTS.",
            )

    def _refuse(self, value: str, allowed: str, option: str | None) -> None:
        raise ForeignHostError(
            "The catalogue leads to a host that is not its own",
            value=value[:300],
            allowed=allowed,
            remedy=f"If you trust that host: {option}." if option else None,
        )


def _place(address: str) -> tuple[str, int | None]:
    """Host and port of an address; an empty name where it has none."""
    try:
        parts = urlsplit(address)
        return (parts.hostname or "", parts.port or _PORTS.get(parts.scheme)) if parts.scheme in _PORTS else ("", None)
    except ValueError:
        return "", None


def _named(host: str) -> tuple[str, int | None]:
    """An allowed host as name and port, None for any port; raises ConfigError."""
    try:
        parts = urlsplit(f"//{host.strip()}")
        name, port, plain = parts.hostname, parts.port, not (parts.path or parts.query or parts.username)
    except ValueError:
        name, port, plain = None, None, False
    if not name or not plain:
        raise ConfigError("An allowed host is none", value=host, allowed="NAME or NAME:PORT")
    return name, port


def _is_private(peer: str) -> bool:
    address = ipaddress.ip_address(peer.split("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return not (mapped or address).is_global


def _is_private_name(name: str) -> bool:
    """Whether a host is one of this machine or a private network, as its name is resolved now."""
    try:
        return any(_is_private(str(found[4][0])) for found in socket.getaddrinfo(name, None))
    except (OSError, UnicodeError, ValueError):
        return False


class GuardedSession(requests.Session):
    """A session that asks what its guard allows, and takes of an answer what the guard's limits allow.

    Answers that are streamed are files: whoever reads them keeps to their size. ``tries`` are those of a document,
    while the server is busy or not there.
    """

    def __init__(self, guard: Guard, tries: int = 1) -> None:
        super().__init__()
        self.guard = guard
        self.max_redirects = guard.limits.redirects
        self.headers["User-Agent"] = "vadose"
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter(guard, tries))

    def send(self, request: requests.PreparedRequest, **more: Any) -> requests.Response:
        """The answer at the end of a chain of redirects; raises requests' own errors and the guard's."""
        try:
            return super().send(request, **more)
        except ValueError as error:  # of a redirect that leads to no address
            if isinstance(error, requests.RequestException):
                raise
            raise requests.exceptions.InvalidURL(str(error), request=request) from error


class _Adapter(HTTPAdapter):
    """Sends one request, each of a chain of redirects."""

    def __init__(self, guard: Guard, tries: int) -> None:
        self._guard, self._tries = guard, tries
        super().__init__(max_retries=0, pool_maxsize=32)

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        """Let all direct connections be watched ones; a proxy's are the proxy's business."""
        super().init_poolmanager(*args, **more)
        self.poolmanager.pool_classes_by_scheme = _watched(self._guard)

    def send(self, request: Any, stream: bool = False, *more: Any, **named: Any) -> requests.Response:
        """The answer to one request, whole within limits unless it is streamed."""
        try:
            self._guard.require_allowed(str(request.url))
            if stream:
                answer = super().send(request, True, *more, **named)
            else:
                self._guard.count(str(request.url))
                answer = self._patiently(request, *more, **named)
            if not stream or answer.is_redirect:
                _take(answer, self._guard.limits)
        except VadoseError as error:
            self._guard.refusal = error
            raise
        return answer

    def _patiently(self, request: Any, *more: Any, **named: Any) -> requests.Response:
        """The head of an answer; a busy server is asked again. urllib3's own retries would read a body to its end."""
        for number in range(1, self._tries + 1):
            last = number == self._tries
            try:
                answer = super().send(request, True, *more, **named)
            except requests.ConnectionError:
                if last:
                    raise
                time.sleep(_pause(number, ""))
                continue
            if last or answer.status_code not in BUSY:
                break
            answer.close()
            time.sleep(_pause(number, answer.headers.get("Retry-After", "")))
        return answer


def _pause(number: int, asked: str) -> float:
    """Seconds before the next try: twice as long each time, at least as long as the server asks, within bounds."""
    wanted = float(asked) if asked.isdecimal() and len(asked) < 9 else 0.0
    return min(max(0.1 * float(2**number), wanted), _LONGEST_WAIT)


def _take(answer: requests.Response, limits: Bounds) -> None:
    """Take an answer's body; raises CatalogError where it is too large, too slow or nests too deep."""
    body, end = bytearray(), time.monotonic() + limits.document_seconds
    try:
        while piece := answer.raw.read1(_PIECE, decode_content=True):
            body += piece
            if len(body) > limits.document_bytes:
                raise _beyond(answer, f"more than {limits.document_bytes:,} bytes", "DOCUMENT_BYTES")
            if time.monotonic() > end:
                raise _beyond(answer, f"longer than {limits.document_seconds:g} s", "DOCUMENT_SECONDS")
    except (HTTPError, OSError) as error:
        raise requests.ConnectionError(error, request=answer.request) from error
    finally:
        answer.close()
    if b"json" in answer.headers.get("Content-Type", "").encode():
        _require_flat(answer, bytes(body), limits)
    answer._content, answer._content_consumed = bytes(body), True


def _require_flat(answer: requests.Response, body: bytes, limits: Bounds) -> None:
    if sum(body.count(mark) for mark in (b"[", b"{", b",")) > limits.document_parts:
        raise _beyond(answer, f"more than {limits.document_parts:,} parts", "DOCUMENT_PARTS")
    if depth_of(body, limits.document_depth) > limits.document_depth:
        raise _beyond(answer, f"nested more than {limits.document_depth} deep", "DOCUMENT_DEPTH")


def _beyond(answer: requests.Response, what: str, setting: str) -> CatalogError:
    return CatalogError(
        "A document of the catalogue is beyond the limits of a download",
        value=f"{answer.url}: {what}",
        remedy=f"VADOSE_DOWNLOAD_{setting} sets the limit.",
    )


def _watched(guard: Guard) -> dict[str, type[HTTPConnectionPool]]:
    """Pools whose connections go where the guard allows, and whose answers begin in time."""

    class Watched:
        """What both kinds of connections add."""

        def _new_conn(self: Any) -> socket.socket:
            sock: socket.socket = super()._new_conn()  # type: ignore[misc]
            try:
                guard.require_public(self.host, sock.getpeername()[0])
            except BaseException:
                sock.close()
                raise
            return sock

        def getresponse(self: Any) -> Any:
            timer = threading.Timer(guard.limits.document_seconds, _end, [self.sock])
            timer.daemon = True
            timer.start()
            try:
                return super().getresponse()  # type: ignore[misc]
            finally:
                timer.cancel()

    plain = type("PlainConnection", (Watched, HTTPConnection), {})
    safe = type("SafeConnection", (Watched, HTTPSConnection), {})
    return {
        "http": type("PlainPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("SafePool", (HTTPSConnectionPool,), {"ConnectionCls": safe}),
    }


def _end(sock: socket.socket | None) -> None:
    """End a connection whose answer's head does not come."""
    try:
        if sock is not None:
            sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
