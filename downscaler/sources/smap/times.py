"""Observation times of SMAP cells: pure functions on arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

J2000 = np.datetime64("2000-01-01T11:58:55.816", "ms")
"""Epoch of ``tb_time_seconds``, as each granule's ``Metadata/ProcessStep`` states it (UTC)."""


def from_seconds(seconds: NDArray[np.float64]) -> NDArray[np.datetime64]:
    """UTC times, datetime64[s], of seconds since J2000; NaT for fill, zero and negative counts.

    The variable's ``valid_max`` is no help: in releases up to R13 it is smaller than every count. Leap seconds since
    2000 (5 at most) are not subtracted: the product keeps minutes.
    """
    good = np.isfinite(seconds) & (seconds > 0)
    whole = np.where(good, seconds * 1000.0, 0.0).round().astype("timedelta64[ms]")
    times = (J2000 + whole).astype("datetime64[s]")
    times[~good] = np.datetime64("NaT", "s")
    return times


def from_text(text: NDArray[Any]) -> NDArray[np.datetime64]:
    """UTC times, datetime64[s], of ``tb_time_utc`` texts; NaT for fill and invalid times.

    A fallback only: in releases R13 and R18 the texts count from noon, not from J2000, and so run 64 s late.
    """
    items = text.ravel().tolist()
    words = (item.decode("ascii", "replace") if isinstance(item, bytes) else str(item or "") for item in items)
    flat = [word if word[10:11] == "T" else "" for word in words]  # "-9999" would parse as a year
    parsed = pd.to_datetime(pd.Series(flat, dtype=object), format="ISO8601", errors="coerce", utc=True)
    times = parsed.dt.tz_localize(None).to_numpy().astype("datetime64[s]")
    return np.asarray(times).reshape(text.shape)


def solar_hour(time: NDArray[np.datetime64], longitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Local mean solar time in hours, 0 to 24, from UTC and degrees east (broadcast together); NaN for NaT."""
    seconds = (time - time.astype("datetime64[D]")).astype("timedelta64[s]").astype(np.float64)
    seconds[np.isnat(time)] = np.nan
    return np.asarray((seconds / 3600.0 + longitude / 15.0) % 24.0)


def hours_from(hour: NDArray[np.float64], wanted: float) -> NDArray[np.float64]:
    """Circular distance to an hour of day, 0 to 12."""
    return np.abs((hour - wanted + 12.0) % 24.0 - 12.0)
