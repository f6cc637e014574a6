"""A served catalogue answers what COG readers and web pages ask."""

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from downscaler.errors import CatalogError, ConfigError
from flows.commands.serve import catalog_folder, server

Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture
def address(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """Host and port of a running server of a small catalogue."""
    (tmp_path / "catalog.json").write_text('{"type": "Catalog"}')
    (tmp_path / "image.tif").write_bytes(bytes(range(200)))
    running, socket = server(tmp_path, "127.0.0.1", 0)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [socket]})
    thread.start()
    yield socket.getsockname()
    running.should_exit = True
    thread.join(timeout=20)
    socket.close()
    assert not thread.is_alive()


def ask(address: tuple[str, int], path: str, method: str = "GET", **headers: str) -> Answer:
    connection = http.client.HTTPConnection(*address, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def test_ranges_are_served(address: tuple[str, int]) -> None:
    status, headers, body = ask(address, "/image.tif", Range="bytes=10-19")
    assert (status, body) == (206, bytes(range(10, 20)))
    assert headers["content-range"] == "bytes 10-19/200"
    assert ask(address, "/image.tif", "HEAD")[1]["accept-ranges"] == "bytes"


def test_pages_of_other_origins_may_read(address: tuple[str, int]) -> None:
    status, headers, body = ask(address, "/catalog.json", Origin="http://browser.example")
    assert (status, headers["access-control-allow-origin"]) == (200, "*")
    assert json.loads(body) == {"type": "Catalog"}


def test_the_root_leads_to_the_catalogue_and_nothing_outside_is_served(address: tuple[str, int]) -> None:
    status, headers, _ = ask(address, "/")
    assert (status, headers["location"]) == (307, "/catalog.json")
    assert ask(address, "/../../etc/passwd")[0] == 404
    assert ask(address, "/..%2f..%2fetc%2fpasswd")[0] == 404
    assert ask(address, "/absent.json")[0] == 404


def test_a_taken_port_is_said(address: tuple[str, int], vadose: Any, tmp_path: Path) -> None:
    ended = vadose("serve", tmp_path, "--port", address[1])
    assert ended.code == 3
    assert "--port" in ended.err


def test_only_a_local_catalogue_that_is_there(tmp_path: Path, vadose: Any) -> None:
    with pytest.raises(ConfigError, match="s3://"):
        catalog_folder("s3://bucket/root")
    with pytest.raises(CatalogError, match="vadose demo"):
        catalog_folder(str(tmp_path))
    (tmp_path / "catalog.json").write_text("{}")
    assert catalog_folder(f"file://{tmp_path}") == tmp_path
    assert vadose("serve", tmp_path / "absent").code == 40
