"""Limits as settings of the environment: a prefix and a field each, with a default; what is mistyped is refused."""

from __future__ import annotations

import os
from typing import TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from downscaler.errors import ConfigError

_T = TypeVar("_T", bound=BaseSettings)


def from_environment(kind: type[_T], what: str) -> _T:
    """Limits of one kind as the environment sets them.

    Args:
        kind: declares them; its ``env_prefix`` begins the names of the variables.
        what: a message calls one by, such as "limit of the service".

    Raises:
        ConfigError: an unknown variable with the prefix, or a value that is not allowed.
    """
    prefix = str(kind.model_config["env_prefix"])
    known = {f"{prefix}{name.upper()}" for name in kind.model_fields}
    for name in sorted(name for name in os.environ if name.upper().startswith(prefix)):
        if name.upper() not in known:
            raise ConfigError("Unknown environment variable", value=name, allowed=sorted(known))
    try:
        return kind()
    except ValidationError as error:
        fault = error.errors()[0]
        name = f"{prefix}{'_'.join(map(str, fault['loc'])).upper()}"
        raise ConfigError(f"A {what} is none", value=f"{name}={fault['input']}", allowed=fault["msg"]) from None
