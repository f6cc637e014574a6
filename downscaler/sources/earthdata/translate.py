"""Translates errors of the client into typed errors with a remedy; hides every secret."""

from __future__ import annotations

import base64
import datetime as dt
import errno
import json
import os
import re

import requests
from earthaccess.exceptions import DownloadFailure, EulaNotAccepted, LoginAttemptFailure, LoginStrategyUnavailable

from downscaler.errors import (
    AcquisitionError,
    AgreementError,
    ArchiveTimeoutError,
    CredentialsError,
    LoginError,
    StorageFullError,
    VadoseError,
)
from downscaler.sources.earthdata.options import Endpoints
from downscaler.sources.secrets import scrub

_LONGEST = 300  # characters of an answer that a message quotes
_LATE = ("timed out", "timeout")


def disk_is_full(error: BaseException) -> bool:
    """Whether a download stopped because the disk is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def translate(error: Exception, what: str, endpoints: Endpoints) -> VadoseError:
    """The typed error for whatever the client raised in a log-in, search or download; quotes nothing secret."""
    if isinstance(error, AcquisitionError):
        return error
    if disk_is_full(error):
        return StorageFullError(
            f"The disk filled up during a {what}", remedy="Free some space, or set `cache` to a folder on another disk."
        )
    said = _said(error)
    status = _status(error)
    where = endpoints.login if what == "log-in" else (endpoints.cmr if what == "search" else "the archive")
    if isinstance(error, LoginStrategyUnavailable):
        return CredentialsError("The Earthdata credentials are incomplete", value=said)
    if isinstance(error, EulaNotAccepted) or status == 403:
        return _agreement(said, endpoints)
    if isinstance(error, LoginAttemptFailure) or status == 401:
        return _refused(said, what, endpoints)
    if isinstance(error, requests.Timeout) or any(word in said.lower() for word in _LATE):
        return ArchiveTimeoutError(
            f"Earthdata did not answer the {what} in time",
            value=f"{where}: more than {endpoints.timeout:g} s",
            remedy="Try again later, or raise `earthdata_timeout`.",
        )
    if isinstance(error, requests.exceptions.SSLError):
        return AcquisitionError(
            f"The certificate of {where} is not trusted",
            value=said,
            remedy="Behind a proxy, set REQUESTS_CA_BUNDLE to its certificates.",
        )
    return AcquisitionError(
        f"Earthdata failed during the {what}" + (f" (HTTP {status})" if status else ""),
        value=f"{type(error).__name__}: {said}",
        remedy="Try again later; https://status.earthdata.nasa.gov lists outages.",
    )


def _said(error: Exception) -> str:
    """What the client or the server said, short and without secrets."""
    text = scrub(error.what if isinstance(error, VadoseError) else str(error))  # before blanks are folded
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text)).strip()
    return scrub(words)[:_LONGEST]


def _status(error: Exception) -> int | None:
    """The HTTP status behind an error, if any."""
    for one in (error, error.__cause__):
        if isinstance(one, requests.HTTPError) and one.response is not None:
            return one.response.status_code
    found = re.search(r"Status code: (\d{3})", str(error)) if isinstance(error, DownloadFailure) else None
    return int(found[1]) if found else None


def _refused(said: str, what: str, endpoints: Endpoints) -> LoginError:
    expired = token_expired()
    if expired:
        return LoginError(
            f"The Earthdata token has expired on {expired:%Y-%m-%d %H:%M} UTC",
            remedy=f"Create a new one at {endpoints.profile} (Generate Token) and set EARTHDATA_TOKEN.",
        )
    return LoginError(
        f"Earthdata refused the credentials during the {what}",
        value=said,
        remedy=f"They are wrong, expired or revoked. Check them at {endpoints.profile}; a token lives 60 days.",
    )


def _agreement(said: str, endpoints: Endpoints) -> AgreementError:
    return AgreementError(
        "Earthdata does not allow this account to download the file (HTTP 403)",
        value=said,
        remedy=f"Visit {endpoints.profile}: accept the agreements under EULAs > Accept New EULAs, and "
        "authorise the applications of NSIDC under Applications > Authorized Apps. Then run the day again.",
    )


def token_expired() -> dt.datetime | None:
    """Expiry of the token in EARTHDATA_TOKEN if it has passed; None otherwise or if unknown."""
    moment = token_expiry()
    return moment if moment is not None and moment < dt.datetime.now(dt.UTC) else None


def token_expiry() -> dt.datetime | None:
    """When the token in EARTHDATA_TOKEN (a JSON web token) ends; None where it does not tell."""
    try:
        body = os.environ.get("EARTHDATA_TOKEN", "").split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return dt.datetime.fromtimestamp(float(claims["exp"]), dt.UTC)
    except (IndexError, KeyError, TypeError, ValueError, OverflowError, OSError):
        return None
