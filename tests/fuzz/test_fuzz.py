"""A short version of ``make fuzz``: some inputs of the readers that need no sample; none untyped, none that ends it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.children import Subject, fuzz

ROOT = Path(__file__).resolve().parents[2]
INPUTS = 40
READERS = ("pfb", "run", "stations", "layers", "settings", "geotiff", "claims", "index", "weather", "downloads")


@pytest.mark.integration
def test_no_changed_input_ends_a_reader_or_is_told_untyped(tmp_path):
    line = [
        sys.executable,
        "-m",
        "tests.fuzz",
        "--inputs",
        str(INPUTS),
        "--light",
        "--work",
        str(tmp_path),
        "--readers",
        *READERS,
    ]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(f" {INPUTS} inputs, ") == len(READERS)
    assert done.stdout.endswith("0 faults\n")


def _none(folder, _chance):
    return folder


FAULTS = {
    "untyped": lambda _path, _made: [][1],
    "signal": lambda _path, _made: __import__("os").kill(__import__("os").getpid(), 11),
    "memory": lambda _path, _made: bytearray(3 << 30),
}


@pytest.mark.integration
@pytest.mark.parametrize("kind", FAULTS)
def test_each_kind_of_fault_is_seen(tmp_path, kind):
    found = fuzz(Subject(name="x", make=_none, read=FAULTS[kind]), 3, 0, tmp_path)
    assert (found.tried, found.count(kind), sum(found.faults.values())) == (3, 3, 3), found.line()
