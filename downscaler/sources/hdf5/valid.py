"""What a NetCDF or Zarr variable itself says is no value, beyond what xarray looks at.

xarray masks what equals ``_FillValue`` or ``missing_value``. It leaves values outside ``valid_min``, ``valid_max`` and
``valid_range``, codes of ``flag_values`` in a field of a quantity, and a missing value that is written as a text; and
it takes a scale factor of 0 or of text as it comes.

Source: NetCDF User Guide, appendix "Attribute Conventions": of packed integers a range of integers is of the packed
numbers, one of floats of the unpacked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from downscaler.sources.refused import RefusedFileError

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_PLAIN = ("", "1", "-", "none", "class", "code")  # units of fields that may be classes, whose codes are their values
_ROUNDING = 1e-5  # of a limit: it may be written in fewer digits than the values


def only_valid(data: xr.Dataset) -> xr.Dataset:
    """The dataset with NaN where its variables say that a number is none; values are read when they are asked for.

    Reading raises RefusedFileError for packed numbers that cannot be unpacked.
    """
    changed = {}
    for name in data.data_vars:
        within = _Valid(str(name), data.variables[name])
        if within.needed:
            field = within.field
            changed[name] = xr.Variable(field.dims, indexing.LazilyIndexedArray(within), field.attrs, field.encoding)
    if not changed:
        return data
    made = data.assign(changed)
    made.set_close(data.close)
    return made


class _Valid(BackendArray):
    """A variable whose invalid numbers are NaN."""

    def __init__(self, name: str, field: xr.Variable) -> None:
        self.field, self._name, self._why = field, name, _fault(field)
        told = {**field.encoding, **field.attrs}
        numbers = field.dtype.kind in "iuf" and not self._why
        self._low, self._high = _limits(told) if numbers else (-np.inf, np.inf)
        self._codes = _codes(told) if numbers else np.empty(0)
        self.needed = bool(self._why) or self._low > -np.inf or self._high < np.inf or self._codes.size > 0
        self.shape = field.shape
        self.dtype = field.dtype if field.dtype.kind == "f" or self._why else np.dtype(np.float64)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        if self._why:
            raise RefusedFileError(
                f"{self._name} cannot be unpacked: {self._why}", "Write its scale_factor and add_offset as numbers."
            )
        values = np.asarray(self.field[key].values).astype(self.dtype)
        with np.errstate(invalid="ignore"):
            outside = (values < self._low) | (values > self._high)
        for code in self._codes:
            outside |= np.isclose(values, code, rtol=1e-6, atol=0.0)
        return np.where(outside, np.asarray(np.nan, self.dtype), values)


def _fault(field: xr.Variable) -> str:
    """Why packed numbers cannot be unpacked; empty where they can."""
    for key in ("scale_factor", "add_offset"):
        told = field.encoding.get(key)
        if told is None:
            continue
        given = np.ravel(np.asarray(told))
        number = given.dtype.kind in "iuf" and given.size == 1
        if not number or not np.isfinite(given[0]) or (key == "scale_factor" and given[0] == 0):
            return f"its {key} is {told!r}"
    return ""


def _limits(told: Mapping[str, Any]) -> tuple[float, float]:
    """The least and the largest valid value, unpacked; infinite where none is told."""
    low, high = -np.inf, np.inf
    for key, size in (("valid_min", 1), ("valid_max", 1), ("valid_range", 2)):
        found = _numbers(told, key)
        if found.size != size:
            continue
        turned = _packed(told[key]) and told.get("scale_factor", 1.0) < 0
        if turned:
            found = found[::-1]
        if size == 2 or (key == "valid_min") != turned:
            low = max(low, float(found[0]))
        if size == 2 or (key == "valid_max") != turned:
            high = min(high, float(found[-1]))
    if not low <= high:  # no range
        return -np.inf, np.inf
    step = abs(float(told.get("scale_factor", 0.0))) / 2
    room = [max(_ROUNDING * abs(end), step) if np.isfinite(end) else 0.0 for end in (low, high)]
    return low - room[0], high + room[1]


def _codes(told: Mapping[str, Any]) -> NDArray[np.float64]:
    """Numbers of a quantity that stand for something else, unpacked."""
    quantity = str(told.get("units", "")).strip().lower() not in _PLAIN
    named = [_numbers(told, "flag_values")] if quantity and "flag_meanings" in told else []
    texts = [_numbers(told, key) for key in ("missing_value", "_FillValue") if isinstance(told.get(key), str)]
    return np.concatenate([*named, *texts, np.empty(0)])


def _numbers(told: Mapping[str, Any], key: str) -> NDArray[np.float64]:
    """The numbers of an attribute, unpacked; none where it is not there or holds no numbers."""
    given = told.get(key)
    if given is None:
        return np.empty(0)
    if isinstance(given, str | bytes):
        text = given.decode("utf-8", "replace") if isinstance(given, bytes) else given
        numbers = np.array([float(number) for number in _NUMBER.findall(text)])
    else:
        numbers = np.ravel(np.asarray(given))
        if numbers.dtype.kind not in "iuf":
            return np.empty(0)
    if not _packed(given):
        return numbers.astype(np.float64)
    signed = np.dtype(told["dtype"]) if told.get("dtype") is not None else numbers.dtype
    if str(told.get("_Unsigned", "")).lower() == "true" and signed.kind in "iu":
        numbers = numbers.astype(np.int64) % (1 << 8 * signed.itemsize)
    unpacked = numbers.astype(np.float64) * float(told.get("scale_factor", 1.0)) + float(told.get("add_offset", 0.0))
    return np.asarray(unpacked)


def _packed(given: Any) -> bool:
    """Whether an attribute is of the packed numbers, as integers are; texts are written by people, of values."""
    return not isinstance(given, str | bytes) and np.asarray(given).dtype.kind in "iu"
