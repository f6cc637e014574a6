"""A credential in twelve forms, as messages write it, and what is left of it that can be read."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

TOKEN = "cAnArY-5f3e9d-token"
FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "repr": repr,
    "repr of repr": lambda text: repr(repr(text)),
    "bytes": lambda text: repr(text.encode()),
    "header": lambda text: repr({"Authorization": f"Bearer {text}"}),
    "json": lambda text: json.dumps({"token": text}),
    "json of json": lambda text: json.dumps(json.dumps({"token": text})),
    "url": lambda text: quote(text, safe=""),
    "form": lambda text: quote_plus(f"token={text}"),
    "html": lambda text: html.escape(f'<a href="?t={text}">'),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "basic": lambda text: base64.b64encode(f"someone:{text}".encode()).decode(),
}


def traces(text: str) -> list[str]:
    """Pieces of the canary that can still be read, also by who decodes."""
    pieces = ("cAnArY", "5f3e9d", *(base64.b64encode(b"\0" * n + b"cAnArY-5f3e9d").decode()[4:12] for n in range(3)))
    return [piece for piece in pieces if piece in text]
