"""Claims on days, so that one run makes a day at a time; the claim of a crashed run is void.

``claims/<collection>/<YYYYMMDD>.json`` is no part of STAC and no link leads to it. Its owner renews it while at work
and removes it at the end. A claim is void when its owner's process is gone (as far as this machine can tell) or when it
was not renewed in time, so ``kill -9`` blocks nobody for long. Claims spare work that is done twice, and fence off a
run that lost its own: a publication looks at it between reading the item that stands and replacing that very item.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from catalog.naming import DayName, collection_id
from catalog.store.base import Store, Write, open_store
from catalog.store.documents import Document, parse_json, serialise
from downscaler.errors import CatalogError, ClaimedError
from downscaler.ground.grid import Domain

FOLDER = "claims"
LEASE = 120.0  # seconds; a renewal that a slow disk or bucket delays must not lose it
PATIENCE = 3600.0  # seconds that a day made elsewhere is waited for
_LONGEST = dt.timedelta(hours=1)  # that a claim may hold ahead: no lease is as long, clocks may differ
_LOOK = 0.5  # seconds between looks at another's claim
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A day's claim as its holder has it; ``token`` names the holder, and fences off those who lost theirs."""

    store: Store
    key: str
    token: str
    inherited: bool
    lost: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Raise ClaimedError when the claim is no longer ours: a run that was stopped has been overtaken.

        Whoever replaces an object only while it is the one that was there before this check never undoes the work of
        another holder.
        """
        held = _parse(self.store.get(self.key))
        if held is None or held["token"] != self.token:
            self.lost.set()
        if self.lost.is_set():
            raise ClaimedError(
                "This run was stopped for so long that another took the day over",
                value=f"{self.key}: {_told(held)}",
                remedy="Nothing was published by this run; run the day again if it is not there.",
            )


@contextmanager
def claimed(
    uri: str | Path, domain: Domain, date: dt.date, *, patience: float = PATIENCE, lease: float = LEASE
) -> Iterator[Claim]:
    """Hold a day's claim, waiting up to ``patience`` seconds for another's; ``lease`` is its life without renewal.

    Yields the claim; it tells whether it was inherited from a run that died, whose work may lie about half done.

    Raises ClaimedError when another living run still holds it then, CatalogError when the catalogue cannot be written.
    """
    store, key, token = open_store(uri), _key(domain, date), uuid.uuid4().hex
    give_up = time.monotonic() + patience
    while (inherited := _take(store, key, token, lease)) is None:
        if time.monotonic() >= give_up:
            raise ClaimedError(
                f"Another run is making {date}",
                value=_told(_parse(store.get(key))),
                remedy="Wait for it, or stop it and run the day again.",
            )
        time.sleep(min(_LOOK, max(give_up - time.monotonic(), 0.0)))
    done = threading.Event()
    claim = Claim(store=store, key=key, token=token, inherited=inherited)
    renewal = threading.Thread(target=_renew, args=(uri, claim, lease, done), daemon=True)
    renewal.start()
    try:
        yield claim
    finally:
        done.set()
        renewal.join()
        _release(store, key, token)


def left(store: Store, domain: Domain) -> set[dt.date]:
    """The days of a domain that bear a claim."""
    names = (
        key.rsplit("/", 1)[-1].removesuffix(".json") for key in store.keys(f"{FOLDER}/{collection_id(domain.name)}/")
    )
    return {date for name in names if (date := _date(name)) is not None}


def _date(name: str) -> dt.date | None:
    """The day that a claim's file is named by; None where it is named otherwise."""
    try:
        return dt.datetime.strptime(name, "%Y%m%d").replace(tzinfo=dt.UTC).date() if len(name) == 8 else None
    except ValueError:
        return None


def sweep(uri: str | Path, domain: Domain) -> None:
    """Remove the claims that dead runs left on days without an item.

    Those on published days stay until the day is made again, however long: they tell what to mend.
    """
    store = open_store(uri)
    for date in left(store, domain):
        with store.lock():
            if store.get(DayName.of(domain, date).item_key) is None and is_void(store, _key(domain, date)):
                store.delete([_key(domain, date)])


