"""vadose, the product's face: COGs, STAC, stores."""

from catalog.items.schema import install_validator, validate_item
from catalog.publish.day import Published, publish
from catalog.reading.days import describe, find_item, is_current, items, validate_catalog
from catalog.store.base import open_store

__all__ = [
    "Published",
    "describe",
    "find_item",
    "install_validator",
    "is_current",
    "items",
    "open_store",
    "publish",
    "validate_catalog",
    "validate_item",
]
