"""Identifiers and keys of the catalogue: collection / year / month / item / revision."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from downscaler.grid import Domain

ROOT = "catalog.json"
MODELS = "vadose-models"
VALIDATIONS = "vadose-validation"
NO_DAYS = (MODELS, VALIDATIONS)  # collections whose items are no days
_PREFIX = "vadose-sm-1km"


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
    """One collection per domain."""
    return f"{_PREFIX}_{domain_name}"


def collection_key(domain_name: str) -> str:
    """Key of a domain's collection."""
    return f"{collection_id(domain_name)}/collection.json"


def cube_folder(collection: str) -> str:
    """Folder of a collection's cube, beside the collections: it is no part of the tree of links."""
    return f"cubes/{collection}"


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
        return cls(domain_name=str(item["collection"]).removeprefix(f"{_PREFIX}_"), date=date)

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


def revision_folder(revision: int) -> str:
    """Folder of a revision's assets below the item: r001, r002, ..."""
    return f"r{revision:03d}"
