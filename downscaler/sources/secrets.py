"""Removes the user's credentials from every message, in any encoding.

What is known here: Earthdata (variables and ``.netrc``), HydroFrame's e-mail and PIN, object stores, PostgreSQL and
Prefect; besides, tokens that a log-in brought (``remember``).
"""

from __future__ import annotations

import base64
import html
import json
import netrc
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote, quote_plus, urlsplit

from downscaler.errors import CredentialsError

HIDDEN = "[hidden]"
EARTHDATA = ("EARTHDATA_TOKEN", "EARTHDATA_PASSWORD", "EARTHDATA_USERNAME")
OTHERS = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "PGPASSWORD",
    "PREFECT_API_KEY",
    "PREFECT_API_AUTH_STRING",
    "VADOSE_WEBHOOK_TOKEN",
)
ADDRESSES = ("VADOSE_PGSTAC_DSN", "DATABASE_URL", "PREFECT_API_DATABASE_CONNECTION_URL")  # with a password inside
_SHORTEST = 4  # characters of a credential for Earthdata; shorter ones would hide parts of words
_SHORTEST_OTHER = 8  # of the others, and of a piece of base64

_issued: set[str] = set()  # tokens that a log-in brought: they stand in no variable and no file


def remember(token: str) -> None:
    """Hide a token from now on."""
    _issued.add(token)


def netrc_file() -> Path:
    """The file that ``NETRC`` names, else ``~/.netrc``."""
    return Path(os.environ.get("NETRC") or Path.home() / ".netrc")


def scrub(text: str, more: tuple[str, ...] = ()) -> str:
    """The text without any credential of this user.

    A credential is found as it is, without the white space around it, and as repr, JSON, HTML, URL-quoting and base64
    write it, also one within another.
    """
    known = frozenset({*_secrets(), *more} - {""})
    return _pattern(known).sub(HIDDEN, text) if known else text


def header_value(name: str, value: str) -> str:
    """A credential without the white space around it, as an HTTP header can carry it.

    Args:
        name: where it comes from, for the message; the value itself is never told.
        value: as a variable or a file held it.

    Raises:
        CredentialsError: it is empty, or has blanks, line breaks, control characters or non-ASCII characters inside.
    """
    stripped = value.strip(" \t\r\n\f\v\ufeff\u200b")
    odd = sorted({f"U+{ord(letter):04X}" for letter in stripped if not "!" <= letter <= "~"})
    if stripped and not odd:
        return stripped
    raise CredentialsError(
        f"The credential in {name} cannot be sent",
        value=f"it holds {', '.join(odd[:5])} (value not shown)" if odd else "it is empty",
        allowed="printable ASCII characters without blanks or line breaks",
        remedy="Copy it again, complete and on one line.",
    )


@lru_cache(maxsize=16)
def _pattern(secrets: frozenset[str]) -> re.Pattern[str]:
    forms = {form for secret in secrets for form in _forms(secret)}
    return re.compile("|".join(_either_case(form) for form in sorted(forms, key=len, reverse=True)))


def _either_case(form: str) -> str:
    """A pattern of the form, whose URL codes may be written in either case."""
    return re.sub("%[0-9A-Fa-f]{2}", r"(?i:\g<0>)", re.escape(form))


def _forms(secret: str) -> set[str]:
    """The ways in which a message may write a credential: up to two encodings, one within the other."""
    plain = {form for form in (secret, secret.strip()) if len(form) >= min(_SHORTEST, len(secret))}
    once = {form for one in plain for form in _encoded(one)}
    twice = {form for one in once for form in _encoded(one)}
    packed = {piece for one in plain for piece in _base64_pieces(one)}
    quoted = {quote(piece, safe="") for piece in packed}
    return {form for form in plain | once | twice | packed | quoted if form.strip()}


