"""The service behind a real nginx with the configuration of ``deploy/proxy``, but for its ports and certificates."""

import re
import shutil
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from serving import eventually, served

from catalog.api import create_app

pytestmark = pytest.mark.integration
PROXY = Path(__file__).resolve().parents[3] / "deploy" / "proxy"
AROUND = """
worker_processes 1; daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log info;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
{limits}
{server}
}}
"""


def nginx() -> str:
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if found is None:
        pytest.skip("needs nginx (Debian's package nginx-light), which is not installed here")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def configuration(folder: Path, name: str, upstream: str, port: int) -> Path:
    """The proxy's own files with a port of this machine, made into a whole configuration."""
    server = (PROXY / name).read_text().replace("api:8080", upstream, 1).replace("/etc/nginx/tls", str(folder))
    server, listens = re.subn(r"listen \d+", f"listen 127.0.0.1:{port}", server)
    assert listens == 1
    path = folder / f"{name}.whole"
    path.write_text(AROUND.format(folder=folder, limits=(PROXY / "limits.conf").read_text(), server=server))
    return path


@pytest.fixture(scope="module")
def proxy(published_root, tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("proxy"), free_port()
    with served(create_app(published_root)) as address:
        path = configuration(folder, "http.conf", urlsplit(address).netloc, port)
        process = subprocess.Popen([nginx(), "-e", str(folder / "start.log"), "-p", str(folder), "-c", str(path)])
        try:
            address = f"http://127.0.0.1:{port}"
            eventually(lambda: requests.get(f"{address}/healthz", timeout=30).ok, "nginx does not start")
            yield address
        finally:
            process.terminate()
            process.wait(timeout=30)


def test_answers_come_through_with_the_address_that_was_asked(proxy):
    landing = requests.get(f"{proxy}/stac", timeout=30)
    links = {link["rel"]: link["href"] for link in landing.json()["links"]}
    assert links["search"].startswith(f"{proxy}/stac/search")
    found = requests.get(f"{proxy}/stac/search", params={"limit": 1}, timeout=30)
    assert found.json()["features"]
    assert found.headers["Content-Encoding"] == "gzip"
    href = found.json()["features"][0]["assets"]["soil_moisture"]["href"]
    part = requests.get(href, headers={"Range": "bytes=0-99"}, timeout=30)
    assert (part.status_code, len(part.content)) == (206, 100)
    assert landing.headers["Server"] == "nginx", "no version"
    assert requests.get(f"{proxy}/metrics", timeout=30).status_code == 404


def test_large_bodies_end_at_the_proxy(proxy):
    body = b'{"x": "' + b"y" * 1_100_000 + b'"}'
    found = requests.post(f"{proxy}/stac/search", data=body, headers={"Content-Type": "application/json"}, timeout=30)
    assert found.status_code == 413


def test_half_sent_requests_of_one_address_hold_nobody_up(proxy):
    """nginx counts a connection once its head is whole, so these cost the service nothing at all."""
    parts = urlsplit(proxy)
    held = [socket.create_connection((parts.hostname, parts.port), timeout=30) for _ in range(150)]
    try:
        for one in held:
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Half: ")
        assert requests.get(f"{proxy}/healthz", timeout=30).ok
        assert requests.get(f"{proxy}/stac/search?limit=1", timeout=30).ok
    finally:
        for one in held:
            one.close()


def test_an_address_that_asks_too_often_is_told_so(proxy):
    """200 at once and 50 a second come through, whatever this machine's own speed; the rest is told to ask less."""
    session, started = requests.Session(), time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: session.get(f"{proxy}/healthz", timeout=120).status_code, range(400)))
    seconds = time.monotonic() - started
    assert set(found) <= {200, 429}
    assert 200 <= found.count(200) <= 202 + 50 * seconds
    eventually(lambda: requests.get(f"{proxy}/healthz", timeout=30).ok, "the proxy stays shut")


def test_the_configuration_with_certificates_is_valid(tmp_path):
    line = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run(
        [*line, "-keyout", tmp_path / "server.key", "-out", tmp_path / "server.crt"], check=True, capture_output=True
    )
    path = configuration(tmp_path, "https.conf", "127.0.0.1:9", free_port())
    line = [nginx(), "-t", "-e", str(tmp_path / "start.log"), "-p", str(tmp_path), "-c", str(path)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
