"""The shape that a day's item and its links need for a download, looked at before anything is done with them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from catalog.naming import DayName
from downscaler.errors import CatalogError

_REVISION = re.compile(r"[1-9]\d{0,5}")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


def require_links(document: Mapping[str, Any], where: str) -> list[dict[str, str]]:
    """The links of a STAC object that lead somewhere; raises CatalogError where they are none."""
    links = document.get("links", [])
    if not isinstance(links, list) or not all(isinstance(link, dict) for link in links):
        raise CatalogError("An object's links are none", value=where)
    told = [link for link in links if isinstance(link.get("rel"), str) and isinstance(link.get("href"), str)]
    if len(told) < len(links):
        raise CatalogError("An object has a link without rel or href", value=where)
    return told


def has_shape(item: Mapping[str, Any], where: str) -> bool:
    """True for an item that has all that a download reads of it; raises CatalogError, which says what is wrong."""
    fault = _fault(item)
    if fault is not None:
        identifier = str(item.get("id"))[:80]
        raise CatalogError(
            "An item of the catalogue is no day of this product", value=f"{where}: {identifier}: {fault}"
        )
    require_links(item, where)
    return True


def _fault(item: Mapping[str, Any]) -> str | None:
    """What is wrong with an item; None where nothing is."""
    properties, assets = item.get("properties"), item.get("assets")
    if not isinstance(properties, dict) or not isinstance(assets, dict):
        return "properties or assets are missing"
    if not isinstance(item.get("collection"), str) or not isinstance(item.get("id"), str):
        return "it has no collection or identifier"
    try:
        name = DayName.of_item(item)
    except (KeyError, ValueError):
        return "start_datetime is no time"
    if name.item_id != item["id"] or not _PLAIN.fullmatch(name.item_id):
        return f"the identifier is not {name.item_id[:80]}"
    if not _REVISION.fullmatch(str(properties.get("version", 1))):
        return "version is no revision"
    if not _is_box(item.get("bbox")):
        return "bbox is none"
    return next((f"{str(key)[:40]}: {fault}" for key, asset in assets.items() if (fault := _asset(asset))), None)


def _is_box(box: Any) -> bool:
    return (
        isinstance(box, list)
        and len(box) in (4, 6)
        and all(isinstance(v, int | float) and not isinstance(v, bool) and abs(v) < math.inf for v in box)
    )


def _asset(asset: Any) -> str | None:
    """What is wrong with an asset; None where nothing is."""
    if not isinstance(asset, dict) or not isinstance(asset.get("href"), str):
        return "it has no href"
    size, checksum = asset.get("file:size"), asset.get("file:checksum")
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 2**63):
        return "file:size is no number of bytes"
    return None if checksum is None or isinstance(checksum, str) else "file:checksum is no text"
