"""The guarded child: a fork of it looks at each file within limits of memory and time.

``python -m downscaler.sources.hdf5.guarded``; a line of JSON in for each file, a line out. It ends with its input.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from downscaler.sources.hdf5.contents import look, look_at_classic
from downscaler.sources.refused import RefusedFileError

_WAITING = 600  # seconds by the clock; a file on a network's disk may be slow
_LONGEST = 2_000  # characters of a text that is told
_REMEDY = "Delete the file and download it again."


def main() -> int:
    """Answer until nobody asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in sys.stdin:
        asked = json.loads(line)
        if "classic" in asked:
            import scipy.io  # noqa: F401 - once, and not in each fork
        child = os.fork()
        if child == 0:
            _answer(asked)
        _, status = os.waitpid(child, 0)
        if (code := os.waitstatus_to_exitcode(status)) != 0:
            _tell({"ended": _how(code)})
    return 0


def _how(code: int) -> str:
    if code in (-signal.SIGXCPU, -signal.SIGALRM):
        return "it took too long"
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _answer(asked: dict[str, Any]) -> None:
    """Look at a file, tell of it, and never return."""
    code = 1
    try:
        path = Path(asked["path"])
        classic = "classic" in asked  # it is mapped, which counts as memory
        _limit(asked["seconds"], asked["memory"] + (path.stat().st_size if classic else 0))
        try:
            if classic:
                look_at_classic(path)
            else:
                look(path, hollow=asked["hollow"], netcdf=asked["netcdf"])
            told = {}
        except RefusedFileError as error:
            told = {"what": error.what[:_LONGEST], "remedy": error.remedy}
        except MemoryError:
            told = {"ended": "it took too much memory"}
        except Exception as error:  # noqa: BLE001 - whatever h5py raises of a file
            told = {"what": f"it is damaged ({type(error).__name__}: {error})"[:_LONGEST], "remedy": _REMEDY}
        _tell(told)
        code = 0
    finally:
        os._exit(code)


def _limit(seconds: float, memory: int) -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(_WAITING)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    size = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    for kind, most in ((resource.RLIMIT_CPU, max(round(seconds), 1)), (resource.RLIMIT_AS, size + memory)):
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _tell(told: dict[str, Any]) -> None:
    os.write(1, json.dumps(told).encode("utf-8", "replace") + b"\n")


if __name__ == "__main__":
    sys.exit(main())
