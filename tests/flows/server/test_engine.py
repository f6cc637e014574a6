"""A run's process begins with less, and everything it left out can still be had."""

import os
import subprocess
import sys

import pytest

from flows.light import hidden


def python(code: str, **more: str) -> str:
    """Standard output of a Python of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=os.environ | more,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_hidden_package_cannot_be_imported_meanwhile_and_can_afterwards() -> None:
    sys.modules.pop("this", None)
    with hidden("this"), pytest.raises(ImportError):
        import this  # noqa: F401
    assert "this" not in sys.modules


def test_a_loaded_package_is_left_alone() -> None:
    with hidden("os"):
        import os as seen
    assert seen is os is sys.modules["os"]


def test_it_comes_back_after_a_failure_too() -> None:
    with pytest.raises(KeyError), hidden("antigravity"):
        raise KeyError
    assert "antigravity" not in sys.modules


LOADED = """
import gc, sys
from flows.server.engine import load
load()
assert gc.isenabled() and gc.get_freeze_count() > 100_000
assert "flows.server.daily" in sys.modules and "xgboost" in sys.modules
assert not [name for name in sys.modules if name.split(".")[0] in ("sklearn", "boto3", "botocore")]
assert [name for name in sys.modules if name.split(".")[0] == "dask"] == ["dask"] and sys.modules["dask"] is None
import numpy as np, xgboost as xgb
rows = np.random.default_rng(0).normal(size=(500, 3))
booster = xgb.train({"max_depth": 3, "seed": 1, "nthread": 1}, xgb.DMatrix(rows, rows.sum(axis=1)), 5)
print(booster.predict(xgb.DMatrix(rows)).tobytes().hex())
import boto3, sklearn.model_selection
"""


def test_trees_are_the_same_without_the_wrappers() -> None:
    plain = LOADED[LOADED.index("import numpy") :]
    assert python(LOADED) == python("import sklearn\n" + plain)


def test_dask_stays_where_it_is_asked_for() -> None:
    load = "from flows.server.engine import load; load(dask=True)"
    assert python(f"{load}; import dask.array; print(dask.array.ones(3).sum().compute())") == "3.0\n"


@pytest.mark.parametrize("more", [(), ("--with-dask",)])
def test_without_a_run_it_says_what_prefect_says(more: tuple[str, ...]) -> None:
    line = [sys.executable, "-m", "flows.server.engine", *more]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "Invalid flow run id" in done.stderr


def test_a_day_made_by_command_begins_as_light() -> None:
    code = """
import sys
from pathlib import Path
from downscaler.errors import VadoseError
from flows.day.inputs import prepare
from flows.day.jobs import DayJob
nowhere = Path("nowhere")
try:
    prepare(DayJob(domain="demo", prior=nowhere, model=nowhere, catalog="c", folder=nowhere))
except VadoseError:
    print(*({"xgboost", "sklearn", "boto3"} & {name.split(".")[0] for name in sys.modules}))
"""
    assert python(code) == "xgboost\n"


BEGUN = """
import sys
from flows import light
light.load()
import catalog.publish.claims, catalog.publish.day, downscaler.day.inputs, downscaler.stores.model
assert not [name for name in sys.modules if name.split(".")[0] in ("matplotlib", "boto3", "sklearn")]
from catalog.rasters.thumbnail import colormap
assert colormap()["255"] == [16, 34, 94, 255]  # the wet end, #10225e
assert "matplotlib" in sys.modules
"""


def test_a_day_begins_without_what_it_uses_at_its_end() -> None:
    python(BEGUN)
