"""Stop a run at a step of its way, let another with newer inputs overtake it, let the first go on: the newer stands.

``python -m tests.crash.fencing --rounds 200`` from the root of the checkout; a folder and a bucket of an S3 server on
loopback, each so many rounds. Exit code 1 when once the older result lies over the newer one, or a check finds a fault.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers")]
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # a fork inherits no thread
DAY = dt.date(2015, 4, 1)
LEASE = 1.5  # seconds; of operation 120
POINTS = {"folder": 62, "bucket": 28}  # a publication looks at its store, or changes it, about as often
_STORES = ("catalog/store/folder.py", "obstore/store.py")  # these functions there are a look at a store or a change
_STEPS = {"_claim", "_move", "_stage", "apply", "delete", "get", "head", "keys", "list", "lock", "put", "staging"}
_EARLY = 6  # the first steps, which are outside a folder's lock: where a run is overtaken there
_FRESH = 10  # rounds of one catalogue
_PATIENCE = 600.0  # seconds; of a machine that does much else
_LOOKS = 5
REFUSED, PUBLISHED = 7, 0


@dataclass
class Rounds:
    """What became of the rounds in one kind of store."""

    kind: str
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def line(self) -> str:
        """One line of the report."""
        told = ", ".join(f"{number} {what}" for what, number in sorted(self.outcomes.items()))
        return f"{self.kind}: {sum(self.outcomes.values())} rounds ({told}), {len(self.faults)} faults"


def run(kind: str, place: str, rounds: int, seed: int) -> Rounds:
    """So many rounds in catalogues below a place."""
    done, points = Rounds(kind), list(range(POINTS[kind]))
    points += list(range(_EARLY)) * (6 if kind == "folder" else 0)
    random.Random(f"{kind} {seed}").shuffle(points)
    for number in range(rounds):
        uri = f"{place}/{number // _FRESH}"
        before = len(done.faults)
        done.outcomes[one_round(uri, number, points[number % len(points)], done.faults)] += 1
        if number % _FRESH == _FRESH - 1 or number == rounds - 1:
            done.faults += [f"{uri}: {fault}" for fault in _in_child(checked, uri)]
        for fault in done.faults[before:]:
            print(f"  {fault}", flush=True)
        if number % 20 == 19:
            print(f"so far {done.line()}", flush=True)
    return done


def one_round(uri: str, number: int, point: int, faults: list[str]) -> str:
    """One run is stopped, another overtakes it, the first one goes on; what the first one came to.

    A run that was stopped while it held the folder's lock cannot be overtaken: it goes on when its claim is void and
    the second run waits.
    """
    older, newer = _digest(f"{number} older"), _digest(f"{number} newer")

    def fault(told: str) -> None:
        faults.append(f"{uri}, round {number}, point {point}: {told}")

    first = _fork(uri, older, point)
    _, status = os.waitpid(first, os.WUNTRACED)
    stopped = os.WIFSTOPPED(status)
    locked = stopped and _holds_the_lock(first, uri)
    second = _fork(uri, newer, None)
    if locked:
        time.sleep(LEASE + 0.2)
        os.kill(first, signal.SIGCONT)
    code = _end(second)
    if code != PUBLISHED:
        fault(f"the second run ended with {code}")
    (stands,) = _in_child(standing, uri)
    if stands != [newer]:
        fault(f"the older inputs stand, not yet continued: {stands}")
    if stopped:
        os.kill(first, signal.SIGCONT)
        status = _status(first)
    late = os.waitstatus_to_exitcode(status)
    if late not in (PUBLISHED, REFUSED):
        fault(f"the first run ended with {late}")
    (stands,) = _in_child(standing, uri)
    if stands != [newer]:
        fault("the older inputs stand" if stands == [older] else f"{stands} stands")
    if not stopped:
        return "not stopped"
    how = "stopped with the lock" if locked else "overtaken"
    return f"{how}, {'had published before' if late == PUBLISHED else 'refused'}"


def _holds_the_lock(process: int, uri: str) -> bool:
    """Whether a process holds the lock of a catalogue's folder, as the kernel tells."""
    try:
        inode = f":{Path(uri).stat().st_ino}"
    except OSError:
        return False
    lines = (line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines())
    return any("->" not in f and "FLOCK" in f and f[4] == str(process) and f[5].endswith(inode) for f in lines)


