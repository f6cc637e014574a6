"""Credentials for Earthdata: which are at hand, and how the client is given them.

No error leaves this package with a frame, an argument or an attribute in which a credential lies, so that a traceback
has none to show, not even one with local variables.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from downscaler.sources.secrets import header_value, netrc_entries


def credentials_at_hand(host: str) -> str | None:
    """Which credentials for a log-in host exist: token, password, netrc, or None. Their contents are not read.

    Raises CredentialsError where only ``.netrc`` could hold them and it cannot be parsed.
    """
    if os.environ.get("EARTHDATA_TOKEN"):
        return "token"
    if os.environ.get("EARTHDATA_USERNAME") and os.environ.get("EARTHDATA_PASSWORD"):
        return "password"
    return "netrc" if any(name == host for name, _, _ in netrc_entries()) else None


@contextmanager
def clean_variables() -> Iterator[None]:
    """Strip the white space that files and secret stores add to the variables that the client reads.

    Raises CredentialsError for a token that no header can carry.
    """
    before = {name: os.environ[name] for name in _NAMES if os.environ.get(name)}
    clean = {name: value.strip() for name, value in before.items()}
    if "EARTHDATA_TOKEN" in before:
        clean["EARTHDATA_TOKEN"] = header_value("EARTHDATA_TOKEN", before["EARTHDATA_TOKEN"])
    os.environ.update(clean)
    try:
        yield
    finally:
        os.environ.update(before)


_NAMES = ("EARTHDATA_TOKEN", "EARTHDATA_USERNAME", "EARTHDATA_PASSWORD")
