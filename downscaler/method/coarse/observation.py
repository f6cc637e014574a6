"""What SMAP makes of the soil's moisture: its footprint, the size of its errors, and how far they go together.

One model for whoever needs one: the analysis weighs retrievals by it, evaluation draws retrievals from it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from downscaler.errors import ObservationError
from downscaler.ground.blocks import Bools, Floats, block_mean

CELL_KM = 1.000895023349  # edge of a product cell
_SIGMA_OF_WIDTH = 2.3548200450309493  # full width at half power of a Gaussian, in standard deviations
_LEAST_ACTIVE = 0.5  # share of a SMAP cell that must be land with a truth for SMAP to be simulated there


@dataclass(frozen=True, kw_only=True)
class Observation:
    """The observation model of SMAP.

    Attributes:
        footprint: 3 dB width of the antenna's gain on the ground, km; 0 where a retrieval is its cell's mean.
        error: standard deviation of a retrieval's error, m3 m-3.
        smooth_share: share of the error's variance that is common to a neighbourhood, 0 to 1.
        smooth_km: distance at which its correlation has fallen to 1/e, km.
        revisit: days of every five on which a place is seen.

    Raises:
        ObservationError: a value out of range.
    """

    footprint: float = 0.0
    error: float = 0.04
    smooth_share: float = 2.0 / 3.0
    smooth_km: float = 60.0
    revisit: tuple[int, ...] = (0, 2)

    def __post_init__(self) -> None:
        for name, low, high in (
            ("footprint", 0, 200),
            ("error", 0, 0.5),
            ("smooth_share", 0, 1),
            ("smooth_km", 1, 1e4),
        ):
            if not low <= getattr(self, name) <= high:
                raise ObservationError(
                    f"The observation model's {name} is out of range",
                    value=getattr(self, name),
                    allowed=f"{low}-{high}",
                )
        if not self.revisit or any(day not in range(5) for day in self.revisit):
            raise ObservationError("SMAP's revisit is days of five", value=self.revisit, allowed="some of 0 to 4")

    @property
    def smooth_variance(self) -> float:
        """Variance of the part common to a neighbourhood, m6 m-6."""
        return self.smooth_share * self.error**2

    @property
    def white_variance(self) -> float:
        """Variance of the part of single cells, m6 m-6."""
        return (1.0 - self.smooth_share) * self.error**2

    def sees(self, day: int) -> bool:
        """Whether a pass falls on a day, counted from any start."""
        return day % 5 in self.revisit

    def errors(self, shape: tuple[int, int], cell_km: float, rng: np.random.Generator) -> Floats:
        """One pass's errors [nyc, nxc], m3 m-3: exponentially correlated and white, independent between passes.

        Drawn in spectral space on a torus four correlation lengths larger, so that opposite edges do not meet.
        """
        room = int(np.ceil(4 * self.smooth_km / cell_km))
        big = (shape[0] + room, shape[1] + room)
        away = [np.minimum(np.arange(n), n - np.arange(n)) * cell_km for n in big]
        covariance = np.exp(-np.hypot(away[0][:, None], away[1][None]) / self.smooth_km)
        power = np.sqrt(np.maximum(np.fft.fft2(covariance).real, 0.0))
        smooth = np.fft.ifft2(power * np.fft.fft2(rng.standard_normal(big))).real[: shape[0], : shape[1]]
        white = rng.standard_normal(shape)
        return np.asarray(np.sqrt(self.smooth_variance) * smooth + np.sqrt(self.white_variance) * white)

    def coarse(self, fine: Floats, active: Bools, ratio: int) -> Floats:
        """What SMAP's cells hold of a 1 km field without error [nyc, nxc]; NaN where less than half is active."""
        use = active & np.isfinite(fine)
        mean = seen_through(fine, use, ratio, self.footprint)
        share = block_mean(use.astype(np.float64), np.ones(use.shape, bool), ratio)
        return np.where(share >= _LEAST_ACTIVE, mean, np.nan)

    def as_dict(self) -> dict[str, Any]:
        """For provenance and reports."""
        return {**asdict(self), "revisit": list(self.revisit)}


def seen_through(fine: Floats, active: Bools, ratio: int, footprint: float) -> Floats:
    """Mean over each SMAP cell's footprint [nyc, nxc], Gaussian of a 3 dB width in km about the cell's centre.

    Only active cells count; a width of 0 is the cell's own mean.
    """
    if footprint <= 0:
        return block_mean(np.nan_to_num(fine), active, ratio)
    sigma = footprint / _SIGMA_OF_WIDTH / CELL_KM
    filled = np.where(active, fine, 0.0).astype(np.float64)
    total, weight = (gaussian_filter(part, sigma, mode="constant") for part in (filled, active.astype(np.float64)))
    centre = slice(ratio // 2, None, ratio)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(weight > 1e-6, total / np.maximum(weight, 1e-6), np.nan)[centre, centre]
    known = block_mean(active.astype(np.float64), np.ones(active.shape, bool), ratio) > 0
    return np.asarray(np.where(known, mean, np.nan))


def smeared(fields: Floats, land: Bools, cell_km: float, footprint: float) -> Floats:
    """Coarse fields [n, nyc, nxc] through a footprint of a 3 dB width in km, 0 where there is no land."""
    known = np.where(land, np.nan_to_num(fields), 0.0)
    if footprint <= 0 or not known.any():
        return known
    sigma = footprint / _SIGMA_OF_WIDTH / cell_km
    blurred, weight = (
        gaussian_filter(part, (0.0, sigma, sigma), mode="constant") for part in (known, land[None].astype(np.float64))
    )
    return np.where(land, blurred / np.maximum(weight, 1e-6), 0.0)


def smear(values: NDArray[np.floating], cell_km: float, footprint: float) -> NDArray[np.float64]:
    """Weights [n, n] of a footprint between the cells of a small lattice of n = ny nx cells; rows add up to 1."""
    ny, nx = values.shape
    y, x = (axis.ravel() * cell_km for axis in np.mgrid[:ny, :nx])
    square = (y[:, None] - y) ** 2 + (x[:, None] - x) ** 2
    sigma = max(footprint / _SIGMA_OF_WIDTH, 1e-3)
    weights = np.exp(-square / (2.0 * sigma**2))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
