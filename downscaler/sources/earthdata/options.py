"""Addresses and time limits of Earthdata; holds no credentials."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from downscaler.errors import ConfigError

CMR = "https://cmr.earthdata.nasa.gov/search/"
LOGIN_HOST = "urs.earthdata.nasa.gov"
CACHE_LIMIT = 20.0
"""Default size of the cache in GB: about two years of SPL3SMP_E."""


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Search service, log-in host and the time limit of one answer in seconds.

    NASA's test system is ``https://cmr.uat.earthdata.nasa.gov/search/`` with ``uat.urs.earthdata.nasa.gov``. Raises
    ConfigError unless the search address is https and the log-in host a bare name: tokens travel to both.
    """

    cmr: str = CMR
    login: str = LOGIN_HOST
    timeout: float = 60.0

    def __post_init__(self) -> None:
        if urlsplit(self.cmr).scheme != "https" or not self.cmr.endswith("/"):
            raise ConfigError("Invalid address of CMR", value=self.cmr, allowed=f"https and a last /, as {CMR}")
        if not re.fullmatch(r"[A-Za-z0-9.-]+(:\d+)?", self.login):
            raise ConfigError("Invalid log-in host", value=self.login, allowed=f"a host name, as {LOGIN_HOST}")

    @property
    def login_name(self) -> str:
        """The log-in host without its port."""
        return self.login.partition(":")[0]

    @property
    def profile(self) -> str:
        """The page on which a user accepts agreements and authorises applications."""
        return f"https://{self.login}/profile"
