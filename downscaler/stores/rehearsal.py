"""Loading a model of others in a guarded child first: its trees are read by native code, which a made-up file can end.

A model that was trained or has passed here before is known by the digest of what it computes with, in
``$XDG_STATE_HOME/vadose/models`` (``~/.local/state`` unless set); so is one whose digest the caller pins.
The child is ``downscaler.stores.trial``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from downscaler import errors
from downscaler.errors import ModelUnreadableError

SECONDS = 120.0  # of the child; a model of CONUS loads in five
TOLD = 3
"""Exit code of a child that wrote what is wrong."""


def known(digest: str) -> bool:
    """Whether a model was trained, or has passed, on this account."""
    return _mark(digest).is_file()


def remember(digest: str) -> None:
    """Let a model pass from now on; where nothing can be written it is tried again each time."""
    try:
        _mark(digest).parent.mkdir(parents=True, exist_ok=True)
        _mark(digest).touch()
    except OSError:
        return


def _mark(digest: str) -> Path:
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(home).expanduser() / "vadose" / "models" / digest


def rehearse(folder: Path) -> None:
    """Load a model in a child with limits of memory and time, and let it predict.

    Raises what the child found wrong; ModelUnreadableError when it was ended by a signal or its limits.
    """
    line = [sys.executable, "-m", "downscaler.stores.trial", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        child = subprocess.run(line, env=environment, capture_output=True, timeout=SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise _ended(folder, f"took more than {SECONDS:.0f} s") from None
    if child.returncode == TOLD:
        told = json.loads(child.stdout)
        raise getattr(errors, told.pop("error"))(told.pop("what"), **told)
    if child.returncode != 0:
        last = child.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise _ended(folder, f"exit code {child.returncode}{': ' + last[0][:200] if last else ''}")


def _ended(folder: Path, how: str) -> ModelUnreadableError:
    return ModelUnreadableError(
        "The model's files end the process that reads them",
        value=f"{folder}: {how}",
        remedy="Do not use it. Take the model from where it was published, or train it again: vadose train.",
    )
