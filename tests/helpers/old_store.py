"""An S3 server as there are older ones: it keeps objects and knows nothing of conditional writes."""

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

Manner = Literal["overwrites", "refuses", "swaps blindly"]
_REFUSAL = (
    b'<?xml version="1.0"?><Error><Code>NotImplemented</Code><Message>A header you provided implies functionality '
    b"that is not implemented</Message></Error>"
)


class OldStore(ThreadingHTTPServer):
    """Objects by path. ``manner``: conditions are not heeded, or answered by 501, or only If-None-Match is known."""

    daemon_threads = True

    def __init__(self, manner: Manner) -> None:
        self.manner, self.held, self.requests = manner, {}, 0
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: OldStore
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_PUT(self) -> None:
        server, body = self.server, self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server.requests += 1
        asked = self.headers.get("If-None-Match") or self.headers.get("If-Match")
        if asked and server.manner == "refuses":
            self.answer(501, _REFUSAL, Content_Type="application/xml")
        elif self.headers.get("If-None-Match") and server.manner == "swaps blindly" and self.path in server.held:
            self.answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
        else:
            server.held[self.path] = body
            self.answer(200, ETag=self.tag())

    def tag(self) -> str:
        return f'"{hashlib.md5(self.server.held[self.path]).hexdigest()}"'

    def do_GET(self) -> None:
        self.server.requests += 1
        if self.path not in self.server.held:
            self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        body = self.server.held[self.path]
        self.answer(200, body, ETag=self.tag(), Last_Modified="Mon, 01 Jan 2024 00:00:00 GMT")

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """Deletion of several objects, as clients ask for it; nothing else is posted here."""
        asked = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        bucket, self.server.requests = self.path.split("?")[0].strip("/"), self.server.requests + 1
        keys = re.findall(r"<Key>(.*?)</Key>", asked)
        for key in keys:
            self.server.held.pop(f"/{bucket}/{key}", None)
        gone = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        self.answer(200, f"<DeleteResult>{gone}</DeleteResult>".encode(), Content_Type="application/xml")

    def do_DELETE(self) -> None:
        self.server.requests += 1
        self.server.held.pop(self.path, None)
        self.answer(204)


@contextmanager
def old_store(manner: Manner) -> Iterator[OldStore]:
    """A running one."""
    server = OldStore(manner)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join(timeout=20)
        server.server_close()
