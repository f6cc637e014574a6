"""The service side by side with titiler and stac-fastapi-pgstac: one run, one catalogue, request by request in turn.

``python -m tests.benchmarks.beside CATALOG --others VENV`` with an environment that holds titiler.application,
stac-fastapi.pgstac and uvicorn. Each service is one process; milliseconds on the clock (median, p99) and of the
servers' computing. A catalogue with a cube. Its items are brought into a PostgreSQL of its own for the search.
"""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
import json
import math
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import requests

from tests.soak.attacks import service

TICK = os.sysconf("SC_CLK_TCK")
Ask = Callable[[requests.Session, int], None]


def computed(process: int) -> float:
    """Seconds of computing that a process and its children have had."""
    total = 0.0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            if int(entry.name) == process or int(fields[1]) == process:
                total += (int(fields[11]) + int(fields[12])) / TICK
    return total


@contextmanager
def uvicorn(venv: Path, app: str, **settings: str) -> Iterator[tuple[str, int]]:
    """Address and process of an application of another environment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    line = [str(venv / "bin" / "uvicorn"), app, "--host", "127.0.0.1", "--port", str(port), "--log-level", "error"]
    line += ["--factory"] if app.endswith("create_app") else []
    server = subprocess.Popen(line, env={**os.environ, **settings})
    try:
        deadline = time.monotonic() + 600
        while True:
            try:
                requests.get(f"http://127.0.0.1:{port}/", timeout=60)
                break
            except requests.RequestException:
                assert server.poll() is None, f"{app} does not start"
                assert time.monotonic() < deadline
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}", server.pid
    finally:
        server.terminate()
        server.wait(timeout=60)


def good(session: requests.Session, address: str, **options: object) -> requests.Response:
    """A request that has to be answered well."""
    answer = session.get(address, timeout=120, **options)  # type: ignore[arg-type]
    answer.raise_for_status()
    return answer


def beside(asked: dict[str, tuple[Ask, int]], number: int, uncounted: int = 8) -> dict[str, dict[str, float]]:
    """Ask each in turn, so many times; ``asked`` has what is asked and the server's process by name."""
    seconds: dict[str, list[float]] = {name: [] for name in asked}
    before: dict[str, float] = {}
    session = requests.Session()
    for at in range(uncounted + number):
        if at == uncounted:
            before = {name: computed(process) for name, (_, process) in asked.items()}
        for name, (ask, _) in asked.items():
            started = time.perf_counter()
            ask(session, at)
            seconds[name].append(time.perf_counter() - started)
    found = {}
    for name, (_, process) in asked.items():
        counted = sorted(seconds[name][uncounted:])
        shared = sum(other == process for _, other in asked.values())  # the mean of all that one process was asked
        found[name] = {
            "median_ms": round(1e3 * statistics.median(counted), 1),
            "p99_ms": round(1e3 * counted[min(int(0.99 * number), number - 1)], 1),
            "cpu_ms": round(1e3 * (computed(process) - before[name]) / number / shared, 2),
        }
        print(f"{name}: {found[name]}", flush=True)
    return found


