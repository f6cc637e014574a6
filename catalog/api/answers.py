"""Errors as JSON with ``code`` and ``description``, as the STAC API specifies."""

from __future__ import annotations

import http
import logging
import re
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from stac_fastapi.types.errors import InvalidQueryParameter, NotFoundError
from starlette.exceptions import HTTPException

from downscaler.errors import CatalogError, VadoseError

_log = logging.getLogger(__name__)
_REFUSAL = {
    "type": "object",
    "required": ["code", "description"],
    "properties": {"code": {"type": "string"}, "description": {"type": "string"}},
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": {"application/json": {"schema": _REFUSAL}}}
    for status, text in {
        400: "The request asks what cannot be: the text says what is allowed",
        404: "There is no such thing",
        503: "The catalogue cannot be read, or the service is busy",
    }.items()
}
"""What any route may answer instead, for the OpenAPI document."""


def add_error_answers(app: FastAPI) -> None:
    """Turn every error of an application into an answer with status, code and text."""
    app.add_exception_handler(HTTPException, _stated)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(NotFoundError, lambda _request, error: answer(404, str(error)))
    app.add_exception_handler(InvalidQueryParameter, lambda _request, error: answer(400, str(error)))
    app.add_exception_handler(VadoseError, _failed)
    app.add_exception_handler(
        Exception, lambda _request, _error: answer(500, "Internal error; see the log of the service.")
    )


def answer(status: int, text: str, headers: Any = None) -> JSONResponse:
    """An error as the STAC API words it."""
    code = http.HTTPStatus(status).phrase.replace(" ", "")
    return JSONResponse({"code": code, "description": text}, status_code=status, headers=headers)


def _stated(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    text = str(error.detail)
    if text == http.HTTPStatus(error.status_code).phrase:  # the router's: says nothing of the request
        told = {404: f"Not found: {request.url.path[:200]}.", 405: f"{request.method[:20]} is not allowed."}
        text = told.get(error.status_code, text)
    elif text == "Invalid RFC3339 datetime.":  # stac-fastapi's, also of an interval that ends before it begins
        text = (
            f"datetime is not an RFC 3339 time or interval, or ends before it begins: "
            f"{request.query_params.get('datetime', '')[:80]!r}. Allowed: 2024-05-01T00:00:00Z, first/last, first/.."
        )
    headers = (
        {"Allow": ", ".join(_methods(request))} if error.status_code == http.HTTPStatus.METHOD_NOT_ALLOWED else None
    )
    return answer(error.status_code, text, headers or error.headers)


def _methods(request: Request) -> list[str]:
    """All methods that the address knows; the router's own error tells those of one of its routes alone."""
    asked = request.url.path
    fitting = (
        {method.upper() for method in operations}
        for template, operations in request.app.openapi()["paths"].items()
        if re.fullmatch(_pattern(template), asked)
    )
    return sorted(set().union(*fitting))


def _pattern(template: str) -> str:
    """An address with its parts in braces open: the last may hold slashes, others not, so that matching stays quick."""
    *before, last = map(re.escape, re.split(r"\{[^}]*\}", template))
    return "[^/]+".join(before) + (".+" if before else "") + last


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    """Parameters that do not fit their description; the parameter, what is wrong, what was given."""
    assert isinstance(error, RequestValidationError)
    told = []
    for fault in error.errors():
        if fault["type"] == "json_invalid":
            return answer(400, f"The body is not JSON: {fault.get('ctx', {}).get('error', '')}.")
        where = ".".join(str(part) for part in fault["loc"] if part not in ("query", "path", "body"))
        given = "" if fault["type"] == "missing" else f" Got: {str(fault.get('input'))[:80]!r}."
        told.append(f"{where or 'The body'}: {fault['msg']}.{given}")
    return answer(400, " ".join(told[:5]))


def _failed(_request: Request, error: Exception) -> JSONResponse:
    """The service's own trouble, such as a lost file: HTTP 503, without the addresses that only operators may see."""
    assert isinstance(error, VadoseError)
    _log.error("%s", error)
    what = error.what if isinstance(error, CatalogError) else "The service is temporarily unavailable"
    return answer(503, what.rstrip(".") + ".")
