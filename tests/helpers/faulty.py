"""A file server on loopback with ranges and ETags, as real ones have, and with the faults that real ones have."""

import hashlib
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TYPES = {".json": "application/json", ".png": "image/png", ".tif": "image/tiff"}


class Faulty(ThreadingHTTPServer):
    """Serves ``root``; ``faults`` by file name are used up in order, one a request, before it is served well.

    A fault is an HTTP status, "cut" (half of what is asked for, then the connection ends), "wrong" (other bytes of the
    same length), "slow" (a pause after every few bytes), "silent" (nothing for a second) or "whole" (the range is not
    heeded), or "held" (half of it, and the rest when ``go_on`` is set).
    """

    daemon_threads = True

    def __init__(self, root: Path) -> None:
        self.root = root
        self.faults: dict[str, list[object]] = defaultdict(list)
        self.asked: Counter[str] = Counter()
        self.ranges: list[tuple[str, str | None, str | None]] = []
        self.sent: Counter[str] = Counter()
        self.most_at_once = self.at_once = 0
        self.guard = threading.Lock()
        self.go_on = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Faulty
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        server, path = self.server, self.path.split("?")[0].lstrip("/")
        file, name = server.root / path, path.rsplit("/", 1)[-1]
        with server.guard:
            server.asked[name] += 1
            server.ranges.append((name, self.headers["Range"], self.headers["If-Range"]))
            fault = server.faults[name].pop(0) if server.faults[name] else None
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
        try:
            self.answer(file, name, fault)
        finally:
            with server.guard:
                server.at_once -= 1

    def answer(self, file: Path, name: str, fault: object) -> None:
        if isinstance(fault, int) or not file.is_file():
            status = fault if isinstance(fault, int) else 404
            self.send_response(status)
            self.send_header("Retry-After", "0")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if fault == "silent":
            time.sleep(1.0)
        content = file.read_bytes()
        etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        start, stop = self.wanted(content, etag, fault)
        self.send_response(200 if (start, stop) == (0, len(content)) else 206)
        self.send_header("Content-Type", TYPES.get(file.suffix, "application/octet-stream"))
        self.send_header("Content-Length", str(stop - start))
        self.send_header("ETag", etag)
        self.send_header("Accept-Ranges", "bytes")
        if (start, stop) != (0, len(content)):
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
        self.end_headers()
        self.send(name, content[start:stop], fault)

    def wanted(self, content: bytes, etag: str, fault: object) -> tuple[int, int]:
        asked, condition = self.headers["Range"], self.headers["If-Range"]
        if not asked or fault == "whole" or (condition and condition != etag):
            return 0, len(content)
        first, _, last = asked.removeprefix("bytes=").partition("-")
        if not first:
            return max(len(content) - int(last), 0), len(content)
        return int(first), min(int(last) + 1, len(content)) if last else len(content)

    def send(self, name: str, body: bytes, fault: object) -> None:
        if fault == "wrong":
            body = bytes(255 - byte for byte in body)
        if fault == "cut":
            body = body[: len(body) // 2]
            self.close_connection = True
        step = {"slow": 500, "held": len(body) // 2}.get(str(fault), len(body)) or 1
        for begin in range(0, len(body), step):
            self.wfile.write(body[begin : begin + step])
            with self.server.guard:
                self.server.sent[name] += len(body[begin : begin + step])
            if fault == "slow":
                self.wfile.flush()
                time.sleep(0.05)
            if fault == "held":
                self.wfile.flush()
                self.server.go_on.wait(300)


@contextmanager
def serving(root: Path) -> Iterator[Faulty]:
    """A running server of a folder."""
    server = Faulty(root)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join(timeout=20)
        server.server_close()
