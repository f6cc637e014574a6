"""Every body and every parameter of the service, asked of the application itself."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.fuzz import mutating, opening
from tests.fuzz.children import Subject, Untyped

TELLING = re.compile(
    rb"Traceback|DuckDB|duckdb|rustac|/tmp/|/work/|/home/|site-packages|\.py\b|xarray|rasterio|GDAL|uvicorn|pydantic|h11",
)
"""What no answer may tell: places of the machine, engines, a stack."""
COLLECTION = "vadose-sm-1km_little-washita"
ITEM = f"{COLLECTION}_20150401"
POLYGON = {"type": "Polygon", "coordinates": [[[-99, 34], [-97, 34], [-97, 36], [-99, 36], [-99, 34]]]}
SEARCH = {
    "collections": [COLLECTION],
    "ids": [ITEM],
    "bbox": [-99.0, 34.0, -97.0, 36.0],
    "datetime": "2015-04-01T00:00:00Z/2015-04-02T00:00:00Z",
    "limit": 5,
    "sortby": [{"field": "properties.datetime", "direction": "desc"}],
    "fields": {"include": ["id", "properties.gsd"], "exclude": ["assets"]},
    "filter-lang": "cql2-json",
    "filter": {
        "op": "and",
        "args": [
            {"op": "=", "args": [{"property": "collection"}, COLLECTION]},
            {"op": "between", "args": [{"property": "vadose:published_percent"}, 1, 100]},
            {"op": "s_intersects", "args": [{"property": "geometry"}, POLYGON]},
            {"op": "t_after", "args": [{"property": "datetime"}, {"timestamp": "2015-01-01T00:00:00Z"}]},
        ],
    },
}
CQL2 = (
    "vadose:simulated = false AND (eo:x IS NULL OR id LIKE 'vadose%')",
    "datetime >= TIMESTAMP('2015-04-01T00:00:00Z') AND gsd < 2000",
    "S_INTERSECTS(geometry, POLYGON((-99 34, -97 34, -97 36, -99 36, -99 34)))",
    "id IN ('a', 'b') OR NOT (CASEI(title) LIKE CASEI('%x%'))",
    '"vadose:published_percent" BETWEEN 10 AND 90',
)
ADDRESSES = (
    "/",
    "/healthz",
    "/layers",
    f"/dates?collection={COLLECTION}",
    f"/timeseries?lon=-98&lat=34.9&f=csv&start=2015-04-01&end=2015-04-02&collection={COLLECTION}",
    f"/values?lon=-98&lat=34.9&start=2015-04-01&end=2015-04-02&variables=soil_moisture,lower&collection={COLLECTION}",
    f"/datasets/{COLLECTION}/croissant.json",
    f"/edr/collections/{COLLECTION}/position?coords=POINT(-98 34.9)&datetime=2015-04-01/..&f=json",
    f"/tiles/{COLLECTION}/{ITEM}/soil_moisture/6/14/25.png",
    f"/tiles/{COLLECTION}/{ITEM}/difference/6/14/25.png?v=1",
    f"/cube/{COLLECTION}/main/zarr.json",
    f"/catalog/{COLLECTION}/2015/04/{ITEM}/{ITEM}.json",
    f"/stac/collections/{COLLECTION}/items?limit=1&bbox=-99,34,-97,36&datetime=2015-04-01T00:00:00Z/..",
    f"/stac/collections/{COLLECTION}/items/{ITEM}",
    "/stac/queryables",
    "/stac/search?limit=2&sortby=-datetime&fields=id,-assets&ids=x",
    "/viewer/main.js",
)


_LONGEST_ADDRESS = 8_000


def service_subjects(seeds: Path) -> Iterator[Subject]:
    """Bodies of searches, filters as text, and addresses."""
    setup = _client(seeds / "catalog")
    yield Subject(name="searches", make=_search, read=_ask_search, setup=setup, opens=opening.document)
    yield Subject(name="filters", make=_filter, read=_ask_filter, setup=setup, opens=_parsed)
    yield Subject(name="addresses", make=_address, read=_ask_address, setup=setup, opens=_routed)


def _parsed(path: Path) -> None:
    """It is CQL2."""
    import cql2

    content = path.read_text(encoding="utf-8")
    assert content.count("(") < 12, "cql2 itself would be at it for hours, or end the process"
    assert content.count("NOT") < 100
    cql2.parse_text(content)


def _routed(path: Path) -> None:
    """Its first part is one that the service knows."""
    _, address, _ = json.loads(path.read_text())
    assert address.split("?")[0].split("/")[1] in {one.split("?")[0].split("/")[1] for one in ADDRESSES}


def _client(catalog: Path) -> Callable[[], Any]:
    def setup() -> Any:
        from starlette.testclient import TestClient

        from catalog.api import create_app

        client = TestClient(
            create_app(catalog, fresh=3600.0), base_url="http://localhost", raise_server_exceptions=False
        )
        assert client.get("/stac/search").json()["numberMatched"] == 2
        return client

    return setup


def _check(answer: Any, asked: str) -> None:
    from downscaler.errors import VadoseError

    if answer.status_code >= 500:
        raise Untyped(f"{answer.status_code} {asked[:80]!a}: {answer.text[:80]}")
    told = TELLING.search(answer.content) if answer.status_code >= 400 else None
    if told and told[0] not in asked.encode("utf-8", "replace"):
        raise Untyped(f"{answer.status_code} tells {told[0]!r}: {answer.text[:120]}")
    if answer.status_code >= 400:
        raise VadoseError("refused")


def _search(folder: Path, chance: random.Random) -> Path:
    path = folder / "body.json"
    keys = chance.sample(list(SEARCH), chance.randrange(1, len(SEARCH)))
    whole = {key: SEARCH[key] for key in [*keys, *(["filter-lang"] if "filter" in keys else [])]}
    path.write_bytes(mutating.as_json(mutating.document(whole, chance), chance))
    return path


def _ask_search(path: Path, client: Any) -> None:
    content = path.read_bytes()
    kinds = ["application/json"] * 8 + ["text/plain", "application/x-www-form-urlencoded"]
    kind = kinds[len(content) % len(kinds)]
    _check(
        client.post("/stac/search", content=content, headers={"Content-Type": kind}), content.decode("utf-8", "replace")
    )


def _filter(folder: Path, chance: random.Random) -> Path:
    path = folder / "filter.txt"
    content = chance.choice(CQL2)
    for _ in range(chance.choice([1, 1, 2, 4])):
        content = _changed(content, chance)[:100_000]
    path.write_text(content, encoding="utf-8", errors="replace")
    return path


_WORDS = (
    *("AND", "OR", "NOT", "(", ")", "IN", "LIKE", "IS NULL", "BETWEEN", "=", "<", "'", '"', ",", "1e999", "range(9)"),
    *("read_text('/etc/passwd')", "list_sum(range(1000000000))", "sleep(9)", ";", "--", "POINT(0 0)", "S_WITHIN"),
    *("T_DURING", "CASEI", "INTERVAL('2015-01-01','..')", "DATE('x')", "A_CONTAINS", "geometry", "*", "%", "^"),
)


def _changed(content: str, chance: random.Random) -> str:
    what = chance.randrange(6)
    if what == 0:
        return mutating.text(content, chance)
    parts = re.split(r"(\W)", content)
    at = chance.randrange(len(parts))
    if what == 1:
        parts[at] = chance.choice(_WORDS)
    elif what == 2:
        parts.insert(at, f" {chance.choice(_WORDS)} ")
    elif what == 3:
        del parts[at]
    elif what == 4:
        opened = chance.choice(["(", "NOT ", "NOT("]) * chance.choice([1, 8, 20, 30, 3000]) + content
        return opened + ")" * chance.choice([0, opened.count("(")])
    else:
        joined = chance.choice([" AND ", " OR "])
        return joined.join([content] * chance.choice([2, 20, 500]))
    return "".join(parts)


def _ask_filter(path: Path, client: Any) -> None:
    asked = path.read_text(encoding="utf-8")
    if len(asked) > _LONGEST_ADDRESS:  # than the server hears
        body = {"filter": asked, "filter-lang": "cql2-text"}
        _check(client.post("/stac/search", json=body), asked)
    else:
        _check(client.get("/stac/search", params={"filter": asked, "filter-lang": "cql2-text"}), asked)


_LONGEST_ADDRESS = 60_000  # the client itself refuses more than 65,536


def _address(folder: Path, chance: random.Random) -> Path:
    path = folder / "address.json"
    address = chance.choice(ADDRESSES)
    parts = re.split(r"([/?&=,:])", address)
    for _ in range(chance.choice([1, 1, 2, 3])):
        at = chance.randrange(len(parts))
        what = chance.randrange(4)
        if what == 0:
            parts[at] = quote(
                str(chance.choice([*mutating.ODD_TEXTS, *mutating.ODD_NUMBERS])), safe="", errors="replace"
            )
        elif what == 1:
            parts[at] = mutating.text(parts[at], chance)
        elif what == 2:
            parts[at] = parts[at] * chance.choice([2, 50])
        else:
            parts[at] = ""
    made = "/" + "".join(parts).lstrip("/")
    made = "".join(c if " " < c < "\x7f" else quote(c, errors="replace") for c in made)[:_LONGEST_ADDRESS]
    headers = {}
    if chance.random() < 0.3:
        name = chance.choice(["Range", "If-None-Match", "If-Modified-Since", "If-Range", "Accept", "Accept-Encoding"])
        odd = [
            "bytes=0-",
            "bytes=-1",
            "bytes=9-1",
            "bytes=" + "9" * 40 + "-",
            "text/csv",
            "*",
            "x" * 3000,
            'W/"x"',
            "0",
        ]
        headers[name] = chance.choice([*odd, *(t for t in mutating.ODD_TEXTS if t.isascii() and t.isprintable())])
    method = chance.choice(["GET"] * 8 + ["HEAD", "POST", "DELETE", "OPTIONS"])
    path.write_text(json.dumps([method, made, headers]))
    return path


def _ask_address(path: Path, client: Any) -> None:
    method, address, headers = json.loads(path.read_text())
    _check(client.request(method, "http://localhost" + address, headers=headers), f"{method} {address} {headers}")
