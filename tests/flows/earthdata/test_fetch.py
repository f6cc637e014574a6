"""``vadose run`` fetches its own granules: the real earthaccess against a stand-in of CMR, log-in host and archive."""

import base64
import datetime as dt
import json
import logging
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DOMAIN = "-94.9,34.3,-94.4,34.6"
START = dt.date(2024, 5, 23)


@pytest.fixture
def granule(made: Path) -> Path:
    (file,) = (made / "sample" / "granules").glob(f"*{START:%Y%m%d}*.h5")
    return file


@pytest.fixture
def run(vadose: Any, made: Path, tmp_path: Path, pointed: Callable[..., None]) -> Any:
    """``vadose run ...`` without any folder of granules, on the stand-in."""

    def call(date: object = START, *arguments: object, name: str = "run", **settings: object) -> Any:
        pointed(**({"cache": tmp_path / "cache"} | settings))
        common = (f"--domain={DOMAIN}", "--prior", made / "prior", "--model", made / "model", "--out", tmp_path / "c")
        return vadose(name, date, *arguments, *common)

    return call


def item(root: Path) -> dict[str, Any]:
    (file,) = root.glob("c/*/*/*/*/*_20240523.json")
    document: dict[str, Any] = json.loads(file.read_text())
    return document


def test_finds_fetches_verifies_publishes_and_keeps(run: Any, earthdata: Any, granule: Path, tmp_path: Path) -> None:
    earthdata.hold(granule)
    ended = run()
    assert ended.code == 0, ended.err
    assert "published" in ended.out
    assert earthdata.seen[granule.name] == 1
    assert earthdata.seen["profile"] == 1
    asked = next(path for path in earthdata.asked if path.startswith("/search"))
    assert "short_name=SPL3SMP_E" in asked
    assert "bounding_box=" in asked
    assert earthdata.asked.index("/profile") < earthdata.asked.index(asked)  # logged in before searching
    assert (tmp_path / "cache" / "files" / granule.name).read_bytes() == granule.read_bytes()
    assert item(tmp_path)["properties"]["vadose:granules_considered"] == [granule.name]
    assert "current" in run().out
    assert earthdata.seen[granule.name] == 1  # from the cache
    (tmp_path / "cache" / "files" / granule.name).write_bytes(b"\x89HDF\r\n\x1a\n damaged on disk")
    assert "current" in run().out
    assert earthdata.seen[granule.name] == 2
    assert not list(tmp_path.glob("cache/.staging*"))


