"""Random fields that depend on position only, so that overlapping windows agree.

A field is a cubic B-spline over a lattice of independent standard normal numbers, each hashed from its node, its
stream and the seed; a sum of such fields at halved wavelengths is fractional Brownian terrain.

Source: Perlin (1985, doi:10.1145/325334.325247) for hashed lattice noise; Musgrave et al. (1989,
doi:10.1145/74333.74337) for fractal sums; Steele et al. (2014, doi:10.1145/2660193.2660195) for the mixing function.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.ndimage import map_coordinates
from scipy.special import ndtri

Field = NDArray[np.float32]
# Mean over positions of the sum of squared cubic B-spline weights along one axis: a field's variance per axis.
_AXIS_VARIANCE = 151.0 / 315.0


@dataclass(frozen=True, kw_only=True)
class Stream:
    """One independent source of random numbers: a ``seed`` and the ``name`` of what it is for."""

    seed: int
    name: str

    def child(self, *parts: object) -> Stream:
        """An independent stream below this one."""
        return Stream(seed=self.seed, name="/".join([self.name, *map(str, parts)]))

    @property
    def key(self) -> int:
        """64-bit number of the stream."""
        text = f"{self.seed}:{self.name}".encode()
        return (zlib.crc32(text) << 32) | zlib.crc32(text[::-1] + b"#")

    def generator(self) -> np.random.Generator:
        """Sequential random numbers of this stream."""
        return np.random.default_rng(self.key)


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def node_normals(rows: NDArray[np.int64], columns: NDArray[np.int64], stream: Stream) -> NDArray[np.float64]:
    """Standard normal numbers of lattice nodes, [row, column]; the same node always has the same number."""
    key = _mix(np.array([stream.key], np.uint64))
    by_row = _mix(rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + key)
    mixed = _mix(by_row[:, None] ^ (columns.astype(np.uint64) * np.uint64(0xD1B54A32D192ED03))[None, :])
    return np.asarray(ndtri(((mixed >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53))


def smooth_noise(y: ArrayLike, x: ArrayLike, wavelength: float, stream: Stream, *, aspect: float = 1.0) -> Field:
    """Standard normal field of one wavelength at the points of two axes or of two equal-shaped 2-D arrays.

    Args:
        y: northward coordinates in km, [ny] or [ny, nx].
        x: eastward coordinates in km, [nx] or [ny, nx].
        wavelength: distance between nodes along y in km, half the shortest wave.
        stream: what the field is for.
        aspect: node distance along x over that along y.

    Returns:
        [ny, nx], zero mean and unit variance over a large area.
    """
    v, u = np.asarray(y, np.float64) / wavelength, np.asarray(x, np.float64) / (wavelength * aspect)
    row, column = (int(np.floor(a.min())) - 1 for a in (v, u))
    rows = np.arange(row, int(np.floor(v.max())) + 4)
    columns = np.arange(column, int(np.floor(u.max())) + 4)
    nodes = node_normals(rows, columns, stream) / _AXIS_VARIANCE
    if v.ndim == 1:
        field = (_spline(u - column, len(columns)) @ (_spline(v - row, len(rows)) @ nodes).T).T
    else:
        field = map_coordinates(nodes, [v - row, u - column], order=3, prefilter=False, mode="nearest")
    return np.asarray(field, np.float32)


def _spline(position: NDArray[np.float64], nodes: int) -> sparse.csr_matrix:
    """Cubic B-spline weights [point, node] at positions counted in nodes; sparse, so the sums' order is fixed."""
    first = np.floor(position).astype(np.int64) - 1
    t = position - first - 1
    weights = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1) / 6.0
    columns = first[:, None] + np.arange(4)
    rows = np.arange(0, 4 * position.size + 1, 4)
    return sparse.csr_matrix((weights.ravel(), columns.ravel(), rows), shape=(position.size, nodes))


def fractal(
    y: ArrayLike, x: ArrayLike, wavelength: float, stream: Stream, *, octaves: int = 5, gain: float = 0.5
) -> Field:
    """Sum of ``octaves`` fields, each at half the wavelength and ``gain`` times the amplitude; unit variance."""
    total = smooth_noise(y, x, wavelength, stream.child(0))
    for octave in range(1, octaves):
        total = total + gain**octave * smooth_noise(y, x, wavelength / 2**octave, stream.child(octave))
    return np.asarray(total / np.sqrt(sum(gain ** (2 * o) for o in range(octaves))), np.float32)
