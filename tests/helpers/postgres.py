"""A real PostgreSQL with PostGIS on loopback, for as long as the tests run."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PLACES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
PATIENCE = 120.0


def _found(program: str) -> str:
    path = shutil.which(program, path=os.pathsep.join([*map(str, _PLACES), os.environ.get("PATH", "")]))
    if path is None:
        pytest.skip(
            f"needs PostgreSQL's {program}, which is not installed (Debian: postgresql, postgresql-15-postgis-3)"
        )
    return path


def _as_user(command: list[str]) -> list[str]:
    """PostgreSQL refuses to run as root, so root becomes the user that Debian's package makes."""
    if os.getuid() != 0:
        return command
    if shutil.which("setpriv") is None or subprocess.run(["id", "postgres"], capture_output=True).returncode:
        pytest.skip("PostgreSQL does not run as root, and there is no user postgres to become")
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]


@contextmanager
def running_postgres(postgis: bool = True) -> Iterator[str]:
    """The address of an empty database whose owner may create extensions; skips where one cannot be made."""
    initdb, server = _found("initdb"), _found("postgres")
    folder = Path(tempfile.mkdtemp(prefix="vadose-pg-", dir="/tmp"))  # short, as sockets' paths have to be
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    where = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
    subprocess.run(
        _as_user([initdb, "-D", f"{folder}/data", "-U", "vadose", "-A", "trust", "-E", "UTF8", "--no-sync"]),
        check=True,
        timeout=PATIENCE,
        **where,
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]
    process = subprocess.Popen(_as_user([server, "-D", f"{folder}/data", "-p", str(port), *options]), **where)
    try:
        dsn = f"postgresql://vadose@127.0.0.1:{port}/postgres"
        _wait(dsn, postgis)
        yield dsn
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(dsn: str, postgis: bool) -> None:
    import psycopg

    end = time.monotonic() + PATIENCE
    while True:
        try:
            with psycopg.connect(dsn, connect_timeout=5) as connection:
                known = connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'postgis'").fetchone()
            break
        except psycopg.OperationalError:
            assert time.monotonic() < end, "PostgreSQL does not start"
            time.sleep(0.2)
    if postgis and known is None:
        pytest.skip("needs PostGIS in PostgreSQL (Debian: postgresql-15-postgis-3)")