def _encoded(text: str) -> Iterator[str]:
    for written in (repr, ascii):
        yield from (written(text)[1:-1], written(f"{text}'\"")[1:-4])  # apostrophes as they are, and escaped
    yield from (repr(text.encode())[2:-1], repr(text.encode() + b"'\"")[2:-4])
    yield from (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
    yield from (html.escape(text), html.escape(text, quote=False))
    yield from (quote(text, safe=""), quote(text), quote_plus(text))


def _base64_pieces(text: str) -> Iterator[str]:
    """What base64 makes of the text wherever it stands in what was encoded: three offsets, without the edges."""
    raw = text.encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            code = encode(b"\0" * offset + raw).decode().rstrip("=")
            first = (8 * offset + 5) // 6  # characters that also depend on what stands before
            last = 8 * (offset + len(raw)) // 6  # and on what stands behind
            if last - first >= _SHORTEST_OTHER:
                yield code[first:last]


def _secrets() -> Iterator[str]:
    yield from _issued
    yield from _long(_SHORTEST, *(os.environ.get(name, "") for name in EARTHDATA))
    yield from _long(_SHORTEST_OTHER, *(os.environ.get(name, "") for name in OTHERS))
    yield from _long(_SHORTEST, *map(_password_in, ADDRESSES))
    pairs = [(os.environ.get("EARTHDATA_USERNAME", ""), os.environ.get("EARTHDATA_PASSWORD", ""))]
    try:
        pairs += [(login, password) for _, login, password in netrc_entries()]
    except CredentialsError:
        yield from _long(_SHORTEST_OTHER, *_words_of_a_broken_netrc())
    for login, password in pairs:
        yield from _long(_SHORTEST, login, password)
        if password:
            yield base64.b64encode(f"{login}:{password}".encode()).decode()  # as a request carries it
    yield from _registered()


def _long(shortest: int, *values: str) -> Iterator[str]:
    yield from (value for value in values if len(value.strip()) >= shortest)


def _password_in(variable: str) -> str:
    try:
        return urlsplit(os.environ.get(variable, "")).password or ""
    except ValueError:
        return ""


def netrc_entries() -> list[tuple[str, str, str]]:
    """Host, login and password of each entry of the user's ``.netrc``; none where there is no such file.

    Raises:
        CredentialsError: the file cannot be parsed, read or decoded; no word of it is told.
    """
    path = netrc_file()
    try:
        hosts = netrc.netrc(str(path)).hosts
    except FileNotFoundError:
        return []
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError) as error:
        line = f", line {error.lineno}" if isinstance(error, netrc.NetrcParseError) and error.lineno else ""
        failure = CredentialsError(
            "The netrc file cannot be read" if isinstance(error, OSError) else "The netrc file cannot be parsed",
            value=f"{path}{line}" + (f" ({error.strerror})" if isinstance(error, OSError) else ""),
            allowed="machine HOST login NAME password WORD, each without blanks or in double quotes",
            remedy="Put a password with blanks or # into double quotes, or use EARTHDATA_TOKEN.",
        )
    else:
        return [(host, entry[0] or "", entry[2] or "") for host, entry in hosts.items()]
    raise failure  # outside of the handler: nothing of the file is attached to it


def _words_of_a_broken_netrc() -> Iterator[str]:
    """Whatever stands behind ``password`` or ``login``, to the end of its line, as a whole and word by word."""
    try:
        text = netrc_file().read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for rest in re.findall(r"\b(?:password|login)[ \t]+([^\r\n]+)", text):
        yield from (rest, *rest.split())


def _registered() -> Iterator[str]:
    """HydroFrame's e-mail and PIN, as its client keeps them."""
    try:
        entries = json.loads((Path.home() / ".hydrodata" / "pin.json").read_text(encoding="utf-8"))
        yield from (str(entries[key]) for key in ("email", "pin") if entries.get(key))
    except (OSError, ValueError, AttributeError, TypeError, RuntimeError):
        return
