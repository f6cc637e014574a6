"""From nothing to a catalogue of a continent by the commands of the command line, and what each of them costs.

``python -m tests.benchmarks.conus.continent OUT [--domain NAME] [--days N]`` (``make conus``) simulates a sample,
builds the prior, trains a model, makes the days, a cube of them, and checks the catalogue. What stands in ``OUT``
from an earlier try is used, and its row of the table kept. Prints the table, which is also kept as
``OUT/costs.json``.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import subprocess
import sys
import time
from pathlib import Path

START = dt.date(2024, 5, 23)
Row = dict[str, float | str]


def run(command: list[str], environment: dict[str, str]) -> Row:
    """Seconds by the clock, CPU seconds of a command and its children, and the largest process' peak in MB."""
    print("$", " ".join(command), flush=True)
    begun = time.perf_counter()
    process = subprocess.Popen(command, env={**os.environ, **environment})
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return {
        "s": round(time.perf_counter() - begun, 1),
        "cpu": round(used.ru_utime + used.ru_stime, 1),
        "peak": used.ru_maxrss // 1024,
    }


def size(path: Path) -> float:
    """MB of a file or of all files below a folder."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def steps(given: argparse.Namespace) -> list[tuple[str, list[str], Path]]:
    """What is done, the command, and what it leaves."""
    out, where, workers = given.out, ["--domain", given.domain], ["--workers", str(given.workers)]
    sample, prior, model, catalog = (out / name for name in ("sample", "prior", "model", "catalog"))
    daily, static = (sample / "prior" / name for name in ("daily.nc", "static.nc"))
    stations = ["--stations", str(given.stations)] if given.stations else []
    length = ["--days", given.days, "--history", given.history, "--spin-up", given.spin_up, "--start", START]
    made = [
        ("sample", ["sample", *where, "--out", sample, *map(str, length), *stations, *workers], sample),
        (
            "prior",
            ["prior", "build", *where, "--source", "netcdf", daily, "--statics", static, "--out", prior, *workers],
            prior,
        ),
        ("model", ["train", "--prior", prior, "--out", model], model),
    ]
    ready = ["--granules", sample / "granules", "--prior", prior, "--model", model, "--out", catalog]
    for number in range(given.days):
        day = START + dt.timedelta(days=number)
        made.append((f"day {number + 1}", ["run", day.isoformat(), *where, *ready], catalog))
    made.append(("cube", ["cube", "build", catalog], catalog))
    made.append(("check", ["catalog", "check", catalog], catalog))
    vadose = str(Path(sys.executable).with_name("vadose"))
    return [(name, [vadose, *map(str, command)], left) for name, command, left in made]


def main() -> None:
    """Do all steps and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--domain", default="conus", help="a preset, or west,south,east,north in degrees")
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--history", type=int, default=60, help="days of the prior before the first granule")
    parser.add_argument("--spin-up", type=int, default=10, help="days that each run simulates before")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rows", type=int, help="training rows; unset, by the size of the domain")
    parser.add_argument("--stations", type=Path, help="station file whose coordinates the simulated stations take")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    environment = {} if given.rows is None else {"VADOSE_TRAINING_ROWS": str(given.rows)}
    file = given.out / "costs.json"
    rows: dict[str, Row] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    for name, command, left in steps(given):
        if name not in rows or not left.exists():
            before = size(left) if left.exists() else 0.0
            rows[name] = run(command, environment)
            rows[name]["mb"] = round(size(left) - before, 1)
            file.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    print("\n| step | s | CPU s | peak MB | MB |\n|---|---|---|---|---|")
    for name, row in rows.items():
        print(f"| {name} | {row['s']} | {row['cpu']} | {row['peak']} | {row['mb']} |")


if __name__ == "__main__":
    main()
