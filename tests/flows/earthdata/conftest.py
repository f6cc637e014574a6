"""A stand-in for NASA's CMR, log-in host and archive on loopback: real HTTPS, a certificate made here, true answers.

What it answers follows CMR's search API (umm_json, CMR-Hits, CMR-Search-After), Earthdata Login's token service and
UMM-G 1.6; it filters by what it is asked for, so a client that asks wrongly finds nothing.
"""

import base64
import datetime as dt
import hashlib
import json
import os
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import h5py
import numpy as np
import pytest
import trustme

CANARY = "cAnArY-5f3e9d-"  # the beginning of every credential
TOKEN, USER, PASSWORD = f"{CANARY}token", f"{CANARY}user", f"{CANARY}password"
LOGIN_PAGE = b"<!DOCTYPE html><html><head><title>Earthdata Login</title></head><body>Sign in</body></html>"


@dataclass
class Held:
    """A granule of the archive: what CMR tells of it and what a download brings."""

    name: str
    content: bytes
    short_name: str = "SPL3SMP_E"
    version: str = "006"
    day: dt.date = dt.date(2024, 5, 23)
    box: tuple[float, float, float, float] = (-180.0, -85.0, 180.0, 85.0)
    told: dict[str, Any] = field(default_factory=dict)
    """Size and checksum as the record gives them, where they are not the content's."""
    identifier: str | None = None
    provider: str = "NSIDC_CPRD"
    revised: dt.datetime | None = None
    """When the record was last changed, if it tells."""

    def record(self, base: str) -> dict[str, Any]:
        part: dict[str, Any] = {
            "Name": self.identifier or self.name,
            "SizeInBytes": len(self.content),
            "Checksum": {"Value": hashlib.md5(self.content).hexdigest(), "Algorithm": "MD5"},
        }
        part |= self.told
        meta = {"concept-id": f"G{id(self)}-{self.provider}", "provider-id": self.provider}
        meta |= {"revision-date": f"{self.revised:%Y-%m-%dT%H:%M:%S.000Z}"} if self.revised else {}
        return {
            "meta": meta,
            "umm": {
                "GranuleUR": self.identifier or self.name,
                "CollectionReference": {"ShortName": self.short_name, "Version": self.version},
                "TemporalExtent": {
                    "RangeDateTime": {
                        "BeginningDateTime": f"{self.day}T00:00:00.000Z",
                        "EndingDateTime": f"{self.day}T23:59:59.999Z",
                    }
                },
                "SpatialExtent": {},
                "DataGranule": {
                    "Identifiers": [
                        {"Identifier": self.identifier or self.name, "IdentifierType": "ProducerGranuleId"}
                    ],
                    "ArchiveAndDistributionInformation": [part],
                },
                "RelatedUrls": [
                    {"URL": f"{base}/archive/{self.name}", "Type": "GET DATA"},
                    {"URL": f"s3://nsidc-cumulus-prod-protected/{self.name}", "Type": "GET DATA VIA DIRECT ACCESS"},
                    {"URL": f"{base}/archive/{self.name}.iso.xml", "Type": "EXTENDED METADATA"},
                ],
            },
        }


