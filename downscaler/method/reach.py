"""Whether points lie within reach of any of some references: fast proofs, and an exact search where none holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from downscaler.ground.blocks import Bools, Floats

Singles = NDArray[np.float32]
Places = NDArray[np.intp]
_AXES = 8  # along which near references are sought
_STRIDE = 8  # of points that follow each other one is sought, and what is near it is tried on the others
_SLACKS = (20.0, 3.0)  # of the searches in few coordinates: the first settles most, the second all but a few
_EXACT = (3.0, 0.0)
_AT_ONCE = 512  # points compared with all references: the table of distances stays in the processor's cache
_ROUNDING = float(np.finfo(np.float32).eps)


@dataclass(frozen=True, kw_only=True, eq=False)
class Reach:
    """References and how far they reach.

    A point is within reach if its Euclidean distance to any reference is at most ``reach``. Two proofs settle all but
    a few points, and these are searched exactly, so the answer is that of an exact search:

    - one reference that is near enough. It is sought in few coordinates, the references' principal axes and the length
      of what these leave, and tried on the neighbours too, which mostly share it;
    - squared distances to all references in single precision, where they differ from the reach by more than rounding.

    Attributes:
        centre: the references' mean [k].
        axes: principal axes, orthonormal [k, a].
        references: from the centre, float32 [m, k].
        squares: squared lengths of ``references`` [m].
        reduced: tree of the references in few coordinates.
        exact: tree of the references as they are.
        reach: the distance.
    """

    centre: Floats
    axes: Floats
    references: Singles
    squares: Singles
    reduced: cKDTree
    exact: cKDTree
    reach: float

    @classmethod
    def of(cls, references: Floats, reach: float) -> Reach:
        """Of references [m, k], m > 0."""
        centre = references.mean(axis=0)
        apart = references - centre
        axes = np.linalg.eigh(apart.T @ apart)[1][:, ::-1][:, :_AXES]
        singles = apart.astype(np.float32)
        return cls(
            centre=centre,
            axes=axes,
            references=singles,
            squares=np.einsum("ij,ij->i", singles, singles),
            reduced=cKDTree(_reduced(apart, axes)[0], balanced_tree=False),
            exact=cKDTree(references, balanced_tree=False),  # midpoints, not medians: a quarter less time
            reach=reach,
        )

    def beyond(self, points: Floats) -> Bools:
        """Whether each of points [n, k] has no reference within reach; quickest where neighbours follow each other."""
        apart = points - self.centre
        reduced, lengths = _reduced(apart, self.axes)
        result = lengths > self._longest + self.reach * (1.0 + _ROUNDING)
        near = np.flatnonzero(~result)
        singles, reduced = apart[near].astype(np.float32), reduced[near]
        left = self._sought(singles, reduced)
        outside = np.zeros(len(near), bool)
        outside[left], unsure = self._compared(singles[left])
        left = left[unsure]
        outside[left] = self._searched(points[near[left]])
        result[near] = outside
        return result

    def _sought(self, points: Singles, reduced: Floats) -> Places:
        """The positions of the points that no reference near them proves within reach."""
        bound = self.reach * (1.0 + _ROUNDING)
        _, near = self.reduced.query(reduced[::_STRIDE], eps=_SLACKS[0], distance_upper_bound=bound)
        left = np.flatnonzero(~self._within(points, np.repeat(near, _STRIDE)[: len(points)]))
        for slack in _SLACKS:
            _, near = self.reduced.query(reduced[left], eps=slack, distance_upper_bound=bound)
            left = left[~self._within(points[left], near)]
        return left

    def _within(self, points: Singles, near: Places) -> Bools:
        """Whether each point is surely within reach of the reference that was found near it, if one was."""
        found = near < len(self.references)
        apart = points - self.references[np.where(found, near, 0)]
        square = np.einsum("ij,ij->i", apart, apart)
        return np.asarray(found & (square <= max(self.reach - self._margin, 0.0) ** 2), dtype=bool)

    def _compared(self, points: Singles) -> tuple[Bools, Places]:
        """Which points are outside by squared distances to all references, and the positions where rounding decides."""
        outside, unsure = np.empty(len(points), bool), []
        for start in range(0, len(points), _AT_ONCE):
            some = points[start : start + _AT_ONCE]
            squares = np.einsum("ij,ij->i", some, some)
            nearest = (self.squares - 2.0 * (some @ self.references.T)).min(axis=1) + squares
            over = nearest - np.float32(self.reach**2)
            doubt = 3 * points.shape[1] * _ROUNDING * (squares + self.squares.max() + self.reach**2)
            outside[start : start + len(some)] = over > 0
            unsure.append(start + np.flatnonzero(np.abs(over) <= doubt))
        return outside, np.concatenate(unsure) if unsure else np.empty(0, np.intp)

    def _searched(self, points: Floats) -> Bools:
        """Whether points are outside, by the exact search."""
        bound = float(np.nextafter(self.reach, np.inf))  # the tree leaves out what is at its bound
        far = np.arange(len(points))
        for slack in _EXACT:
            found, _ = self.exact.query(points[far], eps=slack, distance_upper_bound=bound)
            far = far[~(found <= self.reach)]
        result = np.zeros(len(points), bool)
        result[far] = True
        return result

    @property
    def _longest(self) -> float:
        """A bound of the references' lengths."""
        return float(np.sqrt(self.squares.max())) * (1.0 + 1e-5)

    @property
    def _margin(self) -> float:
        """Of a distance of points in single precision, within which it proves nothing: their own rounding, and more."""
        return 4 * _ROUNDING * len(self.centre) * (self._longest + self.reach)


def _reduced(apart: Floats, axes: Floats) -> tuple[Floats, Floats]:
    """Coordinates on the axes and the length of what they leave [n, a + 1], and whole lengths [n]."""
    along = apart @ axes
    square = np.einsum("ij,ij->i", apart, apart)
    left = np.sqrt(np.maximum(square - np.einsum("ij,ij->i", along, along), 0.0))
    return np.column_stack([along, left]), np.sqrt(square)
