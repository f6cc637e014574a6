"""A catalogue that means harm: other hosts, endless answers, loops, giant and deep JSON; each ends soon and typed."""

import contextlib
import gzip
import itertools
import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from catalog.download.download import download
from catalog.download.guard import Bounds, Guard, GuardedSession
from catalog.download.query import Query
from catalog.download.transfer import FetchHttp
from catalog.naming import DayName
from catalog.reading.days import items
from downscaler.errors import (
    CatalogError,
    ConfigError,
    ForeignHostError,
    NothingFoundError,
    TransferError,
    UnreachableError,
    VadoseError,
)

ALL = Query()
TIGHT = Bounds(
    document_bytes=300_000, document_seconds=60, document_parts=5_000, documents=60, link_depth=6, items=40, redirects=3
)
SHORT = TIGHT.model_copy(update={"document_seconds": 2})  # for what never ends; a busy machine is slow with the rest
FETCH = FetchHttp(timeout=(60.0, 60.0), attempts=2)
BOMB = gzip.compress(b" " * 30_000_000, 9)
SECRET = b"what only this machine may read"


class Hostile(ThreadingHTTPServer):
    """Answers each path by what ``answers`` holds: status, headers and pieces of a body, or a function of the path."""

    daemon_threads = True

    def __init__(self):
        self.answers, self.asked = {}, []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def json(self, path, document):
        self.answers[path] = (200, {"Content-Type": "application/json"}, [json.dumps(document).encode()])


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing."""

    def do_GET(self):
        path = self.path.split("?")[0]
        self.server.asked.append(path)
        found = self.server.answers.get(path) or self.server.answers.get("*")
        found = found(self) if callable(found) else found
        status, headers, pieces = found or (404, {}, [])
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            for piece in pieces:
                self.wfile.write(piece)
        except OSError:  # the client had enough
            return

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()


@contextmanager
def running():
    server = Hostile()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join(timeout=20)
        server.server_close()


@pytest.fixture
def hostile():
    with running() as server:
        yield server


@pytest.fixture
def private():
    """Another service of this machine, which a catalogue would like to have asked."""
    with running() as server:
        server.answers["*"] = (200, {"Content-Type": "application/json"}, [b'{"id": "x", "type": "Catalog"}'])
        yield server


@pytest.fixture
def day(published_root):
    return next(items(published_root))


def catalog(server, links, path="/catalog.json", **more):
    server.json(
        path, {"type": "Catalog", "id": "c", "stac_version": "1.1.0", "description": "", "links": links, **more}
    )


def offers(server, item, **asset):
    """A catalogue of one day with one file, as ``asset`` says."""
    item = json.loads(json.dumps(item))
    item["assets"] = {"upper": item["assets"]["upper"] | asset}
    catalog(server, [{"rel": "item", "href": "/item.json"}])
    server.json("/item.json", item)


def attempt(server, out, limits=TIGHT, **more):
    started = time.monotonic()
    try:
        return download(f"{server.address}/catalog.json", out, ALL, fetch=FETCH, limits=limits, **more)
    finally:
        assert time.monotonic() - started < 240  # of a machine that does much else
        assert sum(path.stat().st_size for path in out.rglob("*")) < 1_000_000 if out.exists() else True


@pytest.mark.parametrize("rel", ["child", "item"])
def test_links_lead_to_no_other_service(hostile, private, tmp_path, rel):
    for href in (f"{private.address}/x.json", private.address.replace("127.0.0.1", "localhost") + "/x.json"):
        catalog(hostile, [{"rel": rel, "href": href}])
        with pytest.raises(ForeignHostError, match="--allow-host"):
            attempt(hostile, tmp_path / "out")
    assert private.asked == []


def test_redirects_lead_to_no_other_service(hostile, private, day, tmp_path):
    catalog(hostile, [{"rel": "child", "href": "/moved.json"}])
    hostile.answers["/moved.json"] = (302, {"Location": f"{private.address}/x.json", "Content-Length": "0"}, [])
    with pytest.raises(ForeignHostError):
        attempt(hostile, tmp_path / "out")
    offers(hostile, day, href="/file.tif")
    hostile.answers["/file.tif"] = (307, {"Location": f"{private.address}/secret", "Content-Length": "0"}, [])
    with pytest.raises(ForeignHostError):
        attempt(hostile, tmp_path / "out")
    assert private.asked == []
    assert not list((tmp_path / "out").rglob("*.tif*"))


@pytest.mark.parametrize(
    "scheme", ["file:///etc/hostname", "ftp://127.0.0.1/x", "http://", "http://[::1", "gopher://x/y"]
)
def test_hrefs_of_other_kinds_are_refused(hostile, day, tmp_path, scheme):
    offers(hostile, day, href=f"{scheme}/upper.tif")
    with pytest.raises(VadoseError):
        attempt(hostile, tmp_path / "out")
    catalog(hostile, [{"rel": "child", "href": scheme}])
    with pytest.raises(VadoseError):
        attempt(hostile, tmp_path / "out")


def test_allowed_hosts_are_asked(hostile, private, published_root, day, tmp_path):
    content = (published_root / DayName.of_item(day).folder / day["assets"]["upper"]["href"]).read_bytes()
    private.answers["*"] = (200, {"Content-Length": str(len(content))}, [content])
    offers(hostile, day, href=f"{private.address}/upper.tif")
    with pytest.raises(ForeignHostError):
        attempt(hostile, tmp_path / "out")
    port = private.address.rpartition(":")[2]
    for allowed in ("127.0.0.1", f"127.0.0.1:{port}"):
        assert attempt(hostile, tmp_path / allowed.replace(":", "-"), allow_hosts=[allowed]).brought == 1
    for allowed in ("localhost", "127.0.0.1:1"):
        with pytest.raises(ForeignHostError):
            attempt(hostile, tmp_path / "none", allow_hosts=[allowed])
    for allowed in ("", "http://x/", "x:y", "a b/c"):
        with pytest.raises(ConfigError, match="allowed host"):
            attempt(hostile, tmp_path / "none", allow_hosts=[allowed])


def test_a_public_name_that_leads_to_this_machine_is_not_asked(private):
    """As where a name's address is changed after the first look: the connection's own end decides."""
    guard = Guard(private.address.replace("127.0.0.1", "localhost"))
    guard._private.clear()
    with pytest.raises(ForeignHostError, match="localhost at"):
        GuardedSession(guard).get(f"http://localhost:{private.server_address[1]}/x", timeout=5)
    assert private.asked == []


def endless(piece=b"x" * 65536):
    def answer(_):
        return 200, {"Content-Type": "application/json"}, itertools.repeat(piece, 100_000)

    return answer


def dripping(_):
    def pieces():
        for _ in range(300):
            time.sleep(0.1)
            yield b" "

    return 200, {"Content-Type": "application/json"}, pieces()


def silent_head(handler):
    with contextlib.suppress(OSError):  # the client had enough
        for number in range(300):
            handler.wfile.write(b"X-a: b\r\n" if number else b"HTTP/1.1 200 OK\r\n")
            time.sleep(0.1)
    return


def bomb(_):
    return 200, {"Content-Type": "application/json", "Content-Encoding": "gzip"}, [BOMB]


def redirecting(handler):
    number = int("0" + "".join(filter(str.isdigit, handler.path)))
    return 302, {"Location": f"/again{number + 1}", "Content-Length": "0"}, []


def busy(_):
    return 503, {"Retry-After": "0"}, itertools.repeat(b"x" * 65536, 100_000)


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "answer",
    [
        endless(),
        dripping,
        silent_head,
        redirecting,
        busy,
        (200, JSON, [b"[" * 100_000]),
        (200, JSON, [b'{"a":' * 20_000]),
        (200, JSON, [b"[" + b"1," * 20_000 + b"1]"]),
        (200, JSON, [b'{"type": "Catalog", "links": [{"rel": "child"}, 7]}']),
        (200, JSON, [b'{"type": "Catalog", "links": {"rel": "child"}}']),
        (200, JSON, [b'{"type": "Catalog", "x": NaN}']),
        (200, JSON, [b'{"type": "Catalog", "x": 1e999}']),
        (200, JSON, [b'{"type": "Catalog", "x": ' + b"9" * 6000 + b"}"]),
        (200, JSON, [b"\xff\xfe{}"]),
        (200, JSON | {"Content-Encoding": "gzip"}, [b"no gzip"]),
        (200, JSON | {"Content-Length": "99999999999"}, [b"{}"]),
        (302, {"Location": "http://[::1", "Content-Length": "0"}, []),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
@pytest.mark.parametrize("place", ["root", "child", "item"])
def test_answers_without_end_or_sense(hostile, tmp_path, answer, place):
    if place != "root":
        catalog(hostile, [{"rel": place, "href": "/below.json"}])
    hostile.answers["*"] = answer
    with pytest.raises(VadoseError) as caught:
        attempt(hostile, tmp_path / "out", limits=SHORT)
    assert isinstance(caught.value, (CatalogError, TransferError, NothingFoundError))


def test_a_packed_document_that_unfolds_without_end(hostile, tmp_path):
    hostile.answers["*"] = bomb
    with pytest.raises(CatalogError, match="more than 300,000 bytes"):
        attempt(hostile, tmp_path / "out")


def test_links_in_a_circle_are_followed_once(hostile, tmp_path):
    catalog(hostile, [{"rel": "child", "href": "/a.json"}, {"rel": "child", "href": "/catalog.json"}])
    catalog(hostile, [{"rel": "child", "href": "/catalog.json"}, {"rel": "child", "href": "/a.json"}], "/a.json")
    with pytest.raises(NothingFoundError):
        attempt(hostile, tmp_path / "out")
    assert len(hostile.asked) == 3  # the root is looked at first


def test_links_without_end_are_given_up(hostile, tmp_path):
    counter = itertools.count()

    def deeper(_):
        document = {"type": "Catalog", "links": [{"rel": "child", "href": f"/{next(counter)}.json"}]}
        return 200, JSON, [json.dumps(document).encode()]

    hostile.answers["*"] = deeper
    with pytest.raises(CatalogError, match="deeper"):
        attempt(hostile, tmp_path / "out")
    catalog(hostile, [{"rel": "child", "href": f"/wide/{n}.json"} for n in range(1000)])
    hostile.answers["*"] = (200, JSON, [b'{"type": "Catalog"}'])
    with pytest.raises(CatalogError, match="more documents"):
        attempt(hostile, tmp_path / "out")
    catalog(hostile, [{"rel": "item", "href": f"/wide/{n}.json"} for n in range(1000)])
    with pytest.raises(CatalogError, match="more days"):
        attempt(hostile, tmp_path / "out")


def api(server, page):
    """A STAC API whose search answers each page alike."""
    root = server.address
    conforms = [f"https://api.stacspec.org/v1.0.0/{name}" for name in ("core", "item-search")]
    links = [{"rel": "search", "href": f"{root}/search", "type": "application/geo+json", "method": "POST"}]
    links += [{"rel": "root", "href": f"{root}/", "type": "application/json"}]
    document = {"type": "Catalog", "id": "c", "stac_version": "1.0.0", "description": "", "conformsTo": conforms}
    server.json("/", document | {"links": links})
    server.answers["/search"] = page


@pytest.mark.parametrize("features", [[], "one", [[]], [{"id": 7}], [{"collection": "x", "id": "y", "assets": []}]])
def test_a_search_that_goes_round_in_a_circle(hostile, day, tmp_path, features):
    found = [day] if features == "one" else features

    def page(_):
        link = {"rel": "next", "href": f"{hostile.address}/search", "method": "POST", "body": {"token": "x"}}
        document = {"type": "FeatureCollection", "features": found, "links": [link]}
        return 200, JSON, [json.dumps(document).encode()]

    api(hostile, page)
    with pytest.raises((CatalogError, NothingFoundError)):
        download(f"{hostile.address}/", tmp_path / "out", ALL, fetch=FETCH, limits=TIGHT)
    assert len(hostile.asked) < 12


def test_a_search_that_leads_elsewhere(hostile, private, tmp_path):
    api(hostile, (302, {"Location": f"{private.address}/search", "Content-Length": "0"}, []))
    with pytest.raises(ForeignHostError):
        download(f"{hostile.address}/", tmp_path / "out", ALL, fetch=FETCH, limits=TIGHT)
    assert private.asked == []


@pytest.mark.parametrize("told", [True, False])
def test_a_file_ends_where_its_item_says(hostile, day, tmp_path, told):
    offers(hostile, day, href="/upper.tif", **({} if told else {"file:size": None}))
    hostile.answers["/upper.tif"] = endless()
    with pytest.raises(TransferError, match="larger than"):
        download(
            f"{hostile.address}/catalog.json",
            tmp_path / "out",
            ALL,
            fetch=FETCH,
            limits=TIGHT.model_copy(update={"file_bytes": 200_000}),
        )
    assert not list((tmp_path / "out").rglob("*.tif*"))


ODD = [
    {"file:size": -1},
    {"file:size": "12"},
    {"file:size": True},
    {"file:size": 2**70},
    {"file:checksum": 7},
    {"href": None},
    {"href": 7},
    {"href": ""},
    {"href": "a/../../../../../../../../etc/upper.tif"},
    {"href": "/x/.."},
    {"href": "/x/upper.tif.part"},
]


@pytest.mark.parametrize("asset", ODD)
def test_assets_that_are_none(hostile, day, tmp_path, asset):
    offers(hostile, day, **asset)
    with pytest.raises((CatalogError, TransferError)):
        attempt(hostile, tmp_path / "out")
    assert not list(tmp_path.rglob("upper.tif"))


PROPERTIES = [
    {"start_datetime": "never"},
    {"start_datetime": 7},
    {"version": "../../x"},
    {"version": "99999999999999999999"},
    {"version": 0},
    {"proj:shape": [10**9, 10**9]},
    {"proj:transform": ["a"]},
    {"proj:transform": [1e308] * 6},
    {"proj:code": None},
    {"title": 7},
]


@pytest.mark.parametrize(
    "change", [*PROPERTIES, "collection", "id", "bbox", "links", "assets", "properties", "geometry"]
)
def test_items_that_are_no_days(hostile, published_root, day, tmp_path, change):
    content = (published_root / DayName.of_item(day).folder / day["assets"]["upper"]["href"]).read_bytes()
    hostile.answers["/upper.tif"] = (200, {"Content-Length": str(len(content))}, [content])
    for odd in (None, 7, "../../x", [], [[]], {"a": []}):
        item = json.loads(json.dumps(day))
        if isinstance(change, dict):
            item["properties"] |= change
        else:
            item[change] = odd
        if change != "assets":
            item["assets"] = {"upper": item["assets"]["upper"] | {"href": "/upper.tif"}}
        catalog(hostile, [{"rel": "item", "href": "/item.json"}])
        hostile.json("/item.json", item)
        if (change, odd) in (("links", []), ("geometry", None)):
            continue  # an item may be without
        before = set(tmp_path.parent.glob("*"))
        with pytest.raises((CatalogError, TransferError, NothingFoundError)):
            attempt(hostile, tmp_path / "out")
        assert set(tmp_path.parent.glob("*")) == before
        if isinstance(change, dict):
            return


def test_bounds_are_settings(monkeypatch):
    from catalog.download.guard import bounds

    monkeypatch.setenv("VADOSE_DOWNLOAD_DOCUMENTS", "77")
    assert bounds().documents == 77
    monkeypatch.setenv("VADOSE_DOWNLOAD_DOCUMENT", "77")
    with pytest.raises(ConfigError, match="VADOSE_DOWNLOAD_DOCUMENT"):
        bounds()
    monkeypatch.delenv("VADOSE_DOWNLOAD_DOCUMENT")
    monkeypatch.setenv("VADOSE_DOWNLOAD_ITEMS", "-1")
    with pytest.raises(ConfigError, match="VADOSE_DOWNLOAD_ITEMS=-1"):
        bounds()


def test_a_folder_of_others_is_left_neither_by_links_nor_by_names(published_root, tmp_path):
    import os
    import shutil

    root = shutil.copytree(published_root, tmp_path / "catalog")
    (tmp_path / "secret.tif").write_bytes(SECRET)
    path = next(root.rglob("*20150402.json"))
    item = json.loads(path.read_text())
    for href in ("../../../../../secret.tif", (tmp_path / "secret.tif").as_uri()):
        item["assets"] = {"upper": {"href": href}}
        path.write_text(json.dumps(item))
        with pytest.raises((TransferError, CatalogError)):
            download(str(root), tmp_path / "out", Query(start=DayName.of_item(item).date))
    os.mkfifo(path.parent / "pipe.tif")
    item["assets"] = {"upper": {"href": "./pipe.tif"}}
    path.write_text(json.dumps(item))
    with pytest.raises(TransferError, match="missing"):
        download(str(root), tmp_path / "out", Query(start=DayName.of_item(item).date))
    assert not any(SECRET in file.read_bytes() for file in (tmp_path / "out").rglob("*") if file.is_file())
    document = json.loads((root / "catalog.json").read_text())
    document["links"] += [{"rel": "child", "href": "./catalog.json"}, {"rel": "child", "href": "../x/./catalog.json"}]
    (root / "catalog.json").write_text(json.dumps(document))
    with pytest.raises((CatalogError, TransferError)):
        download(str(root), tmp_path / "out", Query(start=DayName.of_item(item).date))


def test_a_server_that_is_not_there_is_told_so(hostile, tmp_path):
    catalog(hostile, [{"rel": "child", "href": "http://127.0.0.1:1/x.json"}])
    with pytest.raises(UnreachableError, match="does not answer"):
        attempt(hostile, tmp_path / "out", allow_hosts=["127.0.0.1:1"])
