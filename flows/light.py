"""Imports of what a day needs without what it does not use: packages ask for others only to see if they are there."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_UNUSED = (
    "sklearn",  # XGBoost's wrappers, a third of what a day imports
    "boto3",  # rasterio's way into buckets; ours is obstore
)


@contextmanager
def hidden(package: str) -> Iterator[None]:
    """A package that is not loaded yet cannot be imported meanwhile; afterwards it can."""
    unseen = package not in sys.modules
    if unseen:
        sys.modules[package] = None  # type: ignore[assignment]  # as the import system has it: not importable
    try:
        yield
    finally:
        if unseen:
            sys.modules.pop(package, None)


def load() -> None:
    """Import XGBoost and rasterio without their wrappers; what is loaded already is left alone."""
    with ExitStack() as stack:
        for package in _UNUSED:
            stack.enter_context(hidden(package))
        importlib.import_module("xgboost")
        importlib.import_module("rasterio")
