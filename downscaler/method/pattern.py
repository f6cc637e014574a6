"""Statistics of a prior's whole record by cell: mean, spread, quantiles, sensitivity to the SMAP cell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from downscaler.ground.blocks import Bools, Floats, block_mean, spread_blocks
from downscaler.ground.grid import M01, M09, M36, EaseGrid

QUANTILES = {"soil_moisture_p05": 0.05, "soil_moisture_p50": 0.50, "soil_moisture_p95": 0.95}
_FLOOR = 1e-8  # m6 m-6, variance below which a coarse cell tells nothing of its fine cells


def ratio_to_m01(grid: EaseGrid) -> int:
    """Product cells along one edge of a cell of a coarse grid (9 for M09, 36 for M36)."""
    return M01.per_m36 // grid.per_m36


def sensitivity_name(grid: EaseGrid) -> str:
    """Name of the prior variable that holds the sensitivity to a coarse grid's block mean."""
    return f"sensitivity_{grid.name.lower()}"


def sensitivity(theta: Floats, active: Bools, ratio: int) -> Floats:
    """Regression slope of each cell's soil moisture on its block mean through time.

    beta(x) = cov(theta_f, theta_c) / var(theta_c): above 1 where a cell swings more than its SMAP cell does, near 0
    where it is always wet or dry.

    Args:
        theta: [time, ny, nx], m3 m-3; days with any missing active cell are left out.
        active: [ny, nx].
        ratio: fine cells along one edge of a coarse cell.

    Returns:
        [ny, nx]; 1 where the block mean does not vary.
    """
    fine = theta[np.isfinite(theta[:, active]).all(axis=1)].astype(np.float64)
    coarse = block_mean(fine, active, ratio)
    coarse -= coarse.mean(axis=0)
    anomaly = fine - fine.mean(axis=0)
    covariance = np.einsum("tyx,tyx->yx", anomaly, spread_blocks(coarse, ratio)) / max(len(fine), 1)
    variance = spread_blocks((coarse**2).mean(axis=0), ratio)
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.where(variance > _FLOOR, covariance / variance, 1.0)
    return np.where(active, slope, np.nan)


def pattern_statistics(theta: NDArray[np.floating], active: Bools) -> dict[str, NDArray[np.float32]]:
    """Time-invariant statistics of a prior's record, the basis of its climatological pattern.

    Taken over the whole record rather than by day of year: with few years a day-of-year mean holds the very day that
    is to be predicted, and a model trained on it trusts it too much.

    Args:
        theta: [time, ny, nx] on whole M36 cells, m3 m-3.
        active: [ny, nx].

    Returns:
        ``soil_moisture_level`` (mean), ``soil_moisture_sd``, the quantiles and a sensitivity per coarse grid.
    """
    known = theta[np.isfinite(theta[:, active]).all(axis=1)] if active.any() else theta[:0]
    if len(known) == 0:
        empty = np.full(active.shape, np.nan, np.float32)
        names = ["soil_moisture_level", "soil_moisture_sd", *QUANTILES, *map(sensitivity_name, (M09, M36))]
        return dict.fromkeys(names, empty)
    result = {
        "soil_moisture_level": known.mean(axis=0, dtype=np.float64),
        "soil_moisture_sd": known.std(axis=0, dtype=np.float64),
    }
    quantiles = np.quantile(known[:, active], list(QUANTILES.values()), axis=0)
    for name, values in zip(QUANTILES, quantiles, strict=True):
        result[name] = np.full(active.shape, np.nan)
        result[name][active] = values
    for grid in (M09, M36):
        result[sensitivity_name(grid)] = sensitivity(known, active, ratio_to_m01(grid))
    return {name: np.where(active, field, np.nan).astype(np.float32) for name, field in result.items()}
