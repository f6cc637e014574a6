"""`vadose serve`: what it refuses, and a running server on loopback."""

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from downscaler.errors import CatalogError, ConfigError
from flows.commands.catalogue.serve import application, server

Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture
def address(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """Host and port of a running server of an empty catalogue with one image."""
    (tmp_path / "catalog.json").write_text('{"type": "Catalog", "links": []}')
    (tmp_path / "image.tif").write_bytes(bytes(range(200)))
    running, socket = server(application(str(tmp_path)), "127.0.0.1", 0)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [socket]})
    thread.start()
    yield socket.getsockname()
    running.should_exit = True
    thread.join(timeout=30)
    socket.close()
    assert not thread.is_alive()


def ask(address: tuple[str, int], path: str, method: str = "GET", **headers: str) -> Answer:
    connection = http.client.HTTPConnection(*address, timeout=30)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def test_ranges_are_served(address: tuple[str, int]) -> None:
    status, headers, body = ask(address, "/catalog/image.tif", Range="bytes=10-19")
    assert (status, body) == (206, bytes(range(10, 20)))
    assert headers["content-range"] == "bytes 10-19/200"
    status, headers, body = ask(address, "/catalog/image.tif", "HEAD")
    assert (status, body) == (200, b"")
    assert (headers["accept-ranges"], headers["content-length"]) == ("bytes", "200")


def test_pages_of_other_origins_may_read(address: tuple[str, int]) -> None:
    status, headers, body = ask(address, "/catalog/catalog.json", Origin="http://browser.example")
    assert (status, headers["access-control-allow-origin"]) == (200, "*")
    assert json.loads(body)["type"] == "Catalog"


def test_an_empty_catalogue_answers_and_nothing_outside_is_served(address: tuple[str, int]) -> None:
    assert ask(address, "/")[0] == 200
    assert json.loads(ask(address, "/stac/search")[2])["features"] == []
    for path in ("/../../etc/passwd", "/catalog/../../etc/passwd", "/catalog/..%2f..%2fetc%2fpasswd", "/absent.json"):
        assert ask(address, path)[0] == 404


def test_a_taken_port_is_said(address: tuple[str, int], vadose: Any, tmp_path: Path) -> None:
    ended = vadose("serve", tmp_path, "--port", address[1])
    assert ended.code == 3
    assert "--port" in ended.err


def test_what_cannot_be_served_is_said(tmp_path: Path, vadose: Any) -> None:
    with pytest.raises(CatalogError, match="vadose demo"):
        application(str(tmp_path))
    assert vadose("serve", tmp_path / "absent").code == 40
    (tmp_path / "catalog.json").write_text('{"type": "Catalog", "links": []}')
    with pytest.raises(ConfigError, match="embedded, pgstac"):
        application(f"file://{tmp_path}", backend="sqlite")
    ended = vadose("serve", tmp_path, "--backend", "pgstac")
    assert ended.code == 3
    assert "VADOSE_PGSTAC_DSN" in ended.err
    ended = vadose("serve", tmp_path, "--weather", tmp_path / "nowhere")
    assert ended.code == 26
    assert "weather store" in ended.err
    ended = vadose("serve", tmp_path, "--zones", tmp_path / "nowhere")
    assert ended.code == 97
    assert "vadose zones FILE" in ended.err
    assert vadose("serve", tmp_path, "--zones", tmp_path / "catalog.json").code == 2
