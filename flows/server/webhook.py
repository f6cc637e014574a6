"""A small HTTP server for those who are notified of new granules: it begins a run of the daily deployment.

``POST /granules`` with ``{"granule": "SMAP_L3_SM_P_E_..."}`` and ``Authorization: Bearer TOKEN``, the token of
``VADOSE_WEBHOOK_TOKEN``. Meant for a private network or behind a proxy with TLS; it knows nothing of the catalogue.
"""

from __future__ import annotations

import hmac
import json
import logging
import os
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from typing import Any

import httpx
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from downscaler.errors import ConfigError, GranuleNameError
from downscaler.sources.smap.names import GranuleName
from flows.server.arrivals import begin_for

VARIABLE = "VADOSE_WEBHOOK_TOKEN"
PATH = "/granules"
_SHORTEST = 16  # characters of a token
_LONGEST = 16_384  # bytes of a body
_PATIENCE = 10.0  # s for a request to come whole
_LOG = logging.getLogger(__name__)


def token() -> str:
    """The token that requests have to bear; raises ConfigError without one, or for a short one."""
    found = os.environ.get(VARIABLE, "").strip()
    if len(found) < _SHORTEST:
        raise ConfigError(
            f"{VARIABLE} is too short" if found else f"{VARIABLE} is not set",
            allowed=f"{_SHORTEST} characters or more",
            remedy="`openssl rand -hex 32` makes one.",
        )
    return found


class Listener(ThreadingHTTPServer):
    """The server; ``look_back`` is how many days a run without a day looks back on."""

    daemon_threads = True

    def __init__(self, host: str, port: int, secret: str, look_back: int) -> None:
        self.secret, self.look_back = secret, look_back
        super().__init__((host, port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Listener
    timeout = _PATIENCE
    server_version, sys_version = "vadose", ""

    def log_message(self, form: str, *args: Any) -> None:
        _LOG.info(form, *args)

    def do_GET(self) -> None:
        """Health."""
        self._answer(HTTPStatus.OK if self.path == "/healthz" else HTTPStatus.NOT_FOUND, {})

    def do_POST(self) -> None:
        """One notification."""
        if self.path != PATH:
            return self._answer(HTTPStatus.NOT_FOUND, {"error": f"post to {PATH}"})
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self.server.secret.encode()):
            return self._answer(HTTPStatus.UNAUTHORIZED, {"error": "the token is missing or wrong"})
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _LONGEST:
            return self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": f"at most {_LONGEST} bytes"})
        try:
            file = PurePosixPath(str(json.loads(self.rfile.read(int(length)))["granule"])).name
            name = GranuleName.parse(file)
        except (ValueError, KeyError, TypeError, GranuleNameError) as error:
            return self._answer(HTTPStatus.BAD_REQUEST, {"error": f'{{"granule": NAME}} is expected: {error}'})
        return self._begin(name, file)

    def _begin(self, name: GranuleName, file: str) -> None:
        try:
            run = begin_for(name, file, self.server.look_back)
        except ObjectNotFound:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, {"error": "the Prefect server has no daily deployment"})
        except (httpx.HTTPError, PrefectHTTPStatusError) as error:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, {"error": f"the Prefect server: {type(error).__name__}"})
        else:
            _LOG.info("%s: run %s", file, run)
            self._answer(HTTPStatus.ACCEPTED, {"run": str(run)})

    def _answer(self, status: HTTPStatus, body: dict[str, str]) -> None:
        content = json.dumps(body).encode()
        self.close_connection = True  # what was not read of a refused body is nobody's
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
