"""The climatology of a coarse record by cell and season: made from a folder of SMAP granules, kept as one file."""

from downscaler.stores.climatology.build import smap_statistics
from downscaler.stores.climatology.store import (
    describe,
    is_statistics,
    load_statistics,
    save_statistics,
    statistics_record,
)

__all__ = ["describe", "is_statistics", "load_statistics", "save_statistics", "smap_statistics", "statistics_record"]
