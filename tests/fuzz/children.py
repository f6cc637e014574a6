"""Inputs tried in forked children with limits of memory and time; what a child does to itself stays its own."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import random
import resource
import select
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MEMORY = 1 << 30  # bytes that one input may make a process ask for
SECONDS = 10.0  # of computing on one input
_WAITING, _SETUP = 120.0, 900.0  # seconds without computing: it waits for what never comes, or was not set up
_KEPT = 40  # faulty inputs that are kept of a reader


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A reader: how an input is made in a folder (its path is returned) and how it is read.

    ``read`` raises a VadoseError for what it refuses, ``Untyped`` for an answer that is none. ``setup`` is called in
    each child before its first input; what it returns is given to ``read``. ``sound`` is an input that has to be read:
    each child reads it first, so that what is imported then counts for no input. ``opens`` tells whether an input
    comes past its header: what the format's own reader makes of its outermost form.
    """

    name: str
    make: Callable[[Path, random.Random], Path]
    read: Callable[[Path, Any], None]
    setup: Callable[[], Any] = lambda: None
    sound: Path | None = None
    opens: Callable[[Path], object] = lambda _path: None
    cost: float = 1.0  # of how many usual inputs one of these is the price


@dataclass
class Found:
    """What became of a reader's inputs; ``faults`` are by kind and cause."""

    name: str
    tried: int = 0
    opened: int = 0
    read: int = 0
    refused: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def count(self, kind: str) -> int:
        """Faults of a kind."""
        return sum(number for told, number in self.faults.items() if told.startswith(f"{kind}: "))

    def line(self) -> str:
        """One line of the report."""
        kinds = ", ".join(f"{self.count(kind)} {kind}" for kind in ("untyped", "signal", "hang", "memory"))
        return (
            f"{self.name:<12} {self.tried:>6} inputs, {self.opened} past the header: {self.read} read, "
            f"{self.refused} refused; {kinds}; "
            f"{self.seconds:.0f} s of computing"
        )


class Untyped(Exception):
    """An answer that the subject must not give."""


def fuzz(subject: Subject, number: int, seed: int, keep: Path) -> Found:
    """Try so many inputs of a subject; those that it fails on are kept below ``keep``."""
    found, start = Found(name=subject.name), 0
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    while start < number:
        start = _batch(subject, start, number, seed, keep / subject.name, found)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found.seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return found


def _batch(subject: Subject, start: int, stop: int, seed: int, keep: Path, found: Found) -> int:
    """A child's inputs up to the one that ended it; the number of the next."""
    out, into = os.pipe()
    work = keep / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    child = os.fork()
    if child == 0:
        os.close(out)
        _child(subject, range(start, stop), seed, work, into)
    os.close(into)
    at, buffer, ended, patience = start, b"", False, _SETUP
    while not ended:
        if not _ready(out, child, patience):
            os.kill(child, signal.SIGKILL)
            _note(found, f"hang: no end after {_WAITING:g} s", work, keep, at)
            at += 1
            break
        part = os.read(out, 1 << 16)
        ended = not part
        buffer += part
        *lines, buffer = buffer.split(b"\n")
        for line in lines:
            told, patience = json.loads(line), _WAITING
            if told["is"] == "started":
                continue
            at = told["at"] + 1
            found.tried += 1
            found.opened += told["opened"]
            if told["is"] in ("read", "refused"):
                setattr(found, told["is"], getattr(found, told["is"]) + 1)
            else:
                _note(found, told["is"], work, keep, told["at"])
    os.close(out)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and ended:
        ended_by = signal.Signals(os.WTERMSIG(status))
        over = ended_by == signal.SIGXCPU
        _note(found, f"hang: more than {SECONDS:g} s" if over else f"signal: {ended_by.name}", work, keep, at)
        at += 1
        found.tried += 1
    elif not ended:
        found.tried += 1
    elif os.waitstatus_to_exitcode(status) != 0 and at < stop:
        _note(found, f"untyped: the process ended with {os.waitstatus_to_exitcode(status)}", work, keep, at)
        at += 1
        found.tried += 1
    return at


