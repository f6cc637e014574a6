"""The service under each kind of attack: how long its health check and a good search take meanwhile, what answers tell.

``python -m tests.soak.attacks`` from the root of the checkout; the server is the one that ``vadose serve`` runs, in
a process of its own. Exit code 1 when /healthz takes a second, a search two, or an answer tells what it must not.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers")]
HEALTH, SEARCH = 1.0, 2.0  # seconds that may be
TELLING = re.compile(rb"Traceback|[Dd]uck[Dd][Bb]|rustac|/tmp/|/home/|/root/|site-packages|\.py\b|uvicorn|GDAL")
Attack = Callable[[int], bytes]


@dataclass
class Seen:
    """Latencies of good requests while an attack goes on, seconds; the attack's own answers that tell too much."""

    name: str
    health: list[float] = field(default_factory=list)
    search: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    telling: set[str] = field(default_factory=set)
    sent: int = 0

    @property
    def good(self) -> bool:
        """Whether nothing of it is beyond what may be."""
        slow = max(self.health, default=9) >= HEALTH or max(self.search, default=9) >= SEARCH
        return not (slow or self.failed or self.telling)

    def line(self) -> str:
        """One line of the report."""
        health, search = max(self.health, default=float("nan")), max(self.search, default=float("nan"))
        trouble = [*self.failed[:2], *sorted(self.telling)[:2]]
        told = f"{self.name:<26} {self.sent:>6} sent, healthz at most {health:.2f} s, search at most {search:.2f} s"
        return told + (f"; {'; '.join(trouble)}" if trouble else "")


def asked(port: int, content: bytes, wait: float = 3.0) -> bytes:
    """Send raw bytes and take what comes."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=wait) as connection:
        connection.sendall(content)
        return connection.recv(20_000)
    return b""


def _get(address: str, **headers: str) -> bytes:
    lines = [f"GET {address} HTTP/1.1", f"Host: {headers.pop('host', 'localhost')}", "Connection: close"]
    return ("\r\n".join([*lines, *(f"{k}: {v}" for k, v in headers.items())]) + "\r\n\r\n").encode()


def _post(body: bytes, *more: str) -> bytes:
    lines = [
        "POST /stac/search HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        "Connection: close",
        *more,
    ]
    lines += [] if any(line.startswith("Content-Length") for line in more) else [f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _filter(text: str) -> bytes:
    return _get("/stac/search?" + urlencode({"filter": text, "filter-lang": "cql2-text"}))


def attacks() -> dict[str, Attack]:
    """What is sent again and again, by name; a function of the port sends one and gives the answer."""
    filters = {
        "2,000 parentheses": "(" * 2000 + "id='x'" + ")" * 2000,
        "3,000 NOT": "NOT " * 3000 + "id='x'",
        "a list of 10^9": "id = list_sum(range(1000000000))",
        "a file of the machine": "id = read_text('/etc/passwd')",
        "a typing error": "id = 'x' AN id LIKE '%'",
        "500 conditions": " OR ".join(["id LIKE '%a%b%c%'"] * 500),
    }
    deep = b'{"filter":' + b'{"op":"not","args":[' * 200 + b"true" + b"]}" * 200 + b"}"
    made: dict[str, Attack] = {name: (lambda port, t=text: asked(port, _filter(t))) for name, text in filters.items()}
    made["CQL2-JSON 200 deep"] = lambda port: asked(port, _post(deep))
    made["JSON 20,000 deep"] = lambda port: asked(port, _post(b"[" * 20_000))
    made["a body that never comes"] = lambda port: asked(port, _post(b"{", "Content-Length: 900000"), wait=2.0)
    made["a body of 10 MB"] = lambda port: asked(port, _post(b"x" * 10_000_000))
    made["two lengths"] = lambda port: asked(port, _post(b"2\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: chunked"))
    made["a false host"] = lambda port: asked(port, _get("/stac/", host="evil.example"))
    made["names of 300 bytes"] = lambda port: asked(port, _get("/catalog/" + "a" * 300))
    made["an odd range"] = lambda port: asked(port, _get("/catalog/catalog.json", Range="bytes=" + "9" * 400 + "-"))
    return made


def half_sent(port: int, connections: int, over: threading.Event) -> None:
    """Hold many connections with half a request each, opened anew as the server ends them."""
    held: list[socket.socket] = []
    while not over.is_set():
        with contextlib.suppress(OSError):
            one = socket.create_connection(("127.0.0.1", port), timeout=2)
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Half: ")
            held.append(one)
        if len(held) > connections:
            held.pop(0).close()
    for one in held:
        one.close()


def watched(
    name: str, port: int, seconds: float, attack: Callable[[threading.Event, Seen], None], threads: int
) -> Seen:
    """An attack by some threads, and good requests beside it."""
    seen, over = Seen(name), threading.Event()
    attackers = [threading.Thread(target=attack, args=(over, seen), daemon=True) for _ in range(threads)]
    for attacker in attackers:
        attacker.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for path, times in (("/healthz", seen.health), ("/stac/search?limit=1", seen.search)):
            started = time.monotonic()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
                    assert json.load(answer)
                times.append(time.monotonic() - started)
            except urllib.error.HTTPError as error:
                if error.code != 503:  # "come again in a moment" is an answer, in time
                    seen.failed.append(f"{path}: {error}")
                elif path == "/healthz":
                    seen.failed.append("healthz is busy")
            except OSError as error:
                seen.failed.append(f"{path}: {error}")
        time.sleep(0.2)
    over.set()
    for attacker in attackers:
        attacker.join(timeout=30)
    return seen


def _again(port: int, one: Attack) -> Callable[[threading.Event, Seen], None]:
    def attack(over: threading.Event, seen: Seen) -> None:
        while not over.is_set():
            answer = one(port)
            seen.sent += 1
            if told := TELLING.search(answer.partition(b"\r\n\r\n")[2]):
                seen.telling.add(f"tells {told[0].decode()}")

    return attack


@contextlib.contextmanager
def service(catalog: Path, log: Path, **settings: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """``vadose serve`` on a free port, in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    line = [sys.executable, "-m", "flows.cli", "serve", str(catalog), "--port", str(port)]
    with log.open("wb") as out:
        server = subprocess.Popen(line, stdout=out, stderr=out, env={**os.environ, **settings})
    try:
        deadline = time.monotonic() + 900  # of a machine that does much else
        while not asked(port, _get("/healthz")):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, "the service does not start"
            time.sleep(0.2)
        yield port, server
    finally:
        server.terminate()
        server.wait(timeout=60)


