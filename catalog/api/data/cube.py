"""Cubes as plain Zarr over HTTP, by snapshot or the newest; readers need no Icechunk."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, HTTPException, Path, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from zarr.abc.store import RangeByteRequest
from zarr.core.buffer import default_buffer_prototype

from catalog.api.requests import absent, base
from catalog.cube.repository import BRANCH, cube_errors, open_repository
from downscaler.errors import CubeError, MissingExtraError

if TYPE_CHECKING:
    import icechunk

router = APIRouter()
_SNAPSHOT = r"main|[0-9A-Z]{20}"
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_OPEN = 32  # sessions kept: each holds its snapshot's list of arrays
_METADATA = "zarr.json"
_KEY = re.compile(
    r"zarr\.json|[a-z_]{1,40}/(zarr\.json|c(/\d{1,9}){0,4})"
)  # Icechunk takes others for a fault of its own
Collection = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", description="A collection")]
Snapshot = Annotated[str, Path(pattern=f"^({_SNAPSHOT})$", description="A snapshot, or main for the newest")]


@router.get("/cube/{collection}", summary="Addresses of a collection's cube")
async def cube(collection: Collection, request: Request) -> JSONResponse:
    """Addresses of the cube: the newest state, and the current snapshot, which never changes."""
    snapshot = await run_in_threadpool(_newest, request.app.state.store.uri, collection)
    root = f"{base(request)}cube/{collection}/"
    found = {"collection": collection, "snapshot": snapshot, "newest": f"{root}{BRANCH}", "fixed": f"{root}{snapshot}"}
    return JSONResponse(found, headers={"Cache-Control": "no-cache"})


@router.get("/cube/{collection}/{snapshot}/{key:path}", summary="An object of a cube (Zarr v3)")
async def member(collection: Collection, snapshot: Snapshot, key: str, request: Request) -> Response:
    """Metadata, consolidated at the root, and chunks; ``Range`` gives a part."""
    if not _KEY.fullmatch(key):
        raise absent(f"The cube has no object {key[:100]!r}.")
    uri = request.app.state.store.uri
    fixed = await run_in_threadpool(_newest, uri, collection) if snapshot == BRANCH else snapshot
    session = await run_in_threadpool(session_of, uri, collection, fixed)
    lasting = "no-cache" if snapshot == BRANCH else "public, max-age=86400"
    headers = {"ETag": f'"{fixed}"', "Cache-Control": lasting, "Accept-Ranges": "bytes"}
    with cube_errors(uri, collection):
        if key == _METADATA:
            return Response(await _consolidated(session), media_type="application/json", headers=headers)
        return await _part(session, key, request.headers.get("range"), headers)


def newest_snapshot(uri: str, collection: str) -> str | None:
    """The newest snapshot of a collection's cube; None if it is missing or unreadable."""
    try:
        return _newest(uri, collection)
    except HTTPException:
        return None


def _newest(uri: str, collection: str) -> str:
    try:
        return _repository(uri, collection).lookup_branch(BRANCH)
    except (CubeError, MissingExtraError):
        raise absent(f"{collection} has no cube.") from None


@lru_cache(maxsize=_OPEN)
def _repository(uri: str, collection: str) -> icechunk.Repository:
    return open_repository(uri, collection)


@lru_cache(maxsize=_OPEN)
def session_of(uri: str, collection: str, snapshot: str) -> icechunk.Session:
    """A snapshot of a cube, open for reading; HTTP 404 if it does not exist."""
    _newest(uri, collection)
    try:
        with cube_errors(uri, collection):
            return _repository(uri, collection).readonly_session(snapshot_id=snapshot)
    except CubeError:
        raise absent(f"The cube of {collection} has no snapshot {snapshot}, or no longer.") from None


async def _consolidated(session: icechunk.Session) -> bytes:
    """The root's metadata with that of all arrays: over HTTP nothing can be listed."""
    store = session.store
    root = json.loads(await _whole(session, _METADATA))
    names = sorted([name async for name in store.list_dir("") if name != _METADATA])
    arrays = {name: json.loads(await _whole(session, f"{name}/{_METADATA}")) for name in names}
    root["consolidated_metadata"] = {"kind": "inline", "must_understand": False, "metadata": arrays}
    return json.dumps(root).encode()


async def _whole(session: icechunk.Session, key: str) -> bytes:
    found = await session.store.get(key, default_buffer_prototype())
    if found is None:
        raise absent(f"The cube has no object {key!r}.")
    return found.to_bytes()


async def _part(session: icechunk.Session, key: str, asked: str | None, headers: dict[str, str]) -> Response:
    """An object or the part of it that a Range header asks for."""
    match = _RANGE.fullmatch(asked.strip()) if asked else None
    first, last = match.groups() if match else ("", "")
    if not (first or last):
        return Response(await _whole(session, key), media_type="application/octet-stream", headers=headers)
    store = session.store
    if not await store.exists(key):
        raise absent(f"The cube has no object {key!r}.")
    size = await store.getsize(key)
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    if start >= stop:
        return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{size}"})
    found = await store.get(key, default_buffer_prototype(), byte_range=RangeByteRequest(start, stop))
    if found is None:
        raise absent(f"The cube has no object {key!r}.")
    headers = headers | {"Content-Range": f"bytes {start}-{stop - 1}/{size}"}
    return Response(found.to_bytes(), status_code=206, media_type="application/octet-stream", headers=headers)
