"""From physical values to stored ones, and the statistics of what is stored. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from downscaler.errors import CatalogError
from downscaler.product import QUALITY_FLAG, Flag, Variable

Array = NDArray[np.generic]


def quantum(precision: float) -> float:
    """Largest power of two not above ``precision``: the step of stored values, exact in binary."""
    return 2.0 ** math.floor(math.log2(precision))


def bit_round(values: Array, precision: float) -> NDArray[np.float32]:
    """Values rounded to multiples of ``quantum(precision)``, so that trailing mantissa bits are zero and compress.

    Any shape, any unit, NaN kept; |result - value| <= precision / 2. Rounding is monotone, so ordered fields
    (lower <= value <= upper) stay ordered. Source: fixed-point variant of Klöwer et al. (2021,
    doi:10.1038/s43588-021-00156-2), absolute instead of relative.
    """
    step = quantum(precision)
    return (np.rint(np.asarray(values, dtype=np.float64) / step) * step).astype(np.float32)


def encode(variable: Variable, values: Array) -> Array:
    """The stored array of a variable: its dtype, bit-rounded, NaN as its nodata value.

    Raises CatalogError when a value lies outside the variable's valid range: such a day is not published.
    """
    if variable.precision is None:
        rounded = np.rint(np.asarray(values, dtype=np.float64))
    else:
        rounded = np.asarray(bit_round(values, variable.precision), dtype=np.float64)
    missing = np.isnan(rounded)
    if not math.isnan(variable.nodata):
        missing |= rounded == variable.nodata
    present = rounded[~missing]
    if present.size and not (variable.valid_min <= present.min() and present.max() <= variable.valid_max):
        raise CatalogError(
            f"{variable.name} is outside its valid range",
            value=f"{present.min():g} to {present.max():g} {variable.units}",
            allowed=f"{variable.valid_min:g} to {variable.valid_max:g} {variable.units}, NaN where missing",
        )
    return np.where(missing, variable.nodata, rounded).astype(variable.dtype)


@dataclass
class Statistics:
    """Running count, extremes, mean and variance of one variable, and pixels per flag.

    ``total`` counts all pixels, ``count`` those with a value; the order of tiles matters only within float64
    rounding. Source: Chan, Golub and LeVeque (1983,
    doi:10.1080/00031305.1983.10483115) for merging means and sums of squares.
    """

    variable: Variable
    total: int = 0
    count: int = 0
    minimum: float = math.inf
    maximum: float = -math.inf
    mean: float = 0.0
    squares: float = 0.0
    flags: dict[Flag, int] = field(default_factory=dict)

    def add(self, stored: Array) -> None:
        """Take in one tile of stored values."""
        nodata = self.variable.nodata
        valid = ~np.isnan(stored.astype(np.float64)) if math.isnan(nodata) else stored != nodata
        values = stored[valid].astype(np.float64)
        self.total += stored.size
        if self.variable is QUALITY_FLAG:
            bits = stored[valid].astype(np.int64)
            for flag in Flag:
                self.flags[flag] = self.flags.get(flag, 0) + int(np.count_nonzero(bits & flag.value))
        if values.size == 0:
            return
        shift, count = float(values.mean()) - self.mean, self.count + values.size
        self.squares += float(((values - values.mean()) ** 2).sum()) + shift**2 * self.count * values.size / count
        self.mean += shift * values.size / count
        self.count = count
        self.minimum, self.maximum = min(self.minimum, float(values.min())), max(self.maximum, float(values.max()))

    @property
    def valid_percent(self) -> float:
        """Share of pixels with a value."""
        return 100.0 * self.count / self.total if self.total else 0.0

    def as_stac(self) -> dict[str, float | int]:
        """The ``statistics`` object of a STAC 1.1 band; without extremes and moments where nothing is valid."""
        result: dict[str, float | int] = {"count": self.total, "valid_percent": round(self.valid_percent, 4)}
        if self.count and self.variable is not QUALITY_FLAG:  # a bit field has no order and no mean
            result |= {"minimum": _short(self.minimum), "maximum": _short(self.maximum), "mean": _short(self.mean)}
            result["stddev"] = _short(math.sqrt(max(self.squares, 0.0) / self.count))
        return result

    def flag_percent(self) -> dict[str, float]:
        """Share of all pixels with each flag, by flag name."""
        return {flag.name.lower(): round(100.0 * n / self.total, 4) for flag, n in self.flags.items() if flag.name}


def _short(value: float) -> float:
    """Seven significant digits: what float32 holds, and the same on every machine."""
    return float(f"{value:.7g}")
