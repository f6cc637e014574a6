"""Clients that send half of a request, too much, too slowly or under a false name: the service goes on answering."""

import contextlib
import datetime as dt
import json
import logging
import socket
import struct
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from serving import eventually, served, serving

from catalog import publish
from catalog.api import create_app
from catalog.api.connections import QUEUE, Seldom, Server, server_config
from catalog.api.limits import Limits
from downscaler import product

DOMAIN = product.LITTLE_WASHITA
TIGHT = Limits(
    connections=16, header_seconds=3, body_seconds=1.5, answer_seconds=1.5, body_bytes=50_000, requests=4, body_depth=40
)


@pytest.fixture(scope="module")
def root(tmp_path_factory, run_record, whole_tiles):
    root = tmp_path_factory.mktemp("attack") / "catalog"
    publish(root, run_record(DOMAIN, dt.date(2015, 4, 1)), DOMAIN, whole_tiles(DOMAIN))
    (root / "large.bin").write_bytes(bytes(60_000_000))
    return root


@pytest.fixture(scope="module")
def service(root):
    with served(create_app(root, limits=TIGHT)) as address:
        yield address


def opened(address, content=b""):
    parts = urlsplit(address)
    connection = socket.create_connection((parts.hostname, parts.port), timeout=20)
    connection.sendall(content)
    return connection


def answer_to(address, content):
    """All that comes for raw bytes until the server closes."""
    with opened(address, content) as connection:
        found = b""
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(65536):
                found += part
                if b"\r\n\r\n" in found and b"}" in found:
                    break
    return found


def answers(address):
    """The service answers its health check and a search."""
    health = requests.get(f"{address}/healthz", timeout=10)
    assert (health.status_code, health.json()["status"]) == (200, "ok")
    assert health.elapsed.total_seconds() < 5  # under load; alone it takes milliseconds
    assert len(requests.get(f"{address}/stac/search", timeout=20).json()["features"]) == 1


