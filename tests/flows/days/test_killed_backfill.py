"""A short version of ``python -m tests.crash``: one kill of each kind, on the sample's days."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
ASKED = ("--kills", "3", "--days", "5", "--span", "1.5")


@pytest.mark.integration
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds workers by /proc")
def test_a_backfill_killed_three_times_ends_as_an_undisturbed_one(made: Path, tmp_path: Path) -> None:
    line = [sys.executable, "-m", "tests.crash", *ASKED, "--sample", str(made), "--work", str(tmp_path)]
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
