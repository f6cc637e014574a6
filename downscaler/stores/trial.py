"""The guarded child: loads a model of others and lets it predict, within limits of memory.

``python -m downscaler.stores.trial MODEL``; exit code 0 when all went well, 3 with the typed error as JSON when not.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import numpy as np

from downscaler.errors import BROKEN, ModelUnreadableError, VadoseError
from downscaler.method.hybrid import Branch
from downscaler.stores.model import read_model
from downscaler.stores.rehearsal import TOLD

_SPARE = 6 << 30  # bytes of address space beside 20 times the model's files: Python with XGBoost reserves 4 GB
_ROWS = 256


def main(folder: Path) -> int:
    """Load a model folder and predict with each booster; the exit code."""
    size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    most = _SPARE + 20 * size
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        for branch in read_model(folder).branches.values():
            try_branch(branch)
    except VadoseError as error:
        told = {"error": type(error).__name__, "what": error.what, "value": str(error.value)}
        print(json.dumps(told | {"allowed": error.allowed, "remedy": error.remedy}))
        return TOLD
    return 0


def try_branch(branch: Branch) -> None:
    """Let a branch's boosters predict rows of large and of unknown values; raises ModelUnreadableError."""
    rows = np.random.default_rng(0).normal(0.0, 1e3, (_ROWS, len(branch.features))).astype(np.float32)
    rows[::3, ::2] = np.nan
    for booster in (branch.mean, branch.bounds):
        booster.set_param({"device": "cpu", "nthread": 1})
        try:
            found = booster.inplace_predict(rows)
        except BROKEN as error:
            raise ModelUnreadableError("A booster does not predict", value=f"{branch.name}: {error}") from error
        if not np.isfinite(found).all():
            raise ModelUnreadableError("A booster predicts what is no number", value=branch.name)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
