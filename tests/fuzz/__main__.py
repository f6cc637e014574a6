"""Try every reader and every body of the service on changed inputs, each child with limits of memory and time.

``python -m tests.fuzz --inputs 10000`` from the root of the checkout; prints a line for each reader and its faults.
Exit code 1 when there is any. Faulty inputs are kept below build/fuzz/READER/NUMBER.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers")]
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ["XDG_STATE_HOME"] = str(ROOT / "build" / "fuzz-state")


def main() -> int:
    """Run what the arguments ask for."""
    from tests.fuzz.children import fuzz
    from tests.fuzz.readers import subjects

    asked = _arguments()
    seeds = asked.work / "seeds"
    _seed(seeds, light=asked.light)
    known = subjects(seeds)
    wrong = 0
    for name in asked.readers or known:
        number = max(int(asked.inputs / known[name].cost), 20) if asked.weighted else asked.inputs
        found = fuzz(known[name], number, asked.seed, asked.work)
        print(found.line(), flush=True)
        for fault, times in found.faults.most_common(asked.show):
            print(f"    {times} x {fault}", flush=True)
        wrong += sum(found.faults.values())
    print(f"{wrong} faults")
    return 1 if wrong else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000, help="of each reader")
    parser.add_argument("--weighted", action="store_true", help="fewer inputs of readers that take longer for each")
    parser.add_argument("--light", action="store_true", help="leave out what takes a sample and a model")
    parser.add_argument("--readers", nargs="+")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", type=int, default=12, help="kinds of faults to print of a reader")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "fuzz")
    return parser.parse_args()


def _seed(folder: Path, *, light: bool) -> None:
    """Make the sound inputs once, in a child: what it computes with starts threads that a fork must not inherit."""
    if (folder / "whole").exists():
        return
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            from tests.fuzz.seeds import make

            make(folder, light=light)
            code = 0
        except BaseException:  # noqa: BLE001
            import traceback

            traceback.print_exc()
        os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit("the sound inputs could not be made")
    (folder / "whole").touch()


if __name__ == "__main__":
    sys.exit(main())
