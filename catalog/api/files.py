"""The catalogue's files, with range requests and revalidation, from a folder or a bucket."""

from __future__ import annotations

import email.utils
import itertools
import re
from collections.abc import Iterator

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from catalog.api.requests import absent
from catalog.publish.claims import FOLDER as CLAIMS
from catalog.publish.failures import FOLDER as FAILURES
from catalog.store.base import Store
from catalog.store.folder import FolderStore
from catalog.store.objects import ObjectFacts, can_hold

router = APIRouter()
_TYPES = {
    ".json": "application/json",
    ".tif": "image/tiff; application=geotiff; profile=cloud-optimized",
    ".png": "image/png",
    ".html": "text/html; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".parquet": "application/vnd.apache.parquet",
    ".csv": "text/csv; charset=utf-8",
}
_CHUNK = 256 * 1024
_NAME = re.compile(r"(?!\.)[^/\\\x00-\x1f]+")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_KEPT = re.compile(r"/r\d{3,}/(?!item\.json)")  # what lies in a revision's folder never changes
_KEPT_NAME = re.compile(
    r"/([A-Za-z0-9._-]+)/(r\d{3,})/([A-Za-z0-9._-]+)$"
)  # item, revision and file: a name that tells all
_EXAMPLE = {"description": "A part of the file (Range)"}


@router.get("/catalog/{key:path}", summary="A file of the catalogue", responses={206: _EXAMPLE})
async def file(key: str, request: Request) -> Response:
    """A file of the catalogue by its key; ``Range`` gives a part, ``If-None-Match`` nothing when it is known."""
    store: Store = request.app.state.store
    key = key or "catalog.json"
    facts = await run_in_threadpool(_facts, store, key) if _served(key) else None
    if facts is None:
        raise absent(f"The catalogue has no file {key[:200]!r}.")
    headers = _headers(key, facts)
    if _known(request, headers, facts):
        return Response(status_code=304, headers=headers)
    span = _span(request, headers, facts.size)
    if span is None:
        return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{facts.size}"})
    start, stop = span
    headers["Content-Length"] = str(stop - start)
    status = 200
    if (start, stop) != (0, facts.size) or ("range" in request.headers and _partial(request, headers)):
        headers["Content-Range"], status = f"bytes {start}-{stop - 1}/{facts.size}", 206
    if request.scope.get("vadose.head"):
        return Response(status_code=status, headers=headers)
    parts = _parts(store, key, start, stop)
    try:
        opening = await run_in_threadpool(next, parts, b"")
    except FileNotFoundError:  # taken away since it was looked at
        raise absent(f"The catalogue has no file {key[:200]!r}.") from None
    return StreamingResponse(itertools.chain([opening], parts), status_code=status, headers=headers)


def _served(key: str) -> bool:
    """Whether a key may name a file of the catalogue: no hidden name, no way up, no record of failed days, no claim."""
    names = key.split("/")
    return can_hold(key) and names[0] not in (FAILURES, CLAIMS) and all(_NAME.fullmatch(name) for name in names)


def _facts(store: Store, key: str) -> ObjectFacts | None:
    """What an object is; a link that leads out of the catalogue's folder is none."""
    if isinstance(store, FolderStore) and not (store.root / key).resolve().is_relative_to(store.root.resolve()):
        return None
    return store.facts(key)


def _headers(key: str, facts: ObjectFacts) -> dict[str, str]:
    suffix = "." + key.rpartition(".")[2].lower()
    saved = _KEPT_NAME.search(key)
    named = {"Content-Disposition": f'inline; filename="{_saved_as(*saved.groups())}"'} if saved else {}
    return named | {
        "Accept-Ranges": "bytes",
        "ETag": f'"{facts.tag}"',
        "Last-Modified": email.utils.formatdate(facts.modified, usegmt=True),
        "Content-Type": _TYPES.get(suffix, "application/octet-stream"),
        "Cache-Control": "public, max-age=31536000, immutable" if _KEPT.search(key) else "no-cache",
    }


def _saved_as(item: str, revision: str, name: str) -> str:
    """The name that a browser saves a revision's file under; in a folder of downloads it bears it already."""
    return name if name.startswith(f"{item}_") else f"{item}_{revision}_{name}"


def _known(request: Request, headers: dict[str, str], facts: ObjectFacts) -> bool:
    """Whether the client has this version already; a tag decides where one is sent, else the time."""
    if (tags := request.headers.get("if-none-match")) is not None:
        return tags.strip() == "*" or headers["ETag"] in [tag.strip().removeprefix("W/") for tag in tags.split(",")]
    return _not_after(facts.modified, request.headers.get("if-modified-since"))


def _not_after(modified: float, stated: str | None) -> bool:
    try:
        return stated is not None and int(modified) <= email.utils.parsedate_to_datetime(stated).timestamp()
    except (ValueError, OverflowError):
        return False


def _partial(request: Request, headers: dict[str, str]) -> bool:
    """Whether the Range header counts: there is one part, and If-Range names this version."""
    condition = request.headers.get("if-range")
    unchanged = condition is None or condition in (headers["ETag"], headers["Last-Modified"])
    return unchanged and _RANGE.fullmatch(request.headers.get("range", "").strip()) is not None


def _span(request: Request, headers: dict[str, str], size: int) -> tuple[int, int] | None:
    """First byte and the one after the last; the whole where no single range is asked for, None where it is absent."""
    if not _partial(request, headers):
        return 0, size
    match = _RANGE.fullmatch(request.headers["range"].strip())
    assert match is not None
    first, last = match.groups()
    if len(first) > 18 or len(last) > 18 or not (first or last):
        return None
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    return (start, stop) if start < stop else None


def _parts(store: Store, key: str, start: int, stop: int) -> Iterator[bytes]:
    with store.reader(key) as source:
        source.seek(start)
        while start < stop:
            part = bytes(source.read(min(_CHUNK, stop - start)))
            if not part:
                return
            start += len(part)
            yield part
