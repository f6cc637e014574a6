"""The cache of verified downloads: two processes at once, its size limit, checksums of all kinds."""

import datetime as dt
import hashlib
import json
import os
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from downscaler.errors import AcquisitionError, CacheError, GranuleUnreadableError
from downscaler.sources.earthdata import Cache, RemoteFile
from downscaler.sources.earthdata.checks import fault

DOMAIN = "-94.9,34.3,-94.4,34.6"
WORKER = """
import datetime as dt, hashlib, sys
from pathlib import Path
from downscaler import product
from downscaler.sources.earthdata import Cache, Endpoints
from downscaler.sources.smap import EarthdataSupply
cmr, login, domain, root = sys.argv[1:]
for line in sys.stdin:
    cache = Cache(folder=Path(root) / line.strip(), limit=10**9)
    supply = EarthdataSupply(endpoints=Endpoints(cmr=cmr, login=login), cache=cache, domain=product.domain(domain))
    days = supply.offers(dt.date(2024, 5, 23), dt.date(2024, 5, 25))
    paths = [supply.fetch(offer) for offers in days.values() for offer in offers]
    print(" ".join(hashlib.md5(path.read_bytes()).hexdigest() for path in paths), flush=True)
"""


@pytest.mark.integration
@pytest.mark.parametrize("rounds", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_two_processes_fill_one_cache_at_once(rounds: int, earthdata: Any, made: Path, tmp_path: Path) -> None:
    files = sorted((made / "sample" / "granules").glob("*2024052[345]*.h5"))
    for number, file in enumerate(files):
        earthdata.hold(file, day=dt.date(2024, 5, 23 + number))
    line = [sys.executable, "-c", WORKER, f"{earthdata.base}/search/", earthdata.login, DOMAIN, str(tmp_path)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    workers = [subprocess.Popen(line, env=dict(os.environ), **pipes) for _ in range(2)]
    wanted = " ".join(hashlib.md5(file.read_bytes()).hexdigest() for file in files)
    try:
        for number in range(rounds):
            for worker in workers:
                worker.stdin.write(f"{number}\n")
                worker.stdin.flush()
            assert [worker.stdout.readline().strip() for worker in workers] == [wanted, wanted]
            kept = sorted((tmp_path / str(number) / "files").iterdir())
            assert [p.read_bytes() for p in kept] == [p.read_bytes() for p in files]
            assert not list((tmp_path / str(number)).glob(".staging*"))
    finally:
        for worker in workers:
            worker.stdin.close()
            worker.wait(timeout=30)
            worker.stdout.close()
    assert [worker.returncode for worker in workers] == [0, 0]
    assert [earthdata.seen[file.name] for file in files] == [rounds] * 3  # one download a granule and round


def put(content: bytes) -> Callable[[str, Path, bool], Path]:
    def download(url: str, folder: Path, force: bool) -> Path:
        path = folder / url.rsplit("/", 1)[-1]
        path.write_bytes(content)
        return path

    return download


def anything(path: Path) -> None:
    """Every file is good."""


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    cache = Cache(folder=tmp_path / "cache", limit=2500)
    for number in range(3):
        cache.fetch(RemoteFile(name=f"{number}.h5", url=f"https://x/{number}.h5"), put(bytes(1000)), anything)
    files = tmp_path / "cache" / "files"
    assert len(list(files.iterdir())) == 3  # used within the hour: the limit waits
    now = time.time()
    for number, age in ((0, 3 * 3600), (1, 9 * 3600), (2, 5 * 3600)):
        os.utime(files / f"{number}.h5", (now - age, now - age))
    cache.fetch(RemoteFile(name="0.h5", url="https://x/0.h5"), put(b"never asked"), anything)  # used again
    cache.fetch(RemoteFile(name="3.h5", url="https://x/3.h5"), put(bytes(1000)), anything)
    assert sorted(p.name for p in files.iterdir()) == ["0.h5", "3.h5"]


def test_what_others_remove_meanwhile_stops_nothing(tmp_path: Path) -> None:
    """Names that are listed and then gone, as those of another process at work."""
    (tmp_path / "files").mkdir()
    for name in (".staging-theirs", "files/theirs.h5"):
        (tmp_path / name).symlink_to(tmp_path / "gone")
    old = tmp_path / ".staging-killed"
    old.mkdir()
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    cache = Cache(folder=tmp_path, limit=1)
    assert cache.fetch(RemoteFile(name="a.h5", url="https://x/a.h5"), put(b"good"), anything).is_file()
    assert not old.exists()  # left by a process that was killed


def test_without_a_limit_nothing_is_evicted(tmp_path: Path) -> None:
    cache = Cache(folder=tmp_path, limit=None)
    first = cache.fetch(RemoteFile(name="0.h5", url="https://x/0.h5"), put(bytes(1000)), anything)
    os.utime(first, (0, 0))
    cache.fetch(RemoteFile(name="1.h5", url="https://x/1.h5"), put(bytes(1000)), anything)
    assert first.is_file()


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"no folder")
    cache = Cache(folder=tmp_path / "file", limit=1)
    with pytest.raises(CacheError, match="set `cache` to another"):
        cache.fetch(RemoteFile(name="a.h5", url="https://x/a.h5"), put(b"good"), anything)


def test_a_download_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def broken(url: str, folder: Path, force: bool) -> Path:
        (folder / "half").write_bytes(b"half")
        raise AcquisitionError("cut off")

    cache = Cache(folder=tmp_path, limit=10**6)
    with pytest.raises(AcquisitionError):
        cache.fetch(RemoteFile(name="a.h5", url="https://x/a.h5"), broken, anything)
    assert [p for p in tmp_path.rglob("*") if p.is_file() and p.suffix != ".lock"] == []


def test_force_is_asked_for_the_second_time_only(tmp_path: Path) -> None:
    asked: list[bool] = []

    def download(url: str, folder: Path, force: bool) -> Path:
        asked.append(force)
        return put(b"good" if force else b"bad")(url, folder, force)

    def inspect(path: Path) -> None:
        if path.read_bytes() == b"bad":
            raise GranuleUnreadableError("no HDF5")

    path = Cache(folder=tmp_path, limit=10**6).fetch(RemoteFile(name="a.h5", url="https://x/a.h5"), download, inspect)
    assert (path.read_bytes(), asked) == (b"good", [False, True])
    assert not (tmp_path / "quarantine").exists()


@pytest.mark.parametrize(
    ("algorithm", "value"),
    [
        ("MD5", lambda b: hashlib.md5(b).hexdigest()),
        ("SHA-1", lambda b: hashlib.sha1(b).hexdigest()),
        ("SHA-256", lambda b: hashlib.sha256(b).hexdigest()),
        ("SHA-512", lambda b: hashlib.sha512(b).hexdigest()),
        ("CRC-32", lambda b: f"{zlib.crc32(b):08x}"),
        ("CRC-32", lambda b: f"0x{zlib.crc32(b):x}"),
        ("Adler-32", lambda b: f"{zlib.adler32(b):08x}"),
    ],
)
def test_checksums_of_the_kinds_that_archives_give(algorithm: str, value: Any, tmp_path: Path) -> None:
    content = bytes(range(256)) * 9000
    file = tmp_path / "a"
    file.write_bytes(content)
    assert fault(file, RemoteFile(name="a", url="", checksum=(algorithm, value(content)))) is None
    wrong = fault(file, RemoteFile(name="a", url="", checksum=(algorithm, value(content[1:]))))
    assert wrong is not None
    assert wrong.startswith(algorithm)
    assert (
        fault(file, RemoteFile(name="a", url="", checksum=("SM3", "0"))) is None
    )  # unknown here: size and HDF5 decide


def test_a_record_without_a_file_or_with_plain_http_is_refused() -> None:
    from downscaler.errors import GranuleNameError
    from downscaler.sources.earthdata import remote_file

    link = {"URL": "http://x/SMAP.h5", "Type": "GET DATA"}
    for umm in ({}, {"RelatedUrls": []}, {"RelatedUrls": [link]}):
        with pytest.raises(GranuleNameError):
            remote_file(json.loads(json.dumps({"umm": umm})), ".h5")
