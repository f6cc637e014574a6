"""Identifiers and keys of the catalogue: collection / year / month / item / revision, and the index beside them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from downscaler.ground.grid import Domain
from downscaler.product import kind_of

ROOT = "catalog.json"
MODELS = "vadose-models"
VALIDATIONS = "vadose-validation"
NO_DAYS = (MODELS, VALIDATIONS)  # collections whose items are no days
CUBES = "cubes"
REPORTS = "reports"
DOWNLOAD_LOCK = ".download.lock"
"""Marks a folder of downloads, and is held by the one under way."""
_PREFIX = "vadose-sm-1km"
_INDEX = "index"
_PARENT = re.compile(r"catalog\.json|[^/]+/(collection\.json|\d{4}/catalog\.json|\d{4}/\d{2}/catalog\.json)")
_MONTH = re.compile(r"(?P<collection>[^/]+)/(?P<year>\d{4})/(?P<month>\d{2})/")


class Revisioned(Protocol):
    """Names of an item whose assets live in revisions below its folder."""

    @property
    def item_id(self) -> str:
        """Identifier of the item."""
        ...

    @property
    def folder(self) -> str:
        """Folder of the item and its revisions."""
        ...

    @property
    def item_key(self) -> str:
        """Key of the item: the commit point."""
        ...


def collection_id(domain_name: str) -> str:
    """One collection per domain and kind: vadose-sm-1km_DOMAIN, vadose-sm-1km-analysis_DOMAIN, and so on."""
    return f"{_PREFIX}{'-' if kind_of(domain_name).prefix else '_'}{domain_name}"


def domain_name(collection: str) -> str:
    """The domain of a collection of days."""
    return collection.removeprefix(f"{_PREFIX}_").removeprefix(f"{_PREFIX}-")


def collection_key(domain_name: str) -> str:
    """Key of a domain's collection."""
    return f"{collection_id(domain_name)}/collection.json"


def cube_folder(collection: str) -> str:
    """Folder of a collection's cube, beside the collections: it is no part of the tree of links."""
    return f"{CUBES}/{collection}"


@dataclass(frozen=True, kw_only=True)
class DayName:
    """Names of one domain's day."""

    domain_name: str
    date: dt.date

    @classmethod
    def of(cls, domain: Domain, date: dt.date) -> DayName:
        """The day's names on a domain."""
        return cls(domain_name=domain.name, date=date)

    @classmethod
    def of_item(cls, item: Mapping[str, Any]) -> DayName:
        """The names of a published day's item."""
        date = dt.date.fromisoformat(str(item["properties"]["start_datetime"])[:10])
        return cls(domain_name=domain_name(str(item["collection"])), date=date)

    @property
    def item_id(self) -> str:
        """Unique over all domains and days."""
        return f"{collection_id(self.domain_name)}_{self.date:%Y%m%d}"

    @property
    def collection_key(self) -> str:
        """Key of the collection."""
        return collection_key(self.domain_name)

    @property
    def year_key(self) -> str:
        """Key of the year's catalogue."""
        return f"{collection_id(self.domain_name)}/{self.date:%Y}/catalog.json"

    @property
    def month_key(self) -> str:
        """Key of the month's catalogue."""
        return f"{collection_id(self.domain_name)}/{self.date:%Y}/{self.date:%m}/catalog.json"

    @property
    def folder(self) -> str:
        """Folder of the item and its revisions."""
        return f"{collection_id(self.domain_name)}/{self.date:%Y}/{self.date:%m}/{self.item_id}"

    @property
    def item_key(self) -> str:
        """Key of the item: the commit point of the day."""
        return f"{self.folder}/{self.item_id}.json"


@dataclass(frozen=True, kw_only=True)
class ModelName:
    """Names of one trained model; ``digest`` is the SHA-256 of what it computes with."""

    domain_name: str
    digest: str

    @property
    def item_id(self) -> str:
        """Unique over all models; one whose numbers differ has another."""
        return f"vadose-model_{self.domain_name}_{self.digest[:12]}"

    @property
    def collection_key(self) -> str:
        """Key of the collection of all models."""
        return f"{MODELS}/collection.json"

    @property
    def folder(self) -> str:
        """Folder of the item and its revisions."""
        return f"{MODELS}/{self.item_id}"

    @property
    def item_key(self) -> str:
        """Key of the item."""
        return f"{self.folder}/{self.item_id}.json"


