"""A continent's prior from a basin's: a genuine ParFlow-CLM run laid over all of CONUS1 as in a hall of mirrors.

``python -m tests.benchmarks.conus.mirror RUN OUT [--days N] [--domain NAME] [--workers N]`` builds a prior store of
it. The terrain is real and the place is not: it serves to measure, never to judge skill.
"""

from __future__ import annotations

import argparse
import datetime as dt
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from downscaler.ground.grid import Domain, Span, Window
from downscaler.ground.lattice import CONUS1, IJWindow, Lattice
from downscaler.ground.wetness import receivers
from downscaler.parts import in_processes
from downscaler.product import domain as named
from downscaler.sources.parflow import open_source
from downscaler.sources.parflow.source import PriorSource, SourceInfo
from downscaler.stores.prior import build_prior

SIXTEENTH = Domain(  # 9 tiles amid the continent, about a sixteenth of its land
    name="sixteenth",
    title="A sixteenth of the mirrored continent",
    m36=Window(rows=Span(start=60, stop=84), columns=Span(start=205, stop=229)),
)
FOUR = Domain(
    name="four",
    title="Four tiles of the mirrored continent",
    m36=Window(rows=Span(start=60, stop=76), columns=Span(start=205, stop=221)),
)
QUARTER = Domain(
    name="quarter",
    title="A quarter of the mirrored continent",
    m36=Window(rows=Span(start=50, stop=90), columns=Span(start=190, stop=230)),
)
PARTS = {part.name: part for part in (FOUR, SIXTEENTH, QUARTER)}


class Mirrored:
    """A run repeated over the whole of CONUS1, every second copy mirrored so that no seam shows; a PriorSource."""

    def __init__(self, run: PriorSource, days: int) -> None:
        self._run, self._days = run, run.days[:days]
        nj, ni = run.lattice.window.shape
        self._j, self._i = (_there_and_back(n, size) for n, size in ((nj, CONUS1.shape.y), (ni, CONUS1.shape.x)))
        self._turned_j, self._turned_i = _turned(self._j), _turned(self._i)
        self.lattice: Lattice = CONUS1.cut((0, 0, CONUS1.shape.x, CONUS1.shape.y), "drv_vegm")
        self.info = SourceInfo(title="Mirrored basin (a benchmark, no real place)", simulated=True)
        self.daily, self.statics = run.daily, run.statics
        self._whole: dict[str, NDArray[np.float32]] = {}  # a basin's days are small, and every tile asks for them

    @property
    def days(self) -> tuple[dt.date, ...]:
        """The first days of the run."""
        return self._days

    def read_days(self, name: str, days: slice, window: IJWindow) -> NDArray[np.float32]:
        """One daily field: [day, j, i]."""
        if name not in self._whole:
            self._whole[name] = self._run.read_days(name, slice(0, len(self._days)), self._run.lattice.window)
        return self._whole[name][days][:, self._j[window.j.slice][:, None], self._i[window.i.slice]]

    def read_static(self, name: str, window: IJWindow) -> NDArray[np.float64]:
        """One static field: [j, i]."""
        if name in ("slope_x", "slope_y"):
            return self._slope(name, window).astype(np.float64)
        whole = self._run.read_static(name, self._run.lattice.window)
        return whole[self._j[window.j.slice][:, None], self._i[window.i.slice]]

    def _laid(self, name: str, j: slice, i: slice) -> NDArray[np.float64]:
        whole = self._run.read_static(name, self._run.lattice.window)
        return whole[self._j[j, None], self._i[i]]

    def _slope(self, name: str, window: IJWindow) -> NDArray[np.float32]:
        """A slope; mirrored ones fall the other way, and where two copies face each other is none.

        So that water runs on them as on a continent's own, see ``wetness.MAX_PITS``. The cells around the window tell
        whether its own face them.
        """
        (j, i), (rows, columns) = window.slices, self.lattice.window.shape
        j0, i0 = max(j.start - 1, 0), max(i.start - 1, 0)
        around = slice(j0, min(j.stop + 1, rows)), slice(i0, min(i.stop + 1, columns))
        slopes = {
            "slope_x": self._laid("slope_x", *around) * self._turned_i[around[1]],
            "slope_y": self._laid("slope_y", *around) * self._turned_j[around[0], None],
        }
        to = receivers(slopes["slope_x"], slopes["slope_y"])[0]
        facing = ((to >= 0) & (to[np.maximum(to, 0)] == np.arange(to.size))).reshape(slopes[name].shape)
        cut = slice(j.start - j0, j.stop - j0), slice(i.start - i0, i.stop - i0)
        return np.where(facing, 0.0, slopes[name]).astype(np.float32)[cut]

    def close(self) -> None:
        """Let go of the run."""
        self._run.close()


def _there_and_back(count: int, size: int) -> NDArray[np.intp]:
    """Indices 0, 1, .. count - 1, count - 1, .. 1, 0, 0, 1 .. of a given size."""
    return np.resize(np.r_[np.arange(count), np.arange(count)[::-1]], size).astype(np.intp)


def _turned(index: NDArray[np.intp]) -> NDArray[np.float64]:
    """-1 in mirrored copies, 1 in the others."""
    steps = np.diff(index, prepend=index[0] - 1, append=index[-1])
    return np.where((steps[:-1] < 0) | ((steps[:-1] == 0) & (steps[1:] < 0)), -1.0, 1.0)


def open_mirrored(run: Path, days: int) -> Mirrored:
    """A folder's ``daily.nc`` and ``static.nc`` as a continent."""
    return Mirrored(open_source("netcdf", run / "daily.nc", run / "static.nc"), days)


def main() -> None:
    """Build a prior store of the mirrored run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder with daily.nc and static.nc")
    parser.add_argument("out", type=Path)
    parser.add_argument("--days", type=int, default=40)
    parser.add_argument("--domain", default="sixteenth")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    given = parser.parse_args()
    opener = partial(open_mirrored, given.run, given.days)
    source, domain = opener(), PARTS.get(given.domain) or named(given.domain)
    build_prior(source, domain, given.out, opener=opener, spread=in_processes(given.workers))
    source.close()


if __name__ == "__main__":
    main()
