"""Long runs: many days with faults among them, and the service under many clients; nothing may grow.

``python -m tests.soak --days 1000 --minutes 10 --clients 50`` from the root of the checkout. Memory, descriptors and
threads are looked at as they go; exit code 1 when the last quarter has more than the second, beyond noise.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import os
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.soak.attacks import published, service

_GROWTH = {"megabytes": (1.10, 20.0), "descriptors": (1.0, 6.0), "threads": (1.0, 4.0)}  # factor and more that may be
_POOLS = 64  # threads of the service's pools together: 40 that answer, 8 that read, those of searches; they come and go
ASKED = (
    "/healthz",
    "/stac/search?limit=10",
    "/stac/search?filter=gsd%20%3E%201&filter-lang=cql2-text",
    "/timeseries?lon=-98.1&lat=34.85",
    "/timeseries?lon=-98.1&lat=34.85&f=csv",
    "/tiles/vadose-sm-1km_little-washita/vadose-sm-1km_little-washita_20150401/soil_moisture/9/{x}/204.png",
    "/tiles/vadose-sm-1km_little-washita/vadose-sm-1km_little-washita_20150401/difference/9/{x}/204.png",
    "/catalog/catalog.json",
    "/catalog/none",
    "/stac/search?filter=((",
)


@dataclass
class Watch:
    """What a process has, sample by sample."""

    process: int
    samples: list[dict[str, float]] = field(default_factory=list)

    def look(self) -> None:
        """Take a sample."""
        own = Path(f"/proc/{self.process}")
        status = dict(line.split(":", 1) for line in (own / "status").read_text().splitlines() if ":" in line)
        megabytes = int(status["VmRSS"].split()[0]) / 1024
        descriptors = len(list((own / "fd").iterdir()))
        self.samples.append({"megabytes": megabytes, "descriptors": descriptors, "threads": float(status["Threads"])})

    def verdict(self, what: str) -> list[str]:
        """One line for each quantity that grew; prints all."""
        quarter = max(len(self.samples) // 4, 1)
        early, late = self.samples[quarter : 2 * quarter] or self.samples, self.samples[-quarter:]
        grown = []
        for name, (factor, more) in _GROWTH.items():
            before, after = (statistics.median(one[name] for one in part) for part in (early, late))
            print(f"{what}: {name} {before:.0f} in the second quarter, {after:.0f} in the last", flush=True)
            pooled = name == "threads" and max(one[name] for one in self.samples) <= _POOLS
            if after > before * factor + more and not pooled:
                grown.append(f"{what}: {name} grew from {before:.0f} to {after:.0f}")
        return grown


def days(number: int, folder: Path) -> list[str]:
    """Publish so many days in one process; every tenth comes with a fault: a killed run, a broken day, a withdrawal."""
    from catalog import publish
    from catalog.check.check import check
    from catalog.check.repair import repair
    from catalog.publish.claims import claimed
    from catalog.publish.withdraw import withdraw
    from downscaler import product
    from downscaler.errors import VadoseError
    from tests.catalog.conftest import run_record, whole_tiles

    domain, watch, told = product.LITTLE_WASHITA, Watch(os.getpid()), Counter[str]()
    for at in range(number):
        date = dt.date(2016, 1, 1) + dt.timedelta(days=at)
        if at % 10 == 3:
            told["killed"] += _killed(folder, date)
        if at % 10 == 6:
            with contextlib.suppress(VadoseError):
                publish(folder, run_record(domain, date), domain, iter(()))
            told["broken"] += 1
        with claimed(folder, domain, date) as claim:
            publish(folder, run_record(domain, date), domain, whole_tiles(domain, seed=at), claim=claim)
        if at % 10 == 9:
            withdraw(folder, domain, date, "soak")
            told["withdrawn"] += 1
        if at % max(number // 60, 1) == 0:
            watch.look()
    repair(folder, min_age=dt.timedelta(0))
    faults = [f"days: {finding.kind} {finding.key}" for finding in check(folder).findings if finding.fault]
    print(f"days: {number} published, {dict(told)}, {len(faults)} faults in the catalogue", flush=True)
    return faults + watch.verdict("days")


def _killed(folder: Path, date: dt.date) -> int:
    """A run of a day that dies at work."""
    from catalog import publish
    from downscaler import product
    from tests.catalog.conftest import run_record, whole_tiles

    domain = product.LITTLE_WASHITA
    child = os.fork()
    if child == 0:
        threading.Timer(random.Random(str(date)).uniform(0.0, 0.3), os.kill, (os.getpid(), signal.SIGKILL)).start()
        publish(folder, run_record(domain, date), domain, whole_tiles(domain, seed=1))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return int(os.WIFSIGNALED(status))


def clients(number: int, seconds: float, folder: Path) -> list[str]:
    """The service under so many clients for so long."""
    log, told, over = folder / "serve.log", Counter[str](), threading.Event()

    def ask(port: int, seed: int) -> None:
        chance = random.Random(seed)
        while not over.is_set():
            path = chance.choice(ASKED).format(x=chance.randrange(110, 120))
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
                    answer.read()
                    told[str(answer.status)] += 1
            except urllib.error.HTTPError as error:
                told[str(error.code)] += 1
            except OSError as error:
                told[type(error).__name__] += 1

    with service(published(folder / "served"), log) as (port, server):
        watch = Watch(server.pid)
        asking = [threading.Thread(target=ask, args=(port, seed), daemon=True) for seed in range(number)]
        for one in asking:
            one.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(max(seconds / 60, 0.5))
            watch.look()
        over.set()
        for one in asking:
            one.join(timeout=90)
    size = log.stat().st_size
    answers = f"{sum(told.values())} answers to {number} clients in {seconds:.0f} s: {dict(told)}"
    print(f"service: {answers}; log {size:,} bytes", flush=True)
    wrong = [f"service: {kind}" for kind in told if kind not in ("200", "304", "400", "404", "503")]
    long = [f"service: a log of {size:,} bytes"] if size > 1_000_000 else []
    return [*wrong, *long, *watch.verdict("service")]


def main() -> int:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--days", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=10.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vadose-soak-") as folder:
        found = days(asked.days, Path(folder) / "days") if asked.days else []
        found += clients(asked.clients, 60.0 * asked.minutes, Path(folder)) if asked.clients else []
    for line in found:
        print(f"  {line}")
    print("nothing grew" if not found else f"{len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
