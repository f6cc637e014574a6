"""Training rows on disk: written tile by tile, read in batches by XGBoost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

Rows = tuple[NDArray[np.float32], NDArray[np.float32]]
GATHER = 50_000  # rows of one file


def write_rows(folder: Path, batches: Iterable[Rows]) -> None:
    """Write batches of features [n, k] and targets [n] as files of about ``GATHER`` rows; the target is last."""
    held: list[NDArray[np.float32]] = []
    files = 0
    for features, targets in batches:
        held.append(np.column_stack([features, targets]))
        if sum(map(len, held)) >= GATHER:
            np.save(folder / f"{files:06d}.npy", np.concatenate(held), allow_pickle=False)
            files, held = files + 1, []
    if held:
        np.save(folder / f"{files:06d}.npy", np.concatenate(held), allow_pickle=False)


class Spool(xgb.DataIter):
    """Batches on disk: XGBoost passes over them several times, and holds one of them at a time.

    With ``QuantileDMatrix`` only the binned rows (one byte a feature) stay in memory, so that peak memory hardly
    grows with their number.

    Args:
        folder: with a folder of ``write_rows`` for every tile.
        names: of the features.
        every: hand out each so-manieth row, a smaller sample from the same files.
    """

    def __init__(self, folder: Path, names: Sequence[str], *, every: int = 1) -> None:
        super().__init__(release_data=True)
        self._names, self._every = list(names), every
        self._position = 0
        self.files = sorted(folder.glob("[!.]*/*.npy"))
        self.rows = sum(len(np.load(file, mmap_mode="r", allow_pickle=False)) for file in self.files)

    def next(self, input_data: Callable[..., Any]) -> bool:
        """Hand XGBoost the next batch; false at the end."""
        if self._position == len(self.files):
            return False
        block = np.load(self.files[self._position], allow_pickle=False)[:: self._every]
        input_data(data=block[:, :-1], label=block[:, -1], feature_names=self._names)
        self._position += 1
        return True

    def reset(self) -> None:
        """Begin again."""
        self._position = 0
