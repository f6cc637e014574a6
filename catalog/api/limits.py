"""How much of the machine one service may take: settings from the environment, each with a default."""

from __future__ import annotations

import os
import resource

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from downscaler.errors import ConfigError

_PREFIX = "VADOSE_SERVE_"
_SPARE = 256  # descriptors for the catalogue's files, the search and logs


class Limits(BaseSettings):
    """Limits of the service; ``VADOSE_SERVE_CONNECTIONS=100`` sets one."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="forbid")

    connections: int = Field(default=512, ge=8, description="connections at a time; the longest unused give way")
    header_seconds: float = Field(default=10.0, gt=0, description="seconds in which a request's head has to come")
    body_seconds: float = Field(default=15.0, gt=0, description="seconds in which a request's body has to come")
    body_bytes: int = Field(default=1_000_000, ge=1_000, description="bytes of a request's body")
    body_depth: int = Field(default=48, ge=16, description="how deep a body's JSON may nest")
    answer_seconds: float = Field(default=60.0, gt=0, description="seconds in which a client has to take a part")
    requests: int = Field(default=128, ge=1, description="requests at a time; more are asked to come again")
    hosts: str = Field(default="", description="names that the service is known by, with commas; * for any")
    search_seconds: float = Field(default=10.0, gt=0, description="seconds that one search may take or wait")
    search_memory: str = Field(default="512MB", pattern=r"^\d+(MB|GB)$", description="memory of all searches")
    search_threads: int = Field(default=2, ge=1, description="threads of all searches")

    def host_names(self) -> list[str]:
        """Names that the service is known by, beside those of this machine."""
        return [name.strip() for name in self.hosts.split(",") if name.strip()]

    def sockets(self) -> int:
        """Connections at a time that the process has descriptors for."""
        allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return max(min(self.connections, allowed - _SPARE), 8)


def limits() -> Limits:
    """The limits as the environment sets them; raises ConfigError."""
    known = {f"{_PREFIX}{name.upper()}" for name in Limits.model_fields}
    for name in sorted(name for name in os.environ if name.upper().startswith(_PREFIX)):
        if name.upper() not in known:
            raise ConfigError("Unknown environment variable", value=name, allowed=sorted(known))
    try:
        return Limits()
    except ValidationError as error:
        fault = error.errors()[0]
        name = f"{_PREFIX}{'_'.join(map(str, fault['loc'])).upper()}"
        raise ConfigError(
            "Invalid limit of the service", value=f"{name}={fault['input']}", allowed=fault["msg"]
        ) from None
