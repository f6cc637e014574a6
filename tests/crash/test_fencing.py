"""A short version of ``python -m tests.crash.fencing``: some rounds in a folder and in a bucket."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.integration
def test_a_run_that_was_overtaken_publishes_nothing_over_newer_inputs(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "tests.crash.fencing", "--rounds", "2", "--work", str(tmp_path / "fencing")]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "folder: 2 rounds" in done.stdout
    assert "bucket: 2 rounds" in done.stdout
