"""Backfills that are killed with SIGKILL at random moments and run again until they come to their end."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.wholeness import Watch, differences, item_files

MODES = ("process", "worker", "group")
_STARTING = 0.15  # share of kills that come before the first day is begun
_PATIENCE = 300.0  # seconds that anything may take on a slow machine


@dataclass(frozen=True)
class Setting:
    """What is backfilled, with how many workers, and for how many seconds of work a run lives at most."""

    sample: Path
    domain: str
    days: tuple[str, str]
    workers: int = 2
    span: float = 3.0

    def start(self, catalog: Path) -> subprocess.Popen[bytes]:
        """``vadose backfill`` in a process group of its own, its words in a file beside the catalogue."""
        settings = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(catalog.parent),
            "OMP_NUM_THREADS": "1",
            "VADOSE_DOMAIN": self.domain,
            "VADOSE_PRIOR": str(self.sample / "prior"),
            "VADOSE_MODEL": str(self.sample / "model"),
            "VADOSE_GRANULES": str(self.sample / "sample" / "granules"),
            "VADOSE_CATALOG": str(catalog),
        }
        line = [sys.executable, "-m", "flows.cli", "backfill", *self.days, "--workers", str(self.workers)]
        with catalog.with_suffix(".log").open("ab") as log:
            return subprocess.Popen(
                line, env=settings, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def finish(self, catalog: Path) -> str | None:
        """Backfill undisturbed; what was wrong, None when it ended well."""
        code = self.start(catalog).wait(timeout=_PATIENCE)
        return None if code == 0 else f"exit code {code}, see {catalog.with_suffix('.log')}"


@dataclass
class Kill:
    """One kill and what it did."""

    mode: str
    moment: float
    faults: list[str] = field(default_factory=list)


@dataclass
class Life:
    """A catalogue whose backfill is killed again and again, watched all the while."""

    setting: Setting
    catalog: Path
    chance: random.Random
    modes: tuple[str, ...] = MODES
    before: int = 0  # kills of earlier lives, so that modes take their turns over all of them
    kills: list[Kill] = field(default_factory=list)

    def live(self, most: int, reference: Path, tell: Callable[[Kill, int], None]) -> None:
        """Be killed at most so many times, then come to the end; every kill bears the faults that followed it."""
        shutil.rmtree(self.catalog, ignore_errors=True)
        watch, over = Watch(self.catalog), threading.Event()
        watcher = threading.Thread(target=watch.run, args=(over,))
        watcher.start()
        try:
            self._suffer(most, watch, tell)
            wrong = self.setting.finish(self.catalog)
        finally:
            over.set()
            watcher.join()
        last = [*([wrong] if wrong else []), *watch.faults, *differences(self.catalog, reference)]
        for kill in self.kills:
            kill.faults += last

    def _suffer(self, most: int, watch: Watch, tell: Callable[[Kill, int], None]) -> None:
        run: subprocess.Popen[bytes] | None = None
        while len(self.kills) < most:
            run = run or self.setting.start(self.catalog)
            mode = self.modes[(self.before + len(self.kills)) % len(self.modes)]
            kill = self._strike(run, mode)
            if kill is None:  # it was done before
                break
            if mode != "worker":
                run.wait()
                run = None
            kill.faults += watch.look()
            self.kills.append(kill)
            tell(kill, len(item_files(self.catalog)))
        if run is not None:
            run.wait(timeout=_PATIENCE)

    def _strike(self, run: subprocess.Popen[bytes], mode: str) -> Kill | None:
        """Kill at a random moment: mostly at work, sometimes while it starts; None when the run ended first."""
        started = time.monotonic()
        if mode == "worker" or self.chance.random() > _STARTING:
            if not _until(lambda: run.poll() is not None or _at_work(run.pid, self.catalog)):
                raise TimeoutError("the backfill begins no day")
            time.sleep(self.chance.uniform(0, self.setting.span))
        else:
            time.sleep(self.chance.uniform(0, 3.0))
        if run.poll() is not None:
            return None
        if mode == "worker":
            victims = workers_of(run.pid)
            if not victims:
                return None
            os.kill(self.chance.choice(victims), signal.SIGKILL)
        elif mode == "group":
            os.killpg(run.pid, signal.SIGKILL)
        else:
            run.kill()
        return Kill(mode, time.monotonic() - started)


def _at_work(run: int, catalog: Path) -> bool:
    """Whether a backfill has begun a day: a claim bears the number of one of its processes."""
    own = {run, *workers_of(run)}
    for file in catalog.glob("claims/*/*.json"):
        try:
            if json.loads(file.read_bytes())["process"] in own:
                return True
        except FileNotFoundError:
            continue
    return False


def _until(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def workers_of(parent: int) -> list[int]:
    """The living worker processes of a backfill; Python's own resource tracker is none."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            status = (entry / "stat").read_text().rpartition(")")[2].split()
            line = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if int(status[1]) == parent and status[0] != "Z" and b"spawn_main" in line:
            found.append(int(entry.name))
    return found
