"""vadose, the product's face: COGs, STAC, stores."""

from catalog.publish import Published, publish
from catalog.read import describe, find_item, is_current, items, validate_catalog
from catalog.store import open_store
from catalog.validation import install_validator, validate_item

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
