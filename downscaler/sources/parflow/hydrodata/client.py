"""The only module that uses hf_hydrodata; every failure becomes a typed error."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from downscaler.errors import (
    AbsentDataError,
    AcquisitionError,
    ArchiveTimeoutError,
    ConfigError,
    CredentialsError,
    LoginError,
)
from downscaler.sources.secrets import scrub

T = TypeVar("T")
Array = NDArray[np.float64]
_LONGEST = 300
_REGISTER = "https://hydrogen.princeton.edu/pin"
_PASSING = (
    "unable to connect",
    "try again later",
    "server error",
    "system error",
    "error from server",
    "error (5",
    "connection",
    "io backends",  # an answer that is no NetCDF
    "bad shape",
)
_AGAIN = "Run the same command again; it resumes."
_HOW = (
    f"Create a PIN at {_REGISTER} and register it once on this machine: "
    "python -c \"import hf_hydrodata; hf_hydrodata.register_api_pin('E-MAIL', 'PIN')\"."
)


def array(options: Mapping[str, Any]) -> Array:
    """What ``hf_hydrodata.get_gridded_data`` gives, masked cells NaN.

    Raises CredentialsError without a PIN, LoginError when it is refused or has lapsed, ArchiveTimeoutError,
    AcquisitionError otherwise; AbsentDataError (one of these) where the service has no such data.
    """
    given = _guarded(lambda hf: hf.get_gridded_data(dict(options)))
    values = np.asarray(given, dtype=np.float64)
    return np.where(np.abs(values) < 1e30, values, np.nan)


def label(options: Mapping[str, Any]) -> str:
    """The units that HydroFrame's catalogue writes on a variable; empty where it tells none. Raises as ``array``."""
    wanted = ("dataset", "variable", "temporal_resolution", "grid", "aggregation", "dataset_version")
    entry = _guarded(lambda hf: hf.get_catalog_entry({k: options[k] for k in wanted if options.get(k)}))
    return str(entry.get("units") or "") if entry is not None else ""


def _guarded(call: Callable[[Any], T]) -> T:
    """The result of a call to the client, silent; its errors leave without the frames in which the PIN lies."""
    hf = _client()
    logger = logging.getLogger("urllib3")
    before = logger.level
    failure: AcquisitionError
    try:
        logger.setLevel(logging.WARNING)  # it logs addresses, and the PIN is part of one
        with contextlib.redirect_stdout(io.StringIO()):
            return call(hf)
    except Exception as error:  # noqa: BLE001  (whatever the client raises may hold the PIN)
        failure = _translate(error)
    finally:
        logger.setLevel(before)
    raise failure  # outside of the handler: nothing of the client's error is attached to it


def _client() -> Any:
    try:
        import hf_hydrodata
    except ImportError as error:
        raise ConfigError(
            "HydroFrame's client is not installed", value=error, remedy="pip install vadose[hydrodata]"
        ) from None
    return hf_hydrodata


def _translate(error: Exception) -> AcquisitionError:
    said = scrub(" ".join(scrub(str(error)).split()))[:_LONGEST]
    lowered = said.lower()
    if "no email/pin" in lowered:
        return CredentialsError("No HydroFrame PIN is registered on this machine", remedy=_HOW)
    if "pin has expired" in lowered or "not registered" in lowered or "authenticate" in lowered:
        return LoginError(
            "HydroFrame refused the PIN: it has expired or is wrong",
            remedy=f"It expires after 7 days without use. {_HOW}",
        )
    if "timeout" in lowered or "timed out" in lowered:
        return ArchiveTimeoutError(
            "HydroFrame did not answer in time", value=said, remedy="Run the same command again."
        )
    if _is_absence(error, lowered):
        return AbsentDataError("HydroFrame does not have the requested data", value=said)
    return AcquisitionError("HydroFrame failed", value=f"{type(error).__name__}: {said}", remedy=_AGAIN)


def _is_absence(error: BaseException | None, lowered: str) -> bool:
    """Whether the service said that it has no such data, rather than that the line or the service is down.

    The client raises ValueError for both; behind what the network did lies the network's own error.
    """
    if any(words in lowered for words in _PASSING):
        return False
    while type(error) is ValueError:
        error = error.__context__
    return error is None
