"""Whether items and parents stand where they say: a copy in another place tells of other days."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from catalog.check.survey import Survey
from catalog.naming import NO_DAYS, DayName, is_item_key, is_parent_key


def check_place(survey: Survey, key: str, document: Mapping[str, Any]) -> None:
    """Note an item or parent that says it is another one."""
    (_check_parent if is_parent_key(key) else _check_item)(survey, key, document)


def _check_item(survey: Survey, key: str, document: Mapping[str, Any]) -> None:
    """An item stands where its collection, date and identifier say; one copied elsewhere tells of another day."""
    item = key if is_item_key(key) else key.rsplit("/", 2)[0] + "/"
    collection = str(document.get("collection"))
    if collection in NO_DAYS:
        own = f"{collection}/{document['id']}/{document['id']}.json"
    else:
        own = DayName.of_item(document).item_key
    if not own.startswith(item):
        survey.note("layout", key, f"is the item of another place, {own}: restore the item that was here, or remove it")


def _check_parent(survey: Survey, key: str, document: Mapping[str, Any]) -> None:
    """A collection, year or month bears the name of its folder; the root may bear any."""
    own = "-".join(key.split("/")[:-1])
    if own and document["id"] != own:
        survey.note("layout", key, f"is of another place, {document['id']}", mend=own not in NO_DAYS)
