"""Separates signal from retrieval noise in a coarse field, by the roughness of the model's days."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from downscaler.ground.blocks import Floats

_OTHERS = 8.0 / 9.0  # share of white noise's variance that is left after its 3 x 3 mean is taken off


def local_departure(coarse: Floats) -> Floats:
    """Each coarse value less the mean of the known values around it (3 x 3, itself included), NaN where missing."""
    known = np.isfinite(coarse)
    total = uniform_filter(np.where(known, coarse, 0.0), 3, mode="constant")
    share = uniform_filter(known.astype(np.float64), 3, mode="constant")
    with np.errstate(invalid="ignore", divide="ignore"):
        departure: Floats = np.where(known, coarse - total / share, np.nan)
    return departure


def roughness(fields: NDArray[np.floating]) -> float:
    """Mean square of the local departures of noise-free fields [n, nyc, nxc], m6 m-6; 0 where there are none."""
    squares = np.array([np.nanmean(d**2) if np.isfinite(d).any() else np.nan for d in map(local_departure, fields)])
    return float(np.nanmean(squares)) if np.isfinite(squares).any() else 0.0


def noise_part(coarse: Floats, reference: Floats, error: Floats, rough: float) -> Floats:
    """The part of a coarse field that is more likely noise than weather.

    Of the local departure of the anomaly from ``reference`` the share s2 / (s2 + r) is taken for noise, with s2 the
    retrieval's error variance left after the local mean and r the roughness of true fields: the Wiener filter of
    white noise. Nothing with an error of 0; the block means keep all of it either way.

    Args:
        coarse: [nyc, nxc], m3 m-3, NaN where missing.
        reference: usual level [nyc, nxc], m3 m-3; 0 where none is known.
        error: standard error of the retrievals [nyc, nxc], m3 m-3.
        rough: see ``roughness``, of anomalies from the same reference.
    """
    variance = _OTHERS * np.square(error)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(variance > 0, variance / (variance + rough), 0.0)
    noise: Floats = share * local_departure(coarse - reference)
    return noise
