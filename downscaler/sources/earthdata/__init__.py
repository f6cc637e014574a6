"""NASA Earthdata: search (CMR), log-in (EDL) and verified downloads; only ``client`` imports earthaccess."""

from downscaler.sources.earthdata.cache import Cache
from downscaler.sources.earthdata.options import CACHE_LIMIT, CMR, LOGIN_HOST, Endpoints
from downscaler.sources.earthdata.records import RemoteFile, remote_file
from downscaler.sources.earthdata.secrets import credentials_at_hand

__all__ = [
    "CACHE_LIMIT",
    "CMR",
    "LOGIN_HOST",
    "Cache",
    "Endpoints",
    "RemoteFile",
    "credentials_at_hand",
    "remote_file",
]
