"""Credentials stay where the user put them; here is what keeps them out of every message.

No error leaves this package with a frame, an argument or an attribute in which a credential lies, so that a traceback
has none to show, not even one with local variables.
"""

from __future__ import annotations

import base64
import netrc
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

VARIABLES = ("EARTHDATA_TOKEN", "EARTHDATA_PASSWORD", "EARTHDATA_USERNAME")
HIDDEN = "[hidden]"
_SHORTEST = 4  # shorter values would hide parts of words


_issued: set[str] = set()  # tokens that a log-in brought: they stand in no variable and no file


def remember(token: str) -> None:
    """Hide a token that a log-in brought, from now on."""
    _issued.add(token)


def netrc_file() -> Path:
    """The file that ``NETRC`` names, else ``~/.netrc``."""
    return Path(os.environ.get("NETRC") or Path.home() / ".netrc")


def credentials_at_hand(host: str) -> str | None:
    """Which credentials for a log-in host are there: token, password, netrc, or None. Contents are not looked at."""
    if os.environ.get("EARTHDATA_TOKEN"):
        return "token"
    if os.environ.get("EARTHDATA_USERNAME") and os.environ.get("EARTHDATA_PASSWORD"):
        return "password"
    return "netrc" if any(name == host for name, _ in _netrc_entries()) else None


def scrub(text: str, more: tuple[str, ...] = ()) -> str:
    """The text without any credential of this user, also where it is written as part of an address."""
    for secret in sorted({*_secrets(), *more}, key=len, reverse=True):
        for form in {secret, quote(secret, safe="")}:
            text = text.replace(form, HIDDEN)
    return text


def _secrets() -> Iterator[str]:
    yield from _issued
    pair = f"{os.environ.get('EARTHDATA_USERNAME', '')}:{os.environ.get('EARTHDATA_PASSWORD', '')}"
    yield base64.b64encode(pair.encode()).decode()  # as a request carries it
    for name in VARIABLES:
        value = os.environ.get(name, "")
        if len(value) >= _SHORTEST:
            yield value
    for _, values in _netrc_entries():
        yield from (value for value in values if value and len(value) >= _SHORTEST)


def _netrc_entries() -> list[tuple[str, tuple[str | None, ...]]]:
    try:
        hosts = netrc.netrc(str(netrc_file())).hosts
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return []
    return [(host, (entry[0], entry[2])) for host, entry in hosts.items()]
