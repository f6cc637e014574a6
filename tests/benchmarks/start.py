"""How long ``vadose`` takes to start: its help, and a day's command until it opens the first granule.

``python -m tests.benchmarks.start DEMO [--tries N]`` takes the sample, prior and model of a demo and publishes into a
temporary folder. Prints seconds by the clock, the least and the median, and CPU seconds. For an idle machine.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

# Runs the command; when the first granule is opened, the process tells the time and goes on.
_TOLD = """
import sys, time
import h5py
opened = h5py.File.__init__
def tell(self, *args, **kwargs):
    if not tell.said:
        tell.said = True
        print("first work", time.time(), time.process_time(), flush=True)
    opened(self, *args, **kwargs)
tell.said = False
h5py.File.__init__ = tell
from flows.cli import main
main()
"""


def used() -> float:
    """CPU seconds of ended children."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def first_work(command: list[str]) -> tuple[float, float]:
    """Seconds from the process' start to its first granule, and CPU seconds of that."""
    begun = time.time()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    said = next(line for line in done.stdout.splitlines() if line.startswith("first work"))
    wall, cpu = said.split()[-2:]
    return float(wall) - begun, float(cpu)


def helped(command: list[str]) -> tuple[float, float]:
    """Seconds by the clock and CPU seconds of a command."""
    begun, spent = time.time(), used()
    subprocess.run(command, check=True, capture_output=True)
    return time.time() - begun, used() - spent


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo", type=Path)
    parser.add_argument("--tries", type=int, default=5)
    given = parser.parse_args()
    demo = given.demo
    granule = min((demo / "sample" / "granules").glob("*.h5"))
    date = f"{granule.name[15:19]}-{granule.name[19:21]}-{granule.name[21:23]}"
    found: dict[str, list[tuple[float, float]]] = {"vadose --help": [], "vadose run, to the first granule": []}
    for _ in range(given.tries):
        found["vadose --help"].append(helped([str(Path(sys.executable).with_name("vadose")), "--help"]))
        with TemporaryDirectory() as out:
            ready = ["--granules", demo / "sample" / "granules", "--prior", demo / "prior", "--model", demo / "model"]
            command = [sys.executable, "-c", _TOLD, "run", date, "--domain", "demo", *map(str, ready), "--out", out]
            found["vadose run, to the first granule"].append(first_work(command))
    told = {
        name: {
            "least s": round(min(wall for wall, _ in tries), 2),
            "median s": round(statistics.median(wall for wall, _ in tries), 2),
            "CPU s, median": round(statistics.median(cpu for _, cpu in tries), 2),
        }
        for name, tries in found.items()
    }
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