def _ready(out: int, child: int, patience: float) -> bool:
    """Whether a child has something to tell; it is waited for while it computes, which its own limit ends."""
    before = -1
    while not select.select([out], [], [], patience)[0]:
        if (now := _computed(child)) == before:
            return False
        before = now
    return True


def _computed(child: int) -> int:
    """Ticks of computing that a process has had."""
    fields = Path(f"/proc/{child}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _note(found: Found, fault: str, work: Path, keep: Path, at: int) -> None:
    found.faults[fault] += 1
    if sum(found.faults.values()) <= _KEPT and (work / str(at)).exists():
        shutil.rmtree(keep / str(at), ignore_errors=True)
        with contextlib.suppress(shutil.Error):  # of pipes, which are not copied
            shutil.copytree(work / str(at), keep / str(at), symlinks=True)
        where = work / "WHERE"
        told = where.read_text() if where.exists() and fault.startswith("hang") else ""
        (keep / str(at) / "FAULT").write_text(f"{fault}\n{told}")


def _child(subject: Subject, numbers: range, seed: int, work: Path, into: int) -> None:
    """Try inputs one after the other, tell of each, and never return."""
    code = 1
    try:
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), 1)
            if not os.environ.get("FUZZ_LOUD"):
                os.dup2(nowhere.fileno(), 2)
                faulthandler.disable()  # a child that is to die of a signal does so quietly
        faulthandler.register(signal.SIGXCPU, (work / "WHERE").open("w"), chain=True)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        made = subject.setup()
        _warm(subject, work, made)
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
        _tell(into, {"is": "started"})
        for number in numbers:
            folder = work / str(number)
            folder.mkdir()
            chance = random.Random(f"{subject.name} {seed} {number}")
            path = subject.make(folder, chance)
            opened = _opens(subject, path)
            _limit_computing(SECONDS)
            verdict = _try(subject, path, made)
            _tell(into, {"is": verdict, "at": number, "opened": opened})
            if verdict in ("read", "refused"):
                shutil.rmtree(folder, ignore_errors=True)
        code = 0
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _warm(subject: Subject, work: Path, made: Any) -> None:
    """Read the sound input; whatever it raises is the subject's own fault."""
    if subject.sound is None:
        return
    whole = work / "sound" / subject.sound.name
    whole.parent.mkdir()
    (shutil.copytree if subject.sound.is_dir() else shutil.copyfile)(subject.sound, whole)
    subject.read(whole, made)
    with contextlib.suppress(Exception):
        subject.opens(whole)


def _opens(subject: Subject, path: Path) -> bool:
    """Whether an input comes past its header."""
    try:
        subject.opens(path)
    except BaseException:  # noqa: BLE001 - libraries in Rust panic past Exception
        return False
    return True


def _limit_computing(seconds: float) -> None:
    """Let the kernel end this process after so many more seconds of computing.

    The kernel holds the limit against what it counted by ticks, which on a busy machine drifts from ``process_time`` by
    seconds in some minutes.
    """
    by_ticks = (~os.getpid()) << 3  # CPUCLOCK_PROF of this process
    until = int(time.clock_gettime(by_ticks) + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _try(subject: Subject, path: Path, made: Any) -> str:
    from downscaler.errors import VadoseError

    try:
        subject.read(path, made)
    except VadoseError as error:
        return _typed(error)
    except MemoryError as error:
        return f"memory: {_cause(error)}"
    except BaseException as error:  # noqa: BLE001
        return f"untyped: {_cause(error)}"
    return "read"


def _typed(error: BaseException) -> str:
    """A refusal is one unless what it stands for was a lack of memory."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError):
            return f"memory: {_cause(cause)}"
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return "refused"


def _cause(error: BaseException) -> str:
    """Kind, text and the last two places of our own code."""
    root = str(Path(__file__).resolve().parents[2])
    frames = [
        f
        for f in traceback.extract_tb(error.__traceback__)
        if f.filename.startswith(root) and ".venv" not in f.filename
    ]
    places = " < ".join(f"{Path(f.filename).relative_to(root)}:{f.lineno}" for f in frames[::-1][:2])
    return f"{type(error).__name__}: {str(error)[:120]} ({places})".replace("\n", " ")


def _tell(into: int, told: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(into, json.dumps(told).encode("utf-8", "replace") + b"\n")