def test_user_and_password_and_netrc(
    run: Any, earthdata: Any, granule: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from downscaler.sources.earthdata.client import log_out

    user, password = ("cAnArY-5f3e9d-" + word for word in ("user", "password"))
    earthdata.hold(granule)
    monkeypatch.delenv("EARTHDATA_TOKEN")
    ended = run()
    assert ended.code == 11  # no folder, no credentials
    assert "EARTHDATA_TOKEN" in ended.err
    ended = run(smap_source="earthdata")
    assert ended.code == 81
    assert "EARTHDATA_USERNAME" in ended.err
    monkeypatch.setenv("EARTHDATA_USERNAME", user)
    monkeypatch.setenv("EARTHDATA_PASSWORD", "wrong-password")
    ended = run(smap_source="earthdata")
    assert ended.code == 82
    assert "wrong-password" not in ended.err
    monkeypatch.setenv("EARTHDATA_PASSWORD", password)
    assert "published" in run().out
    assert earthdata.seen["token"] >= 2
    log_out()
    monkeypatch.delenv("EARTHDATA_USERNAME")
    monkeypatch.delenv("EARTHDATA_PASSWORD")
    (tmp_path / "netrc").write_text(f"machine {earthdata.login} login {user} password {password}\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    ended = run()
    assert "current" in ended.out, ended.err


def test_a_newer_release_supersedes_and_an_older_one_never_comes_back(
    run: Any, earthdata: Any, granule: Path, wetter: Any
) -> None:
    old = earthdata.hold(granule)
    assert "revision 1" in run().out
    new = wetter(granule, granule.name.replace("_001.h5", "_002.h5"))
    earthdata.hold(new)
    earthdata.held.reverse()  # their order in the archive says nothing
    assert "revision 2" in run().out
    crid = wetter(granule, granule.name.replace("R19240_001", "R19999_001"), by=0.02)
    earthdata.hold(crid)
    assert "revision 3" in run().out
    earthdata.held[:] = [old]
    held = run()
    assert "current" in held.out
    assert crid.name in held.out


def test_nothing_found_and_other_days_places_and_versions(run: Any, earthdata: Any, granule: Path) -> None:
    earthdata.hold(granule)
    ended = run("2024-06-30")
    assert ended.code == 11
    assert "SMAP may have observed nothing that day" in ended.err
    ended = run(smap_version="005")
    assert ended.code == 11
    earthdata.held[0].box = (10.0, 40.0, 20.0, 50.0)
    assert run().code == 11
    assert earthdata.seen["archive"] == 0


def test_two_pages_of_results(run: Any, earthdata: Any, granule: Path) -> None:
    """2001 older releases fill the first page; the current one is the last record of the second."""

    for number in range(2001):
        name = f"SMAP_L3_SM_P_E_20240523_R{10000 + number // 900:05d}_{number % 900 + 1:03d}.h5"
        earthdata.hold(granule, name=name, content=b"never fetched")
    earthdata.hold(granule)
    assert "published" in run().out
    assert earthdata.seen["search"] == 3  # hits, page, page
    assert earthdata.seen["archive"] == 1


def test_busy_twice_then_well(run: Any, earthdata: Any, granule: Path) -> None:
    earthdata.hold(granule)
    earthdata.statuses = {"profile": [503, 503], "search": [503, 503], "archive": [503, 503]}
    ended = run()
    assert ended.code == 0, ended.err
    assert (earthdata.seen["profile"], earthdata.seen["search"], earthdata.seen["archive"]) == (3, 4, 3)


def test_busy_for_good(run: Any, earthdata: Any, granule: Path) -> None:
    earthdata.hold(granule)
    earthdata.statuses = {"archive": [-503]}
    ended = run()
    assert ended.code == 80
    assert "HTTP 503" in ended.err


@pytest.mark.parametrize("kind", ["short", "checksum", "page", "no-hdf5", "page-untold"])
def test_a_damaged_download_is_made_once_more_then_put_into_quarantine(
    kind: str, run: Any, earthdata: Any, granule: Path, tmp_path: Path
) -> None:
    whole = granule.read_bytes()
    page = b"<!DOCTYPE html><html><title>Earthdata Login</title></html>"
    bad = {
        "short": whole[:-1000],
        "checksum": whole[:-1000] + bytes(1000),
        "page": page,
        "page-untold": page,
        "no-hdf5": b"x" * 2000,
    }[kind]
    told: dict[str, Any] = {"SizeInBytes": None, "Checksum": None} if kind in ("no-hdf5", "page-untold") else {}
    earthdata.hold(granule, told=told)
    earthdata.bodies[granule.name] = [bad]
    assert "published" in run().out, kind
    assert earthdata.seen[granule.name] == 2  # once more, and good
    for file in (tmp_path / "cache" / "files").iterdir():
        file.unlink()
    earthdata.bodies[granule.name] = [bad] * 9
    ended = run()
    assert ended.code == 85
    assert earthdata.seen[granule.name] == 4
    reason = {
        "short": f"{len(bad)} bytes instead of {len(whole)}",
        "checksum": "MD5",
        "page": "web page",
        "page-untold": "web page",
        "no-hdf5": "not an HDF5 file",
    }[kind]
    assert reason in ended.err
    assert not list((tmp_path / "cache" / "files").iterdir())
    kept = tmp_path / "cache" / "quarantine" / f"{granule.name}.bad"
    assert kept.read_bytes() == bad
    assert reason in json.loads(kept.with_suffix(".json").read_text())["reason"]


def test_a_transfer_that_is_cut_off(run: Any, earthdata: Any, granule: Path, tmp_path: Path) -> None:
    earthdata.hold(granule)
    earthdata.cut.add(granule.name)
    ended = run()
    assert ended.code == 80
    assert "download" in ended.err
    assert not list((tmp_path / "cache" / "files").iterdir())
    assert not list(tmp_path.glob("cache/.staging*"))


def test_a_disk_that_fills_during_a_download(run: Any, earthdata: Any, granule: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a tmpfs (root)")
    try:
        earthdata.hold(granule)
        assert granule.stat().st_size > 65536
        ended = run(cache=disk)
        assert ended.code == 41, ended.err
        assert "set `cache`" in ended.err
        assert earthdata.seen[granule.name] == 1  # more tries find no more room
        assert [p for p in disk.rglob("*") if p.is_file() and p.suffix != ".lock"] == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_another_granule_than_its_name_says(run: Any, earthdata: Any, granule: Path, made: Path) -> None:
    (other,) = (made / "sample" / "granules").glob("*20240524*.h5")
    earthdata.hold(other, name=granule.name)
    ended = run()
    assert ended.code == 85
    assert "2024-05-24" in ended.err


def test_refused_token(run: Any, earthdata: Any, granule: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    earthdata.hold(granule)
    monkeypatch.setenv("EARTHDATA_TOKEN", "cAnArY-5f3e9d-stranger")
    ended = run()
    assert ended.code == 82
    assert f"https://{earthdata.login}/profile" in ended.err
    assert "cAnArY" not in ended.err + ended.out
    monkeypatch.setenv("EARTHDATA_TOKEN", "cAnArY-5f3e9d-token")
    earthdata.statuses = {"search": [-401]}
    ended = run()
    assert ended.code == 82
    assert "[hidden]" in ended.err
    assert "cAnArY" not in ended.err + ended.out
    earthdata.statuses = {"archive": [-401]}
    before = earthdata.seen["archive"]
    assert run().code == 82
    assert earthdata.seen["archive"] == before + 1  # a refusal is not repeated
    earthdata.statuses = {}
    assert "published" in run().out


@pytest.mark.parametrize("around", ["{}\n", " {}\r\n", "\t{} "])
def test_white_space_around_a_token_does_not_matter(
    around: str, run: Any, earthdata: Any, granule: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earthdata.hold(granule)
    monkeypatch.setenv("EARTHDATA_TOKEN", around.format("cAnArY-5f3e9d-token"))
    assert "published" in run().out


def test_a_token_that_no_header_can_carry(
    run: Any, earthdata: Any, granule: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earthdata.hold(granule)
    monkeypatch.setenv("EARTHDATA_TOKEN", "cAnArY-5f3e9d\ntoken")
    for more in ((), ("--debug",)):
        ended = run(START, *more)
        assert ended.code == 81
        assert "U+000A" in ended.err
        assert "cAnArY" not in ended.err + ended.out
    assert not earthdata.asked


def test_agreement_not_accepted_names_the_page(run: Any, earthdata: Any, granule: Path) -> None:
    earthdata.hold(granule)
    earthdata.statuses = {"archive": [-403]}
    earthdata.texts = {403: '{"error_description":"EULA Acceptance Failure"}'}
    ended = run()
    assert ended.code == 83
    assert f"https://{earthdata.login}/profile" in ended.err
    assert "EULA" in ended.err


def test_expired_token_says_when(run: Any, earthdata: Any, granule: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claims = {"uid": "someone", "exp": int(dt.datetime(2024, 1, 2, 3, 4, tzinfo=dt.UTC).timestamp())}
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    monkeypatch.setenv("EARTHDATA_TOKEN", f"eyJhbGciOiJub25lIn0.{body}.cAnArY-5f3e9d-signature")
    earthdata.hold(granule)
    ended = run()
    assert ended.code == 82
    assert "expired on 2024-01-02 03:04 UTC" in ended.err
    assert body not in ended.err


@pytest.mark.parametrize("kind", ["profile", "search", "archive"])
def test_no_answer_in_time(kind: str, run: Any, earthdata: Any, granule: Path) -> None:
    earthdata.hold(granule)
    earthdata.slow = {kind: 3.0}
    started = time.monotonic()
    ended = run(earthdata_timeout=0.3)
    assert ended.code == 84
    assert "0.3 s" in ended.err
    assert time.monotonic() - started < 60  # not the minutes of a client left alone


@pytest.mark.parametrize(
    "evil", ["../../../evil/SMAP_L3_SM_P_E_20240523_R19240_001.h5", "..", "SMAP_L3_SM_P_E_20240523_R19240_001.h5/..%2f"]
)
def test_a_name_that_leads_elsewhere(
    evil: str, run: Any, earthdata: Any, granule: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    earthdata.hold(granule, identifier=evil if evil.endswith(".h5") else None, name=evil)
    before = set(tmp_path.parent.rglob("*evil*"))
    ended = run()
    assert ended.code == 16
    assert set(tmp_path.parent.rglob("*evil*")) == before
    assert earthdata.seen["archive"] == 0
    earthdata.hold(granule)
    with caplog.at_level(logging.WARNING):
        assert "published" in run().out  # a good record beside it counts
    assert "Left out" in caplog.text


def test_a_file_named_needs_no_network(run: Any, earthdata: Any, granule: Path) -> None:
    assert "published" in run(START, "--granule", granule).out
    assert not earthdata.asked


def test_near_real_time_is_asked_for_by_name(run: Any, earthdata: Any) -> None:
    ended = run(near_real_time="true")
    assert ended.code == 11
    assert "short_name=SPL2SMP_NRT" in earthdata.asked[-1]
    assert run(near_real_time="true", smap_product="SPL3SMP").code == 3


def test_an_address_that_is_not_https_never_sees_the_token(run: Any) -> None:
    ended = run(earthdata_cmr="http://127.0.0.1:9/search/")
    assert ended.code == 3
    assert "https" in ended.err