def _status(child: int) -> int:
    """The status of a child that comes to its end, or is ended when that takes too long."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)


def _end(child: int) -> int:
    return os.waitstatus_to_exitcode(_status(child))


def _in_child(look: Callable[[str], list[Any]], uri: str) -> list[Any]:
    """What a look at a catalogue finds, from a child: a store's threads must not be there when a run is forked.

    A look is taken again when the machine was too busy for the S3 server to answer it.
    """
    for _ in range(_LOOKS):
        if found := _look(look, uri):
            return list(json.loads(found))
    return ["the look at the catalogue failed"]


def _look(look: Callable[[str], list[Any]], uri: str) -> bytes:
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            os.write(into, json.dumps(look(uri)).encode())
        os._exit(0)
    os.close(into)
    with os.fdopen(out, "rb") as stream:
        content = stream.read()
    os.waitpid(child, 0)
    return content


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _fork(uri: str, granule: str, stop_before: int | None) -> int:
    """A run in a process of its own; one that stops itself before an object is renamed or put, of that number."""
    child = os.fork()
    if child:
        return child
    code = 9
    try:
        code = _publish(uri, granule, stop_before)
    except BaseException:  # noqa: BLE001
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def _import_all() -> None:
    """Import what the children need, and make what they keep; without a thread, which a fork would not inherit."""
    import tempfile

    import catalog.check.check
    import catalog.check.repair  # noqa: F401
    from catalog.items.assets import FileFacts
    from catalog.items.schema import validate_item  # noqa: F401
    from catalog.rasters.cog import build_rasters, file_tags
    from catalog.rasters.thumbnail import draw
    from downscaler import product
    from tests.catalog.conftest import run_record, whole_tiles

    domain = product.LITTLE_WASHITA
    tags, variables = file_tags(DAY, simulated=True, caveats=()), product.variables_of(domain.name)
    with tempfile.TemporaryDirectory() as folder:
        rasters = build_rasters(Path(folder), domain, whole_tiles(domain), tags, variables=variables)
        draw(rasters[variables[0].name].path, domain, run_record(domain, DAY))
        FileFacts.of(rasters[variables[0].name].path)
    assert len(list(Path("/proc/self/task").iterdir())) == 1


def _publish(uri: str, granule: str, stop_before: int | None) -> int:
    from catalog import publish
    from catalog.publish.claims import claimed
    from downscaler import product
    from downscaler.errors import CatalogError, ClaimedError
    from tests.catalog.conftest import run_record, whole_tiles

    domain = product.LITTLE_WASHITA
    seed = int(granule[:6], 16)
    with claimed(uri, domain, DAY, lease=LEASE, patience=_PATIENCE) as claim:
        if stop_before is not None:
            _stop_before(stop_before)
        try:
            publish(uri, run_record(domain, DAY, granule=granule), domain, whole_tiles(domain, seed=seed), claim=claim)
        except ClaimedError:
            return REFUSED
        except CatalogError as error:
            return REFUSED if "faster" in str(error) else 8
    return PUBLISHED


def _stop_before(number: int) -> None:
    """Stop this process before its look at the store, or change of it, of a number; number 0 is at once."""
    seen = 0

    def look(frame: Any, event: str, _: Any) -> None:
        nonlocal seen
        code = frame.f_code
        if event == "call" and code.co_name in _STEPS and code.co_filename.endswith(_STORES):
            if seen == number:
                sys.setprofile(None)
                os.kill(os.getpid(), signal.SIGSTOP)
            seen += 1

    sys.setprofile(look)


def standing(uri: str) -> list[list[str]]:
    """SHA-256 of the granules that the standing item was made from, as one finding."""
    from catalog.reading.days import find_item
    from downscaler import product

    item = find_item(uri, product.LITTLE_WASHITA, DAY)
    inputs = item["properties"]["vadose:inputs"] if item else []
    return [[str(record["sha256"]) for record in inputs if record["kind"] == "granule"]]


def checked(uri: str) -> list[str]:
    """What the catalogue's own check finds wrong, after its repair has swept what the refused runs left."""
    from catalog.check.check import check
    from catalog.check.repair import repair

    faults = [f"{finding.kind} {finding.key}" for finding in check(uri).findings if finding.fault]
    _, after = repair(uri, min_age=dt.timedelta(0))
    return faults + [f"after repair: {finding.kind} {finding.key}" for finding in after.findings if finding.fault]


@contextlib.contextmanager
def s3_server() -> Iterator[str]:
    """A bucket of an S3 server on loopback, in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    line = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": address,
        "AWS_ALLOW_HTTP": "true",
    }
    try:
        _until_open(port)
        import boto3

        client = boto3.client("s3", endpoint_url=address, region_name="us-east-1")
        client.create_bucket(Bucket="fencing")
        client.close()
        yield "s3://fencing"
    finally:
        server.terminate()
        server.wait(timeout=30)


def _until_open(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if time.monotonic() > deadline:
            raise TimeoutError("the S3 server does not start")
        time.sleep(0.1)


def main() -> int:
    """Run the rounds that the arguments ask for."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.fencing", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="in each kind of store")
    parser.add_argument("--stores", nargs="+", choices=("folder", "bucket"), default=("folder", "bucket"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("build/fencing"))
    asked = parser.parse_args()
    _import_all()
    done = []
    if "folder" in asked.stores:
        shutil.rmtree(asked.work, ignore_errors=True)
        asked.work.mkdir(parents=True)
        done.append(run("folder", str(asked.work.resolve()), asked.rounds, asked.seed))
        print(done[-1].line(), flush=True)
    if "bucket" in asked.stores:
        with s3_server() as place:
            done.append(run("bucket", place, asked.rounds, asked.seed))
        print(done[-1].line(), flush=True)
    for fault in (fault for one in done for fault in one.faults):
        print(f"  {fault}")
    return 1 if any(one.faults for one in done) else 0


if __name__ == "__main__":
    sys.exit(main())