def main() -> int:
    """Start all services, ask, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.beside", description=__doc__)
    parser.add_argument("catalog", type=Path)
    parser.add_argument("--others", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=200)
    asked = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))
    from postgres import running_postgres

    from catalog.api.stac.pgsync import sync
    from catalog.reading.days import items

    days = [item for item in items(asked.catalog) if not item["properties"].get("deprecated")]
    files = [asked.catalog / _folder(item) / item["assets"]["soil_moisture"]["href"] for item in days]
    west, south, east, north = days[0]["bbox"]
    lon, lat = (west + east) / 2, (south + north) / 2
    places = [(z, x, y) for z in (9, 10) for x, y in itertools.product(_columns(z, lon), _rows(z, lat))]
    collection, first = days[0]["collection"], dt.date.fromisoformat(days[0]["properties"]["start_datetime"][:10])
    told: dict[str, object] = {"requests": asked.requests, "days": len(days)}
    with ExitStack() as stack:
        port, ours = stack.enter_context(service(asked.catalog.resolve(), Path(f"/tmp/beside-{os.getpid()}.log")))
        own, process = f"http://127.0.0.1:{port}", ours.pid
        tiler, tiling = stack.enter_context(uvicorn(asked.others, "titiler.application.main:app"))
        dsn = stack.enter_context(running_postgres())
        sync(asked.catalog, dsn)
        parts = urlsplit(dsn)
        database = {"PGHOST": "127.0.0.1", "PGPORT": str(parts.port), "PGUSER": "vadose", "PGDATABASE": "postgres"}
        searcher, searching = stack.enter_context(
            uvicorn(asked.others, "stac_fastapi.pgstac.app:create_app", PGPASSWORD="none", **database)
        )
        of = [quote(str(file.resolve())) for file in files]
        look = "rescale=0,0.5&colormap_name=viridis"

        def tile(session: requests.Session, at: int, name: str = "soil_moisture") -> None:
            z, x, y = places[at % len(places)]
            good(session, f"{own}/tiles/{collection}/{days[at % len(days)]['id']}/{name}/{z}/{x}/{y}.png")

        def their_tile(session: requests.Session, at: int) -> None:
            z, x, y = places[at % len(places)]
            good(session, f"{tiler}/cog/tiles/WebMercatorQuad/{z}/{x}/{y}.png?url={of[at % len(of)]}&{look}")

        def series(session: requests.Session, at: int) -> None:
            found = good(session, f"{own}/timeseries?lon={lon + at % 9 * 0.01}&lat={lat}&collection={collection}")
            assert len(found.json()["series"]) == len(days)

        def their_series(session: requests.Session, at: int) -> None:
            for file in of:
                good(session, f"{tiler}/cog/point/{lon + at % 9 * 0.01},{lat}?url={file}")

        def search(address: str) -> Ask:
            def ask(session: requests.Session, at: int) -> None:
                day = first + dt.timedelta(days=at % 5)
                found = good(session, f"{address}/search?limit=10&datetime={day}T00:00:00Z/..&collections={collection}")
                assert found.json()["features"]

            return ask

        tiles: dict[str, tuple[Ask, int]] = {"vadose": (tile, process), "titiler": (their_tile, tiling)}
        z, x, y = places[0]
        difference = f"{own}/tiles/{collection}/{days[0]['id']}/difference/{z}/{x}/{y}.png"
        if requests.get(difference, timeout=120).ok:  # not of days that do not tell SMAP's grid
            tiles["vadose, difference"] = (lambda s, at: tile(s, at, "difference"), process)
        told["tile"] = beside(tiles, asked.requests)
        told["series of all days"] = beside(
            {"vadose": (series, process), "titiler, a point of each day": (their_series, tiling)}, asked.requests // 4
        )
        told["search of ten"] = beside(
            {"vadose": (search(f"{own}/stac"), process), "stac-fastapi-pgstac": (search(searcher), searching)},
            asked.requests,
        )
    print(json.dumps(told, indent=1), flush=True)
    return 0


def _folder(item: dict[str, object]) -> str:
    from catalog.naming import DayName

    return DayName.of_item(item).folder


def _columns(zoom: int, lon: float) -> range:
    return range(int((lon - 0.2 + 180) / 360 * 2**zoom), int((lon + 0.2 + 180) / 360 * 2**zoom) + 1)


def _rows(zoom: int, lat: float) -> range:
    def row(at: float) -> int:
        return int((1 - math.asinh(math.tan(math.radians(at))) / math.pi) / 2 * 2**zoom)

    return range(row(lat + 0.15), row(lat - 0.15) + 1)


if __name__ == "__main__":
    sys.exit(main())
