"""Kill a backfill with SIGKILL at random moments, resume it, compare the end with an undisturbed one.

``python -m tests.crash --kills 100`` from the root of the checkout; prints ``N passed, N failed``, exit code 1 if any
failed.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import random
import subprocess
import sys
from pathlib import Path

from tests.crash.killing import MODES, Kill, Life, Setting
from tests.crash.wholeness import DECLARED

DOMAIN = "-94.7,34.4,-94.6,34.5"  # one SMAP cell of 36 km
FIRST = "2024-05-23"


def main() -> int:
    """Run the lives that the arguments ask for."""
    asked = _arguments()
    sample = asked.sample or _made(asked.work / f"sample-{asked.days}", asked.days)
    last = f"{_day(asked.days - 1)}"
    setting = Setting(sample.resolve(), asked.domain, (FIRST, last), workers=asked.workers, span=asked.span)
    reference = asked.work.resolve() / f"reference-{asked.days}"
    wrong = setting.finish(reference)
    if wrong:
        print(f"the undisturbed backfill failed: {wrong}")
        return 1
    print(f"undisturbed: {FIRST} to {last}; may differ: {DECLARED}", flush=True)
    kills: list[Kill] = []
    number = 0
    while len(kills) < asked.kills:
        life = Life(
            setting,
            asked.work.resolve() / f"life-{asked.seed}-{number}",
            random.Random(f"{asked.seed} {number}"),
            tuple(asked.modes),
            before=len(kills),
        )
        life.live(asked.kills - len(kills), reference, _tell)
        if not life.kills:
            print("no kill came before the end of the backfill: use more --days or a shorter --span")
            return 1
        kills += life.kills
        number += 1
        state = "as the undisturbed one" if not life.kills[-1].faults else f"faults: {life.kills[-1].faults[:5]}"
        print(f"life {number}: killed {len(life.kills)} times, then finished: {state}", flush=True)
    failed = sum(bool(kill.faults) for kill in kills)
    print(f"{len(kills) - failed} passed, {failed} failed")
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--days", type=int, default=30, help="length of the backfill")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--span", type=float, default=3.0, help="seconds of work in which the kill comes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--work", type=Path, default=Path("build/crash"))
    parser.add_argument("--sample", type=Path, help="folder with sample/granules, prior and model; unset, one is made")
    parser.add_argument("--domain", default=DOMAIN)
    return parser.parse_args()


def _day(number: int) -> str:
    return str(dt.date.fromisoformat(FIRST) + dt.timedelta(days=number))


def _made(folder: Path, days: int) -> Path:
    """The sample, its prior and a small model, made once."""
    folder = folder.resolve()
    if (folder / "model" / "model.json").is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    native = folder / "sample" / "prior"
    where = f"--domain={DOMAIN}"
    small = {**os.environ, "VADOSE_TRAINING_ROWS": "20000", "VADOSE_TRAINING_ROUNDS": "20"}
    source = ("--source", "netcdf", native / "daily.nc", "--statics", native / "static.nc")
    for line in (
        ("sample", "--out", folder / "sample", "--days", days, where, "--history", 90),
        ("prior", "build", where, *source, "--out", folder / "prior"),
        ("train", "--prior", folder / "prior", "--out", folder / "model"),
    ):
        command = [sys.executable, "-m", "flows.cli", *map(str, line)]
        subprocess.run(command, env=small, check=True, stdout=subprocess.DEVNULL)
    return folder


def _tell(kill: Kill, items: int) -> None:
    print(
        f"  {kill.mode:<8} killed after {kill.moment:5.2f} s, {items:2d} items stand: "
        f"{'; '.join(kill.faults[:3]) or 'all whole'}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