@dataclass
class Earthdata:
    """The stand-in's state; tests change it and read what it saw."""

    base: str = ""
    login: str = ""
    held: list[Held] = field(default_factory=list)
    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    bodies: dict[str, list[bytes]] = field(default_factory=dict)
    """Bodies that downloads of a name bring instead, one after the other."""
    statuses: dict[str, list[int]] = field(default_factory=dict)
    """Statuses that search, profile or archive answer first, one after the other; the last one stays when it is < 0."""
    texts: dict[int, str] = field(default_factory=dict)
    slow: dict[str, float] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    page: int = 2000
    """Records of a page at most, however many are asked for."""
    withheld: int = 0
    """Records that the search tells of and never gives."""
    stuck: bool = False
    """Whether each page of a search is the first again."""
    seen: Counter = field(default_factory=Counter)
    asked: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def hold(self, path: Path, **more: Any) -> Held:
        """Put a file into the archive."""
        held = Held(**({"name": path.name, "content": path.read_bytes()} | more))
        self.held.append(held)
        return held

    def status_of(self, kind: str) -> int | None:
        with self.lock:
            queue = self.statuses.get(kind)
            if not queue:
                return None
            return -queue[0] if queue[0] < 0 else queue.pop(0)

    def search(self, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        start, end = (dt.datetime.fromisoformat(t) for t in query["temporal[]"][0].split(","))
        since, _, until = query.get("revision_date[]", [","])[0].partition(",")
        assert not until
        changed = dt.datetime.fromisoformat(since) if since else None
        west, south, east, north = (float(v) for v in query["bounding_box"][0].split(","))

        def fits(held: Held) -> bool:
            first = dt.datetime.combine(held.day, dt.time(), dt.UTC)
            return (
                held.short_name == query["short_name"][0]
                and query.get("version", [held.version])[0] == held.version
                and (changed is None or (held.revised is not None and held.revised >= changed))
                and first <= end
                and first + dt.timedelta(hours=24) > start
                and held.box[0] <= east
                and held.box[2] >= west
                and held.box[1] <= north
                and held.box[3] >= south
            )

        return [held.record(self.base) for held in self.held if fits(held)]


class Handler(BaseHTTPRequestHandler):
    """Answers of all three hosts; the server holds the stand-in's state."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def log_message(self, *args: object) -> None:
        pass

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def by_password(self) -> bool:
        pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return self.headers.get("Authorization") == f"Basic {pair}"

    def turned_down(self, kind: str) -> bool:
        world = self.server.world
        world.seen[kind] += 1
        time.sleep(world.slow.get(kind, 0))
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        allowed = token in world.tokens or (kind == "profile" and self.by_password())
        status = world.status_of(kind) or (None if allowed else 401)
        if status is None:
            return False
        # A refusal that quotes the credential, as some servers do.
        text = world.texts.get(status, json.dumps({"errors": [f"Token [{token}] is not accepted"]}))
        self.answer(status, text.encode(), Content_Type="application/json")
        return True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        assert self.path == "/api/users/find_or_create_token"
        self.server.world.seen["token"] += 1
        if not self.by_password():
            self.answer(401, b'{"error":"invalid_credentials"}')
            return
        body = {"access_token": TOKEN, "token_type": "Bearer", "expiration_date": "01/01/2030"}
        self.answer(200, json.dumps(body).encode(), Content_Type="application/json")

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        kind = {"profile": "profile", "search": "search", "archive": "archive"}.get(parts.path.split("/")[1])
        with self.server.world.lock:
            self.server.world.asked.append(self.path)
        if kind is None:
            self.answer(404, b"")
        elif not self.turned_down(kind):
            if kind == "profile":
                self.answer(200, b"<html>profile</html>", Set_Cookie="_urs-gui_session=x")
            elif kind == "search":
                self.search(parse_qs(parts.query))
            else:
                self.download(parts.path.removeprefix("/archive/"))

    def search(self, query: dict[str, list[str]]) -> None:
        found = self.server.world.search(query)
        size = int(query["page_size"][0])
        assert size <= 2000  # CMR refuses more
        after = 0 if self.server.world.stuck else int(self.headers.get("CMR-Search-After") or 0)
        page = found[after : after + min(size, self.server.world.page)]
        told = len(found) + self.server.world.withheld
        headers = {"CMR_Hits": str(told), "Content_Type": "application/vnd.nasa.cmr.umm_results+json"}
        if page and size:
            headers["CMR_Search_After"] = str(after + len(page))
        self.answer(200, json.dumps({"hits": len(found), "items": page}).encode(), **headers)

    def download(self, name: str) -> None:
        world = self.server.world
        held = next((h for h in world.held if h.name == name), None)
        if held is None:
            self.answer(404, b"")
            return
        with world.lock:
            queue = world.bodies.get(name)
            body = queue.pop(0) if queue else held.content
            world.seen[name] += 1
        if name in world.cut:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
            return
        self.answer(200, body, Content_Type="text/html" if body.startswith(b"<") else "application/x-hdf5")


class Server(ThreadingHTTPServer):
    """One host of the stand-in."""

    daemon_threads = True

    def __init__(self, world: Earthdata, context: ssl.SSLContext) -> None:
        self.world = world
        super().__init__(("127.0.0.1", 0), Handler)
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that give up in time leave broken pipes."""


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def earthdata(
    authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Earthdata]:
    """A stand-in that runs, the settings that point at it, a home without credentials of this machine's user."""
    world = Earthdata()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    servers = []
    for _ in range(2):  # search and archive; log-in
        server = Server(world, context)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
    world.base, world.login = f"https://127.0.0.1:{servers[0].server_port}", f"localhost:{servers[1].server_port}"
    home = tmp_path_factory.mktemp("home")
    pem = home / "ca.pem"
    authority.cert_pem.write_to_path(str(pem))
    for name in [n for n in os.environ if n.startswith(("VADOSE_", "EARTHDATA_")) or n == "NETRC"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("VADOSE_PRODUCTS", "conserving")  # each granule is fetched for one product
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem))
    monkeypatch.setenv("EARTHDATA_TOKEN", TOKEN)
    yield world
    from downscaler.sources.earthdata.client import log_out

    log_out()
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def pointed(earthdata: Earthdata, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes the environment point at the stand-in, after the command fixture has cleared it."""

    def point(**more: object) -> None:
        settings = {"earthdata_cmr": f"{earthdata.base}/search/", "earthdata_login": earthdata.login, **more}
        for key, value in ({"earthdata_timeout": 5} | settings).items():
            monkeypatch.setenv(f"VADOSE_{key.upper()}", str(value))

    return point


@pytest.fixture
def wetter(tmp_path: Path) -> Callable[..., Path]:
    """Makes a later release of a granule, a little wetter."""

    def make(granule: Path, name: str, by: float = 0.01) -> Path:
        new = tmp_path / "wetter" / name
        new.parent.mkdir(exist_ok=True)
        new.write_bytes(granule.read_bytes())
        with h5py.File(new, "r+") as file:
            theta = file["Soil_Moisture_Retrieval_Data_AM/soil_moisture"]
            theta[...] = np.where(theta[...] > 0, theta[...] + np.float32(by), theta[...])
        return new

    return make
