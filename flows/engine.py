"""One flow run in a process of its own: Prefect's engine, begun with less.

``python -m flows.engine``, as ``deploy/prefect.yaml`` has it, in place of ``python -m prefect.engine``. A day takes
less time than the imports before it, so what no run of ours uses is left out of them.
"""

from __future__ import annotations

import gc
import importlib
import os
import runpy
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_ENGINE = "prefect.engine"


@contextmanager
def hidden(package: str) -> Iterator[None]:
    """A package that is not loaded yet cannot be imported meanwhile; afterwards it can."""
    unseen = package not in sys.modules
    if unseen:
        sys.modules[package] = None  # type: ignore[assignment]  # as the import system has it: not importable
    try:
        yield
    finally:
        if unseen:
            sys.modules.pop(package, None)


def load() -> None:
    """Import what a day needs, with the garbage collector asleep: it finds nothing there, in a quarter of the time."""
    gc.disable()
    # XGBoost loads all of scikit-learn for wrappers that vadose does not use: a third of what a day imports.
    with hidden("sklearn"):
        importlib.import_module("xgboost")
    importlib.import_module("flows.daily")
    importlib.import_module("downscaler.sources.model")
    importlib.import_module("downscaler.sources.smap")
    gc.freeze()
    gc.enable()


def main() -> None:
    """Make the flow run that Prefect named in the environment."""
    # The worker has the metrics' port, and a run that wants it too would crash. Read when Prefect is imported.
    os.environ["PREFECT_CLIENT_METRICS_ENABLED"] = "false"
    load()
    runpy.run_module(_ENGINE, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