def test_half_sent_requests_give_way_and_end(service):
    with contextlib.ExitStack() as stack:
        halves = [
            stack.enter_context(opened(service, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Half: "))
            for _ in range(200)
        ]
        answers(service)
        for half in halves:  # each is ended: those that gave way at once, the last ones when their time is over
            half.settimeout(20)
            with contextlib.suppress(ConnectionError):
                assert half.recv(100) == b""
    answers(service)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's own figures are Linux's")
def test_the_queue_before_the_service_holds_a_thousand_at_once(root):
    app = create_app(root, limits=TIGHT)
    running = Server(server_config(app, TIGHT, host="127.0.0.1", port=0, log_level="warning"))
    with serving(running):
        (listening,) = running.servers[0].sockets
        with listening.dup() as own:
            waiting, most = struct.unpack_from("=24xII", own.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104))
    assert waiting < most
    assert most == min(QUEUE, int(Path("/proc/sys/net/core/somaxconn").read_text()))


def test_idle_and_dripping_connections_end(service):
    with opened(service) as idle, opened(service, b"GET / HTTP/1.1\r\n") as dripping:
        end = time.monotonic() + 3 * TIGHT.header_seconds
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < end:
                dripping.sendall(b"X-a: b\r\n")
                time.sleep(0.3)
        assert time.monotonic() < end, "the server heard a head that never ended"
        with contextlib.suppress(ConnectionError):
            assert idle.recv(10) == b""


HEAD = "POST /stac/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def test_a_body_that_does_not_come_is_not_waited_for(service):
    found = answer_to(service, (HEAD + "Content-Length: 100\r\n\r\n{").encode())
    assert b" 408 " in found.split(b"\r\n")[0]
    assert b"1.5 s" in found
    answers(service)


@pytest.mark.parametrize(
    ("headers", "body", "status", "told"),
    [
        ("Content-Length: 60000\r\n", "", 413, "50,000"),
        ("Content-Length: 999999999999\r\n", "", 413, "50,000"),
        ("Transfer-Encoding: chunked\r\n", "FFFF\r\n" + "x" * 65535 + "\r\n0\r\n\r\n", 413, "50,000"),
        ("Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n", 200, "FeatureCollection"),
        ("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n", 400, "once"),
    ],
)
def test_bodies_are_taken_within_limits_however_their_length_is_told(service, headers, body, status, told):
    found = answer_to(service, (HEAD + headers + "\r\n" + body).encode())
    assert f" {status} ".encode() in found.split(b"\r\n")[0]
    assert told.encode() in found


@pytest.mark.parametrize("body", ["[" * 20_000, '{"a":' * 8_000, json.dumps({"filter": [[[]]]}) + "]" * 100])
def test_json_that_nests_deep_is_refused(service, body):
    asked = requests.post(f"{service}/stac/search", body, headers={"Content-Type": "application/json"}, timeout=20)
    assert asked.status_code == 400
    assert asked.json()["description"]


def test_brackets_in_texts_do_not_count(service):
    asked = requests.post(f"{service}/stac/search", json={"ids": ["[" * 500, '"]\\' * 50]}, timeout=20)
    assert (asked.status_code, asked.json()["features"]) == (200, [])


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost:port", "127.0.0.1.evil.example", ""])
def test_a_false_host_makes_no_links(service, host):
    asked = requests.get(f"{service}/stac/", headers={"Host": host}, timeout=20)
    assert asked.status_code == 400
    assert "links" not in asked.json()


def test_hosts_are_those_of_the_machine_and_those_that_are_allowed(root):
    with served(create_app(root, limits=Limits(hosts="soil.example.org"))) as address:
        for host in ("soil.example.org", "SOIL.example.org:8080", "localhost:1", "[::1]", socket.gethostname()):
            assert requests.get(f"{address}/stac/", headers={"Host": host}, timeout=20).status_code == 200
    with served(create_app(root, public_url="https://soil.example.org/x")) as address:
        page = requests.get(f"{address}/stac/", headers={"Host": "evil.example"}, timeout=20).json()
        assert all(link["href"].startswith("https://soil.example.org/x/") for link in page["links"])


def test_a_client_that_does_not_read_is_left(service):
    with opened(service, b"GET /catalog/large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n") as connection:
        time.sleep(2.5 * TIGHT.answer_seconds)
        taken = 0
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(1_000_000):
                taken += len(part)
    assert taken < 60_000_000
    answers(service)


def test_more_requests_than_may_be_are_asked_to_come_again_but_health_is_told(service):
    with contextlib.ExitStack() as stack:
        for _ in range(TIGHT.requests):
            stack.enter_context(opened(service, (HEAD + "Content-Length: 10\r\n\r\n{").encode()))
        busy = requests.get(f"{service}/dates", timeout=20)
        health = requests.get(f"{service}/healthz", timeout=20)
    assert health.status_code == 200
    assert (busy.status_code, busy.headers.get("retry-after")) in ((503, "1"), (200, None))  # their time may be over


def _page(service):
    page = requests.get(f"{service}/stac/search", timeout=20)
    return page if page.status_code == 200 else None


def test_texts_are_packed_and_files_are_not(service):
    page = eventually(lambda: _page(service), "those before are done")
    assert page.headers["content-encoding"] == "gzip"
    plain = requests.get(f"{service}/stac/search", headers={"Accept-Encoding": "identity"}, timeout=20)
    assert plain.json() == page.json()
    file = requests.get(f"{service}/catalog/catalog.json", timeout=20)
    assert "content-encoding" not in file.headers


def test_a_flood_of_one_message_is_told_a_few_times():
    seldom = Seldom()
    told = [seldom.filter(logging.LogRecord("x", 30, "", 1, "Invalid request", (), None)) for _ in range(1000)]
    assert sum(told) == 20
    assert seldom.filter(logging.LogRecord("x", 30, "", 1, "Another", (), None))
