"""Failed days beside the catalogue: why, and from which inputs, so that a day is tried again when something changed.

``failures/<collection>/<YYYYMMDD>.json`` is no part of STAC and no link leads to it. It goes when the day succeeds.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from catalog.naming import collection_id
from catalog.store.base import Write, open_store
from catalog.store.documents import serialise
from downscaler.ground.grid import Domain

FOLDER = "failures"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a day has no product, or no newer one.

    ``error`` is the class and ``exit_code`` the code of what stopped it; ``kind`` is failed, or no-coverage where SMAP
    has nothing to give; ``inputs`` maps what went in (granule files, prior, model, versions) to checksums or versions,
    empty when it failed before they were known; ``attempts`` counts failures in a row from the same inputs.
    """

    date: dt.date
    kind: str
    error: str
    exit_code: int
    reason: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    attempts: int = 1
    time: str = ""

    def same_inputs(self, inputs: Mapping[str, str]) -> bool:
        """Whether nothing that is known of the day changed since: then trying again would fail again."""
        return bool(self.inputs) and dict(self.inputs) == dict(inputs)


def record_failure(uri: str | Path, domain: Domain, failure: Failure) -> None:
    """Keep a day's failure in place of an earlier one; raises CatalogError when the catalogue cannot be written."""
    store, key = open_store(uri), _key(domain, failure.date)

    def change(before: bytes | None) -> bytes:
        earlier = parse_failure(before) if before is not None else None
        again = earlier is not None and earlier.error == failure.error and dict(earlier.inputs) == dict(failure.inputs)
        attempts = earlier.attempts + 1 if earlier is not None and again else 1
        stamp = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        document = asdict(failure) | {"date": failure.date.isoformat(), "attempts": attempts, "time": stamp}
        return serialise(document)

    with store.staging() as folder:
        store.apply([Write(key=key, content=change)], folder)


def clear_failure(uri: str | Path, domain: Domain, date: dt.date) -> None:
    """Forget a day's failure, if there is one."""
    store, key = open_store(uri), _key(domain, date)
    if store.get(key) is not None:
        store.delete([key])


def failures(uri: str | Path, domain: Domain) -> dict[dt.date, Failure]:
    """All failures of a domain by day; a record that cannot be read is left out."""
    store = open_store(uri)
    found = (parse_failure(store.get(key) or b"") for key in store.keys(f"{FOLDER}/{collection_id(domain.name)}/"))
    return {failure.date: failure for failure in found if failure is not None}


def _key(domain: Domain, date: dt.date) -> str:
    return f"{FOLDER}/{collection_id(domain.name)}/{date:%Y%m%d}.json"


def parse_failure(content: bytes) -> Failure | None:
    """The failure that a record tells; None where it cannot be read."""
    try:
        document: dict[str, Any] = json.loads(content)
        return Failure(**{**document, "date": dt.date.fromisoformat(document["date"])})
    except (ValueError, KeyError, TypeError):
        return None
