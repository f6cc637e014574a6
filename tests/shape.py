"""The shape of the code: ``python -m tests.shape [ROOT] [--demo DIR]``.

Modules by folder, their median and largest size, lines of tests to lines of code; with the folder of a demo
(``vadose demo --out DIR``) also the way of one ``vadose run`` from the command line to the item, by tracing it. A
``stop`` is a function that is entered, a ``climb`` a call into a file that is built on the caller's: one that imports
it, or stands as high in the order of imports (a callback, a generator that goes on, an object handed down).
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

PACKAGES = ("downscaler", "catalog", "flows")


def lines_of(path: Path) -> int:
    """Lines of a file."""
    return len(path.read_text(encoding="utf-8").splitlines())


def modules(root: Path) -> dict[str, int]:
    """Lines of every module by its path, without the ``__init__`` of folders."""
    found = (path for package in PACKAGES for path in sorted((root / package).rglob("*.py")))
    return {path.relative_to(root).as_posix(): lines_of(path) for path in found if path.name != "__init__.py"}


def imports_of(path: Path, known: dict[str, str]) -> set[str]:
    """Files of ours that a file imports, also inside functions; ``known`` are our files by dotted name."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module or ""}
    return {known[name] for name in names if name in known}


def heights(root: Path) -> dict[str, int]:
    """How many floors of imports each file stands on; files of a circle stand alike."""
    files = {f for package in PACKAGES for f in (root / package).rglob("*.py")}
    known = {".".join(f.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): str(f) for f in files}
    below = {str(f): imports_of(f, known) - {str(f)} for f in files if f.name != "__init__.py"}
    height = dict.fromkeys(below, 0)
    for _ in range(len(below)):  # a circle would rise for ever: it stops at the number of files
        risen = {f: max((height.get(b, -1) + 1 for b in lower), default=0) for f, lower in below.items()}
        if risen == height:
            break
        height = {f: min(h, len(below)) for f, h in risen.items()}
    return height


class Tracer:
    """Hears every call and keeps which of our files and functions are entered, and the calls between files."""

    def __init__(self, root: Path) -> None:
        self.homes = tuple(f"{root}{os.sep}{package}{os.sep}" for package in PACKAGES)
        self.files: set[str] = set()
        self.stops: set[tuple[str, str]] = set()
        self.calls: set[tuple[str, str]] = set()

    def hear(self, frame: FrameType, event: str, _argument: object) -> None:
        """The profile function of ``sys.setprofile``; what runs while a module is imported does not count."""
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(self.homes) or code.co_name == "<module>":
            return
        caller = self.caller_of(frame)
        if caller is None:
            return
        self.files.add(code.co_filename)
        self.stops.add((code.co_filename, code.co_qualname))
        if caller and caller != code.co_filename:
            self.calls.add((caller, code.co_filename))

    def caller_of(self, frame: FrameType) -> str | None:
        """The nearest of our files that a call comes from, empty without one; None while one is imported."""
        nearest, above = "", frame.f_back
        while above is not None:
            if above.f_code.co_filename.startswith(self.homes):
                if above.f_code.co_name == "<module>":
                    return None
                nearest = nearest or above.f_code.co_filename
            above = above.f_back
        return nearest


def trace(root: Path, arguments: list[str]) -> dict[str, Any]:
    """Files and functions that a command enters, and its calls between files."""
    from flows.cli import main  # of the root, which is first on the path

    tracer = Tracer(root)
    sys.argv = ["vadose", *arguments]
    threading.setprofile(tracer.hear)
    sys.setprofile(tracer.hear)
    try:
        main()
    except SystemExit as done:
        if done.code:
            raise
    finally:
        sys.setprofile(None)
    floor = heights(root)
    climbs = sorted((a, b) for a, b in tracer.calls if floor.get(b, 0) >= floor.get(a, 0))
    entered = sorted(Path(path).relative_to(root) for path in tracer.files)
    return {
        "files": len(entered),
        "files by folder": dict(sorted(Counter(path.parent.as_posix() for path in entered).items())),
        "stops": len(tracer.stops),
        "calls between files": len(tracer.calls),
        "climbs": len(climbs),
        "climbing": [[Path(path).relative_to(root).as_posix() for path in pair] for pair in climbs],
        "entered": [path.as_posix() for path in entered],
    }


def way_of_run(root: Path, demo: Path) -> dict[str, Any]:
    """``trace`` of a run of the demo's first day into an empty catalogue, in a process with the root's code."""
    granule = sorted((demo / "sample" / "granules").rglob("*.h5"))[0]
    text = granule.name.split("_")[5]
    date = f"{text[:4]}-{text[4:6]}-{text[6:]}"
    with tempfile.TemporaryDirectory() as out:
        options = {"prior": demo / "prior", "model": demo / "model", "granules": granule.parent, "out": f"{out}/c"}
        given = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        command = [sys.executable, str(Path(__file__).resolve()), str(root), "--trace", "run", date, *given]
        command += ["--domain", "demo"]
        environment = os.environ | {"PYTHONPATH": str(root)}
        done = subprocess.run(command, cwd=out, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def shape(root: Path, demo: Path | None = None) -> dict[str, Any]:
    """All figures of a checkout."""
    sizes = modules(root)
    folders = Counter(Path(path).parent.as_posix() for path in sizes)
    largest = max(sizes, key=lambda path: sizes[path])
    tests = sum(lines_of(path) for path in (root / "tests").rglob("*.py"))
    code = sum(lines_of(path) for package in PACKAGES for path in (root / package).rglob("*.py"))
    found: dict[str, Any] = {
        "modules by folder": dict(sorted(folders.items())),
        "modules": len(sizes),
        "most modules in a folder": max(folders.items(), key=lambda item: item[1]),
        "median module, lines": statistics.median(sizes.values()),
        "largest module, lines": (largest, sizes[largest]),
        "lines of code": code,
        "lines of tests": tests,
        "tests to code": round(tests / code, 2),
    }
    return found if demo is None else found | {"the way of a run": way_of_run(root, demo)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The shape of the code.")
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--demo", type=Path, help="folder of a demo, to trace a run of its first day")
    parser.add_argument("--trace", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    where = chosen.root.resolve()
    if chosen.trace:
        sys.path.insert(0, str(where))
        print(json.dumps(trace(where, chosen.trace)))
    else:
        print(json.dumps(shape(where, chosen.demo and chosen.demo.resolve()), indent=1))