def published(folder: Path, days: int = 4) -> Path:
    """A catalogue of some days of made-up fields."""
    import datetime as dt

    from catalog import publish
    from downscaler import product
    from tests.catalog.conftest import run_record, whole_tiles

    domain = product.LITTLE_WASHITA
    for number in range(days):
        date = dt.date(2015, 4, 1) + dt.timedelta(days=number)
        publish(folder, run_record(domain, date), domain, whole_tiles(domain, seed=number))
    return folder


def main() -> int:
    """Each attack in turn against one service."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.attacks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each attack")
    parser.add_argument("--threads", type=int, default=4, help="that attack")
    parser.add_argument("--catalog", type=Path, help="a catalogue to serve; unset, one is made")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vadose-attack-") as folder:
        catalog = chosen.catalog or published(Path(folder) / "catalog")
        log = Path(folder) / "serve.log"
        with service(catalog, log) as (port, server):
            done = [watched("none", port, chosen.seconds, lambda _over, _seen: None, 1)]
            print(done[-1].line(), flush=True)
            for name, one in attacks().items():
                done.append(watched(name, port, chosen.seconds, _again(port, one), chosen.threads))
                print(done[-1].line(), flush=True)
            halves = watched("1,000 half-sent requests", port, chosen.seconds, lambda o, _: half_sent(port, 1000, o), 2)
            done.append(halves)
            print(halves.line(), flush=True)
            alive = server.poll() is None
        size = log.stat().st_size
    bad = [one.name for one in done if not one.good]
    print(
        f"the service {'lives' if alive else 'DIED'}; its log has {size:,} bytes; beyond what may be: {bad or 'none'}"
    )
    return 1 if bad or not alive else 0


if __name__ == "__main__":
    sys.exit(main())
