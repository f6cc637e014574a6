"""Downloads one file: resumes, retries a busy server, verifies."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential
from urllib3.exceptions import HTTPError

from catalog.download.guard import BUSY, Bounds, Guard, GuardedSession, bounds
from catalog.download.origin import TIMEOUT
from catalog.store.base import Store
from catalog.store.documents import parse_json
from downscaler.errors import ChecksumError, TransferError, UnreachableError
from downscaler.records import sync
from downscaler.sources.earthdata.checks import fault
from downscaler.sources.earthdata.records import RemoteFile

Tell = Callable[[int], None]
"""Called with the bytes that have just come; negative when bytes that had come are of no use."""
_ATTEMPTS = 6
_LONGEST_WAIT = 20.0  # s between two attempts
_PIECE = 1 << 18
_SPAN = 60.0  # s over which the rate of a file is looked at
_HOPELESS = (
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidHeader,
    requests.exceptions.TooManyRedirects,
)  # what no further attempt makes better


class Fetch(Protocol):
    """Brings one file, or what is still missing of it, into ``part``."""

    def __call__(self, remote: RemoteFile, part: Path, tell: Tell) -> None:
        """Raises TransferError and UnreachableError; OSError when it cannot be written here."""
        ...


def bring(remote: RemoteFile, target: Path, fetch: Fetch, tell: Tell) -> bool:
    """Have a whole file at ``target``; False when it was there already.

    It grows as ``target`` with ``.part`` and is renamed when size and checksum are the told ones. Bad bytes are thrown
    away and brought once more.

    Raises:
        ChecksumError: they are bad again.
        TransferError: the server refuses the file.
        UnreachableError: the server does not answer, after several tries.
        OSError: it cannot be written here.
    """
    if target.is_file() and fault(target, remote) is None:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    reason = None
    for _ in range(2):
        fetch(remote, part, tell)
        reason = fault(part, remote)
        if reason is None:
            sync(part)
            part.replace(target)
            _note(part).unlink(missing_ok=True)
            return True
        tell(-part.stat().st_size)
        _discard(part)
    raise ChecksumError(
        "A file was damaged in two downloads",
        value=f"{remote.url}: {reason}",
        remedy="Contact the provider of the catalogue.",
    )


def _note(part: Path) -> Path:
    """Where it is written down what a part is a part of."""
    return part.with_name(f"{part.name}.json")


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


@dataclass(frozen=True)
class CopyFrom:
    """Files of a catalogue in a folder or bucket."""

    store: Store

    def __call__(self, remote: RemoteFile, part: Path, tell: Tell) -> None:
        """Copy the object piece by piece; one that has another size than its item tells is refused before."""
        below = f"{self.store.uri}/"
        facts = self.store.facts(remote.url.removeprefix(below)) if remote.url.startswith(below) else None
        if facts is None:
            raise TransferError("A file is missing from the catalogue", value=remote.url)
        if remote.size is not None and facts.size > remote.size:
            raise _too_large(remote, facts.size)
        with self.store.reader(remote.url.removeprefix(below)) as source, part.open("wb") as file:
            while piece := source.read(_PIECE):
                file.write(piece)
                tell(len(piece))


def _too_large(remote: RemoteFile, most: int) -> TransferError:
    told = "its item tells" if remote.size is not None else "a file without a told size may be"
    return TransferError(f"A file is larger than {told}", value=f"{remote.url}: more than {most:,} bytes")


class _CutShortError(Exception):
    """An attempt ended early; another may go on. ``wait`` is what the server asked for, s."""

    def __init__(self, said: str, wait: float = 0.0) -> None:
        super().__init__(said)
        self.wait = wait


def _pause(state: RetryCallState) -> float:
    """Twice as long each time, at least as long as the server asks, within bounds."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.wait if isinstance(error, _CutShortError) else 0.0
    return min(max(wait_exponential(multiplier=0.25, max=_LONGEST_WAIT)(state), asked), _LONGEST_WAIT)


