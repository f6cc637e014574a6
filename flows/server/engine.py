"""Starts one flow run in its own process: Prefect's engine with fewer imports.

``python -m flows.server.engine``, as ``deploy/prefect.yaml`` has it, in place of ``python -m prefect.engine``. A day
takes less time than the imports before it, so what it does not use is left out of them; ``--with-dask`` keeps Dask,
which the playground may ask for.
"""

from __future__ import annotations

import gc
import importlib
import os
import runpy
import sys

from flows import light

_ENGINE = "prefect.engine"
_WITH_DASK = "--with-dask"


def load(*, dask: bool = False) -> None:
    """Import what a day needs, with the garbage collector off, which saves a quarter of the time.

    Without ``dask`` that package stays hidden: xarray and odc-geo load it whole only to ask whether arrays are its.
    """
    gc.disable()
    if not dask:
        sys.modules.setdefault("dask", None)  # type: ignore[arg-type]
    light.load()
    importlib.import_module("flows.server.daily")
    importlib.import_module("downscaler.stores.model")
    importlib.import_module("downscaler.sources.smap")
    gc.freeze()
    gc.enable()


def main() -> None:
    """Make the flow run that Prefect named in the environment."""
    # The worker has the metrics' port, and a run that wants it too would crash. Read when Prefect is imported.
    os.environ["PREFECT_CLIENT_METRICS_ENABLED"] = "false"
    dask = _WITH_DASK in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != _WITH_DASK]  # Prefect takes the first for a run's id
    load(dask=dask)
    runpy.run_module(_ENGINE, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
