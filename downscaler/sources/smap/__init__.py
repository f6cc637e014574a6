"""SMAP soil moisture: daily granules (SPL3SMP_E, SPL3SMP), half orbits (SPL2SMP_E, SPL2SMP), SMAP L4 (SPL4SMGP)."""

from downscaler.sources.smap.composite import MERGE_RULE
from downscaler.sources.smap.day import read_day
from downscaler.sources.smap.describe import describe, describe_granules
from downscaler.sources.smap.earthdata import EarthdataSupply
from downscaler.sources.smap.granule import Granule, open_granule
from downscaler.sources.smap.level4 import read_level4
from downscaler.sources.smap.names import MODELLED, NEAR_REAL_TIME, PRODUCTS, GranuleName
from downscaler.sources.smap.offers import Offer, Supply
from downscaler.sources.smap.search import FolderSupply, find_granules, granule_files

__all__ = [
    "MERGE_RULE",
    "MODELLED",
    "NEAR_REAL_TIME",
    "PRODUCTS",
    "EarthdataSupply",
    "FolderSupply",
    "Granule",
    "GranuleName",
    "Offer",
    "Supply",
    "describe",
    "describe_granules",
    "find_granules",
    "granule_files",
    "open_granule",
    "read_day",
    "read_level4",
]