@dataclass(frozen=True)
class FetchHttp:
    """Files over HTTP, by ranges: ``If-Range`` keeps bytes of two versions from being joined."""

    timeout: tuple[float, float] = TIMEOUT
    attempts: int = _ATTEMPTS
    limits: Bounds = field(default_factory=bounds)
    session: requests.Session | None = None

    def within(self, guard: Guard) -> FetchHttp:
        """The same, asking only what a guard allows."""
        return replace(self, session=GuardedSession(guard), limits=guard.limits)

    def __call__(self, remote: RemoteFile, part: Path, tell: Tell) -> None:
        """All that is missing; goes on after broken connections, time limits and answers of a busy server."""
        retrying = Retrying(
            retry=retry_if_exception_type(_CutShortError),
            stop=stop_after_attempt(self.attempts),
            wait=_pause,
            reraise=True,
        )
        try:
            retrying(self._attempt, remote, part, tell)
        except _CutShortError as error:
            raise UnreachableError(
                "A download was interrupted",
                value=f"{remote.url}: {error}",
                remedy="Run the command again; it resumes.",
            ) from error

    def _attempt(self, remote: RemoteFile, part: Path, tell: Tell) -> None:
        have, headers = _standing(part, remote)
        if have and have == remote.size:
            return
        session = self.session or GuardedSession(Guard(remote.url, limits=self.limits))
        try:
            with session.get(remote.url, headers=headers, stream=True, timeout=self.timeout) as answer:
                _refuse(answer, remote, part)
                _write(answer, part, _begin(answer, part, remote, have), tell, remote, self.limits)
        except _HOPELESS as error:
            raise TransferError("A file's address leads nowhere", value=f"{remote.url}: {error}") from error
        except (requests.RequestException, HTTPError) as error:
            raise _CutShortError(str(error)) from error
        came = part.stat().st_size
        if remote.size is not None and came < remote.size:
            raise _CutShortError(f"{came} of {remote.size} bytes")


def _standing(part: Path, remote: RemoteFile) -> tuple[int, dict[str, str]]:
    """Bytes that may be kept of an earlier attempt, and the headers that ask for the rest."""
    headers = {"Accept-Encoding": "identity"}
    try:
        note = parse_json(_note(part).read_bytes())
        have = part.stat().st_size
    except (OSError, ValueError):
        note, have = {}, 0
    usable = note.get("digest") == remote.digest and (note.get("etag") or remote.checksum)
    if not have or not usable or (remote.size is not None and have > remote.size):
        return 0, headers
    headers["Range"] = f"bytes={have}-"
    if note.get("etag"):
        headers["If-Range"] = note["etag"]
    return have, headers


def _refuse(answer: requests.Response, remote: RemoteFile, part: Path) -> None:
    """Raise unless the answer brings bytes."""
    code = answer.status_code
    if code in BUSY:
        asked = answer.headers.get("Retry-After", "")
        raise _CutShortError(f"HTTP {code}", float(asked) if asked.isdigit() else 0.0)
    if code == requests.codes.requested_range_not_satisfiable:
        _discard(part)
        raise _CutShortError(f"HTTP {code}")
    if code not in (requests.codes.ok, requests.codes.partial_content):
        raise TransferError("The server refuses a file", value=f"{remote.url}: HTTP {code}")


def _begin(answer: requests.Response, part: Path, remote: RemoteFile, have: int) -> int:
    """Where the answer's bytes go; notes what they are part of. A whole answer replaces what was there."""
    etag = answer.headers.get("ETag", "")
    facts: dict[str, Any] = {"digest": remote.digest, "etag": "" if etag.startswith("W/") else etag}
    if answer.status_code != requests.codes.partial_content:
        _note(part).write_text(json.dumps(facts), encoding="utf-8")
        return 0
    if not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
        _discard(part)
        raise _CutShortError(f"received another range than requested: {answer.headers.get('Content-Range')}")
    return have


def _write(answer: requests.Response, part: Path, have: int, tell: Tell, remote: RemoteFile, limits: Bounds) -> None:
    """The answer's bytes after the first ``have``, as they come: of a broken connection all that came is kept.

    Raises TransferError when more come than the item tells, and _CutShortError when they hardly come any more.
    """
    most, since, came = remote.size if remote.size is not None else limits.file_bytes, time.monotonic(), 0
    with part.open("r+b" if part.exists() else "wb") as file:
        file.truncate(have)
        file.seek(have)
        while piece := answer.raw.read1(min(_PIECE, most - have + 1), decode_content=False):
            have += len(piece)
            if have > most:
                break
            file.write(piece)
            tell(len(piece))
            came += len(piece)
            if (span := time.monotonic() - since) > _SPAN:
                if came / span < limits.file_rate:
                    raise _CutShortError(f"{came / span:.0f} bytes a second")
                since, came = time.monotonic(), 0
    if have > most:
        tell(-part.stat().st_size)
        _discard(part)
        raise _too_large(remote, most)


def name_in(url: str) -> str:
    """The last part of an address's path; empty where it is no address."""
    try:
        return urlsplit(url).path.rsplit("/", 1)[-1]
    except ValueError:
        return ""
