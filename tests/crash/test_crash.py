"""A short version of ``python -m tests.crash``: one kill of each kind, on the sample's days."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds workers by /proc")
def test_a_backfill_killed_three_times_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    line = [
        sys.executable,
        "-m",
        "tests.crash",
        "--kills",
        "3",
        "--days",
        "6",
        "--span",
        "1.5",
        "--work",
        str(tmp_path),
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VADOSE_")}
    environment["VADOSE_PRODUCTS"] = "conserving"
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "3 passed, 0 failed" in done.stdout
    assert [line.split()[0] for line in done.stdout.splitlines() if " killed after " in line] == [
        "process",
        "worker",
        "group",
    ]
