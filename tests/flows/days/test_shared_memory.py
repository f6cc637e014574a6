"""A container without a writable /dev/shm: one sentence with the place and the remedy, from the command itself."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows.days.workers import one_worker

MOUNT = "mount -t tmpfs -o ro none /dev/shm"


@pytest.fixture
def unshared() -> list[str]:
    """Begins a line that runs in a mount namespace of its own, whose /dev/shm cannot be written."""
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare, of util-linux")
    line = ["unshare", "-m" if os.getuid() == 0 else "-rm", "sh", "-c", f'{MOUNT} && exec "$@"', "sh"]
    tried = subprocess.run([*line, "true"], capture_output=True, text=True, timeout=30, check=False)
    if tried.returncode:
        pytest.skip(f"this system lets nobody mount in a namespace of its own: {tried.stderr.strip()}")
    return line


def test_a_backfill_with_workers_says_where_and_what_to_do(unshared: list[str], made: Path, tmp_path: Path) -> None:
    (tmp_path / "vadose.toml").write_text(
        f'domain = "-94.9,34.3,-94.4,34.6"\nprior = "{made / "prior"}"\nmodel = "{made / "model"}"\n'
        f'granules = "{made / "sample" / "granules"}"\ncatalog = "catalog"\nproducts = "conserving"\n'
    )
    command = [sys.executable, "-m", "flows.cli", "backfill", "2024-05-23", "2024-05-24", "--workers", "2"]
    settings = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(
        [*unshared, *command], cwd=tmp_path, env=settings, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 65, done.stderr
    assert "/dev/shm: Read-only file system" in " ".join(done.stderr.split())
    assert "--shm-size" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("vadose-sm-*.json")), "no day was begun"


def test_where_it_can_be_written_a_worker_works() -> None:
    with one_worker() as worker:
        assert worker.submit(os.getppid).result(timeout=60) == os.getpid()