def is_void(store: Store, key: str) -> bool:
    """Whether the object at a key is the claim of a run that died; a claim that is gone is none."""
    content = store.get(key)
    held = _parse(content)
    return content is not None and (held is None or not _is_alive(held))


def _key(domain: Domain, date: dt.date) -> str:
    return f"{FOLDER}/{collection_id(domain.name)}/{date:%Y%m%d}.json"


class _Taken(Exception):  # noqa: N818  (never leaves this module: what a change finds, no fault)
    """Another living run holds the claim."""


def _take(store: Store, key: str, token: str, lease: float) -> bool | None:
    """Make the claim ours: whether it was a dead run's, None where a living one holds it."""
    inherited = False

    def change(before: bytes | None) -> bytes:
        nonlocal inherited
        held = _parse(before)
        foreign = before is not None and (held is None or held["token"] != token)
        if foreign and held is not None and _is_alive(held):
            raise _Taken
        inherited = foreign
        return serialise(_owner(token, lease))

    try:
        with store.staging() as folder:
            store.apply([Write(key=key, content=change)], folder)
    except _Taken:
        return None
    if inherited:
        _LOG.warning("Taking over %s from a crashed run", key)
    return inherited


def _renew(uri: str | Path, claim: Claim, lease: float, done: threading.Event) -> None:
    """Renew a claim until it is done; a renewal that fails is tried again, one that was lost is never taken back."""
    store = open_store(uri)  # a store's lock belongs to the thread that holds it

    def change(before: bytes | None) -> bytes:
        held = _parse(before)
        if held is None or held["token"] != claim.token:
            raise _Taken
        return serialise(_owner(claim.token, lease))

    while not done.wait(lease / 4):
        try:
            with store.staging() as folder:
                store.apply([Write(key=claim.key, content=change)], folder)
        except _Taken:
            claim.lost.set()
            _LOG.warning("The claim %s was lost to another run; this one publishes nothing", claim.key)
            return
        except CatalogError as error:
            _LOG.warning("The claim %s could not be renewed: %s", claim.key, error)


def _release(store: Store, key: str, token: str) -> None:
    """Remove the claim if it is still ours; what cannot be removed runs out.

    One that ran out is left to who comes next: in a bucket it could be taken over between the look and the removal.
    """
    try:
        with store.lock():
            held = _parse(store.get(key))
            if held is not None and held["token"] == token and (store.exclusive or not _ran_out(held)):
                store.delete([key])
    except CatalogError as error:
        _LOG.warning("The claim %s could not be removed: %s", key, error)


def _owner(token: str, lease: float) -> dict[str, Any]:
    return {
        "token": token,
        "machine": _machine(),
        "process": os.getpid(),
        "started": _started(os.getpid()),
        "until": (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=lease)).isoformat(),
    }


def _is_alive(held: Document) -> bool:
    """Whether the owner may still be at work."""
    if _ran_out(held):
        return False
    if held["machine"] != _machine() or held["started"] is None:
        return True
    return bool(_started(held["process"]) == held["started"])


def _ran_out(held: Document) -> bool:
    return dt.datetime.now(dt.UTC) >= dt.datetime.fromisoformat(held["until"])


def _machine() -> str:
    """The set of processes whose numbers mean something here: host and, in a container, its own numbering."""
    try:
        return f"{socket.gethostname()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()


def _started(process: int) -> str | None:
    """When a process started, in the kernel's own clock; None where it is gone, a zombie or not to be told."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if status[0] in "ZX" else status[19]


def _parse(content: bytes | None) -> Document | None:
    """A claim; None where there is none, or none that a run of ours can have made: then it holds nobody off."""
    try:
        held = parse_json(content or b"")
        until = dt.datetime.fromisoformat(held["until"])
        far = until - dt.datetime.now(dt.UTC) > _LONGEST
        sound = isinstance(held["process"], int) and isinstance(held["started"], str | None)
        sound = sound and isinstance(held["token"], str) and isinstance(held["machine"], str)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):  # a time without zone is a TypeError
        return None
    return None if far or not sound else dict(held)


def _told(held: Document | None) -> str:
    return f"process {held['process']} on {held['machine']}" if held else "nobody known"