@dataclass(frozen=True, kw_only=True)
class ValidationName:
    """Names of a domain's validation: one item, whose revisions follow the catalogue as it grows."""

    domain_name: str

    @property
    def item_id(self) -> str:
        """Unique over all domains."""
        return f"vadose-validation_{self.domain_name}"

    @property
    def collection_key(self) -> str:
        """Key of the collection of all validations."""
        return f"{VALIDATIONS}/collection.json"

    @property
    def folder(self) -> str:
        """Folder of the item and its revisions."""
        return f"{VALIDATIONS}/{self.item_id}"

    @property
    def item_key(self) -> str:
        """Key of the item."""
        return f"{self.folder}/{self.item_id}.json"


def revision_of(name: Revisioned, key: str) -> int | None:
    """The revision that a key below an item's folder belongs to, None for the item itself."""
    match = re.match(r"r(\d+)/", key.removeprefix(name.folder + "/"))
    return int(match.group(1)) if match else None


def revision_number(item: Mapping[str, Any] | None) -> int | None:
    """The revision that an item is of; None where there is no item."""
    return int(item["properties"]["version"]) if item else None


def revision_folder(revision: int) -> str:
    """Folder of a revision's assets below the item: r001, r002, ..."""
    return f"r{revision:03d}"


def saved_name(name: Revisioned, revision: str, file: str) -> str:
    """Name of an asset's file outside of the catalogue: the item (product, domain, date), revision and layer."""
    return file if file.startswith(f"{name.item_id}_") else f"{name.item_id}_{revision}_{file}"


def is_item_key(key: str) -> bool:
    """Whether a key is that of an item: a file named like its folder, no archived revision."""
    parts = key.split("/")
    return len(parts) > 2 and parts[0] != _INDEX and parts[-1] == f"{parts[-2]}.json"


def is_parent_key(key: str) -> bool:
    """Whether a key is that of the root, a collection, a year or a month."""
    return bool(_PARENT.fullmatch(key))


def is_month_key(key: str) -> bool:
    """Whether a key is that of a month's catalogue."""
    return bool(_MONTH.match(key)) and is_parent_key(key)


def is_archived_key(key: str) -> bool:
    """Whether a key is that of the item of an earlier revision."""
    return bool(re.search(r"/r\d{3,}/item\.json$", key))


def parent_key(key: str) -> str | None:
    """Key of the object that links to an item or parent: month, year, collection, root; None above the root."""
    if key == ROOT:
        return None
    parts = key.split("/")[: -2 if is_item_key(key) else -1]
    above = parts if is_item_key(key) else parts[:-1]
    return "/".join([*above, "collection.json" if len(above) == 1 else ROOT])


def index_prefix(collection: str) -> str:
    """What the keys of a collection's index files begin with."""
    return f"{collection}/{_INDEX}/"


def index_key(item_key: str) -> str:
    """Key of the index file that tells of an item: its month's, or its collection's where items are no days."""
    month = _MONTH.match(item_key)
    collection = item_key.split("/", 1)[0]
    part = f"{month['year']}-{month['month']}" if month else "items"
    return f"{index_prefix(collection)}{part}.parquet"


def indexed_item_key(index_key: str, item_id: str) -> str:
    """Key of an item that an index file tells of: the inverse of ``index_key``."""
    collection, _, part = index_key.removesuffix(".parquet").split("/")
    below = "" if part == "items" else part.replace("-", "/") + "/"
    return f"{collection}/{below}{item_id}/{item_id}.json"


def partition(item_key: str) -> str:
    """What the keys of all items in the same index file begin with."""
    month = _MONTH.match(item_key)
    return month.group(0) if month else item_key.split("/", 1)[0] + "/"
