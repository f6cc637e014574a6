"""The Prefect flows fetch as the command does; and no credential is left anywhere, whatever happens."""

import base64
import datetime as dt
import io
import json
import logging
import os
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from canary import FORMS, TOKEN, traces
from prefect import flow, get_run_logger
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, get_current_settings, temporary_settings
from prefect.testing.utilities import prefect_test_harness
from rich.console import Console

from downscaler.errors import (
    AgreementError,
    ArchiveTimeoutError,
    BackfillError,
    DownloadError,
    GranuleNameError,
    LoginError,
)
from downscaler.sources.earthdata.client import log_out
from flows.server.daily import daily
from flows.server.learning import prior
from flows.server.running import running

pytestmark = pytest.mark.integration

DOMAIN = "-94.9,34.3,-94.4,34.6"
DAY = dt.date(2024, 5, 23)
CANARY = "cAnArY"


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    with (
        prefect_test_harness(server_startup_timeout=180),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield


@pytest.fixture
def granules(made: Path) -> dict[int, Path]:
    files = (made / "sample" / "granules").glob("*.h5")
    return {int(found[1]): file for file in files if (found := re.search(r"202405(\d\d)", file.name))}


@pytest.fixture
def config(vadose: Any, made: Path, tmp_path: Path, pointed: Callable[..., None]) -> Path:
    """A config file without any folder of granules, in an environment that points at the stand-in."""
    pointed()
    file = tmp_path / "mine.toml"
    file.write_text(
        f'domain = "{DOMAIN}"\nprior = "{made / "prior"}"\nmodel = "{made / "model"}"\ncatalog = "catalog"\n'
        'cache = "cache"\nretries = 0\n'
    )
    return file


def test_the_daily_flow_fetches_and_fails_with_the_typed_error(
    config: Path, earthdata: Any, granules: dict[int, Path], tmp_path: Path
) -> None:
    (missing,) = daily(DAY, config=config)
    assert (missing.status, missing.error) == ("no-coverage", "GranuleMissingError")
    earthdata.hold(granules[23])
    earthdata.statuses, earthdata.texts = {"archive": [-403]}, {403: "please accept the EULA"}
    with pytest.raises(AgreementError, match="/profile"):
        daily(DAY, config=config)
    earthdata.statuses = {"search": [-401]}
    with pytest.raises(LoginError):
        daily(DAY, config=config)
    earthdata.statuses = {"search": [503, 503]}
    earthdata.bodies = {granules[23].name: [b"<html>sign in</html>"] * 2}
    with pytest.raises(DownloadError, match="web page"):
        daily(DAY, config=config)
    whole = granules[23].read_bytes()
    for bad, why in ((whole[:-9], "bytes instead of"), (whole[:-9] + bytes(9), "MD5")):
        earthdata.bodies = {granules[23].name: [bad] * 2}
        with pytest.raises(DownloadError, match=why):
            daily(DAY, config=config)
    earthdata.bodies, earthdata.slow = {}, {"search": 9.0}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VADOSE_EARTHDATA_TIMEOUT", "0.3")
        with pytest.raises(ArchiveTimeoutError):
            daily(DAY, config=config)
    earthdata.slow = {}
    with pytest.MonkeyPatch.context() as patch:
        claims = base64.urlsafe_b64encode(b'{"exp": 1700000000}').decode().rstrip("=")
        patch.setenv("EARTHDATA_TOKEN", f"e30.{claims}.{CANARY}")
        log_out()
        with pytest.raises(LoginError, match="expired on 2023-11-14"):
            daily(DAY, config=config)
    for number in range(2001):  # older releases that fill the first page of results
        name = f"SMAP_L3_SM_P_E_20240523_R{10000 + number // 900}_{number % 900 + 1:03d}.h5"
        earthdata.hold(granules[23], name=name, content=b"never fetched")
    assert daily(DAY, config=config)[0].status == "published"
    assert daily(DAY, config=config)[0].status == "current"
    assert (tmp_path / "cache" / "files" / granules[23].name).is_file()
    earthdata.held[:] = []
    earthdata.hold(granules[24], name="../../SMAP_L3_SM_P_E_20240524_R19240_001.h5", identifier="../../SMAP.h5")
    with pytest.raises(GranuleNameError):
        daily(DAY, config=config)


def test_catching_up_makes_what_is_due_and_stale_and_no_more(
    config: Path, earthdata: Any, granules: dict[int, Path], tmp_path: Path
) -> None:
    today = dt.date(2024, 5, 30)
    assert daily(config=config, last=today) == []
    for number in (24, 25, 27):  # out of order: the 23rd is late
        earthdata.hold(granules[number], day=dt.date(2024, 5, number))
    outcomes = {o.date.day: o.status for o in daily(config=config, last=today)}
    assert outcomes == {24: "published", 25: "published", 27: "no-coverage"}
    assert daily(config=config, last=today) == []
    earthdata.hold(granules[23], day=DAY)
    earthdata.bodies[granules[23].name] = [b"<html>outage</html>"] * 2
    with pytest.raises(BackfillError, match="2024-05-23 \\(DownloadError\\)"):
        daily(config=config, last=today)
    assert {o.date.day: o.status for o in daily(config=config, last=today)} == {23: "published"}
    assert daily(config=config, last=today) == []


def test_the_flow_follows_newer_releases_and_never_goes_back(
    config: Path, earthdata: Any, granules: dict[int, Path], wetter: Any, tmp_path: Path
) -> None:
    """By counter, then by CRID; afterwards the archive shows older ones alone, in any order, and nothing is done."""
    today = dt.date(2024, 5, 30)
    old = granules[23]
    names = [old.name, *(old.name.replace("R19240_001", release) for release in ("R19240_002", "R19999_001"))]
    releases = [old, wetter(old, names[1]), wetter(old, names[2], by=0.02)]

    def standing() -> tuple[str, list[str]]:
        (file,) = tmp_path.glob("catalog/*/*/*/*/*_20240523.json")
        properties = json.loads(file.read_text())["properties"]
        used = [entry["name"] for entry in properties["vadose:inputs"] if entry["kind"] == "granule"]
        return properties["version"], used

    for revision, release in enumerate(releases, start=1):
        earthdata.hold(release)
        earthdata.held.reverse()  # their order in the archive says nothing
        assert {o.date: o.status for o in daily(config=config, last=today)} == {DAY: "published"}
        assert standing() == (str(revision), [release.name])
        assert daily(config=config, last=today) == []
    everything = sorted(earthdata.held, key=lambda held: held.name)
    for left in (everything[:2], everything[1::-1], everything[:1], []):
        earthdata.held[:] = left
        assert daily(config=config, last=today) == []
        if left:
            (outcome,) = daily(DAY, config=config)
            assert outcome.status == "current"
            assert names[2] in outcome.reason
        assert standing() == ("3", [names[2]])


def test_what_the_archive_does_not_have_fails_no_flow(config: Path, earthdata: Any) -> None:
    today = dt.date(2024, 5, 30)
    earthdata.statuses = {"search": [-401]}
    with pytest.raises(LoginError):
        daily(DAY, config=config)
    earthdata.statuses = {}
    assert daily(config=config, last=today) == []  # the fault has gone, and there is no granule to try again with


def test_a_canary_in_every_credential_is_found_nowhere(
    config: Path,
    vadose: Any,
    earthdata: Any,
    granules: dict[int, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    home = Path(os.environ["HOME"])
    (home / ".netrc").write_text(f"machine {earthdata.login} login {CANARY}-user password {CANARY}-netrc\n")
    (home / ".netrc").chmod(0o600)
    monkeypatch.setenv("EARTHDATA_USERNAME", f"{CANARY}-5f3e9d-user")
    monkeypatch.setenv("EARTHDATA_PASSWORD", f"{CANARY}-5f3e9d-password")

    def everything() -> None:
        """The command with its tracebacks, the flow, and the flow's error as rich shows it with all its locals."""
        ended = vadose("--debug", "--config", config, "run", DAY)
        said.extend([ended.out, ended.err])
        try:
            daily(DAY, config=config)
        except Exception:  # noqa: BLE001
            console = Console(file=io.StringIO(), width=300)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # rich looks at every attribute, also Prefect's deprecated ones
                console.print_exception(show_locals=True, max_frames=0)
            said.append(console.file.getvalue())

    earthdata.hold(granules[23])
    everything()
    for statuses in ({"search": [-401]}, {"archive": [-403]}):
        log_out()
        earthdata.statuses = statuses
        for file in (tmp_path / "cache" / "files").glob("*"):
            file.unlink()
        everything()
    monkeypatch.delenv("EARTHDATA_TOKEN")
    for _ in range(2):  # password, then netrc, both refused with an answer that quotes them
        log_out()
        earthdata.statuses = {}
        earthdata.tokens = set()
        everything()
        monkeypatch.delenv("EARTHDATA_PASSWORD", raising=False)
    streams = capsys.readouterr()
    text = "\n".join([*said, caplog.text, streams.out, streams.err])
    assert text.count("LoginError") > 3
    assert CANARY not in text
    database = Path(get_current_settings().server.database.connection_url.get_secret_value().split(":///")[-1])
    assert database.is_file()

    def files() -> list[Path]:
        return [p for root in (database.parent, tmp_path) for p in root.rglob("*") if p.is_file()]

    def holding() -> list[Path]:
        return [p for p in files() if CANARY.encode() in p.read_bytes()]

    assert holding() == []
    assert any(p.parent.parent.name == "failures" for p in files())
    monkeypatch.setenv("EARTHDATA_TOKEN", f"{CANARY}-5f3e9d-token")
    earthdata.tokens = {f"{CANARY}-5f3e9d-token"}
    log_out()
    assert "current" in vadose("--config", config, "run", DAY).out
    assert holding() == []
    assert any(p.suffix == ".h5" for p in files())


def on_prefects_pages(since: dt.datetime) -> dict[str, str]:
    """What the server itself tells of the runs since a moment: logs, artifacts, states of flow and task runs."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import LogFilter, LogFilterTimestamp

    with get_client(sync_client=True) as client:
        runs = [run for run in client.read_flow_runs(limit=200) if run.start_time and run.start_time >= since]
        logs = client.read_logs(LogFilter(timestamp=LogFilterTimestamp(after_=since)), limit=200)
        tasks = [run for run in client.read_task_runs(limit=200) if run.start_time and run.start_time >= since]
        answer = client.request("POST", "/artifacts/filter", json={"limit": 200})
    made = [one for one in answer.json() if dt.datetime.fromisoformat(one["created"]) >= since]
    return {
        "logs": "\n".join(log.message for log in logs),
        "states": "\n".join(
            f"{run.name} {run.state!r} {run.parameters if run in runs else ''}" for run in [*runs, *tasks]
        ),
        "artifacts": json.dumps(made, ensure_ascii=False),
    }


def quoted_by_libraries() -> list[Exception]:
    """Errors of three libraries that hold the credential in all forms."""
    import urllib3
    from earthaccess.exceptions import DownloadFailure

    told = " | ".join(form(TOKEN) for form in FORMS.values())
    return [
        requests.exceptions.InvalidHeader(f"Invalid header value {told}"),
        urllib3.exceptions.LocationParseError(told),
        DownloadFailure(f"cannot fetch with {told}"),
    ]


def test_no_form_is_told_in_prefects_logs_states_or_artifacts(
    config: Path, earthdata: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Live runs of a server: answers that quote the token in twelve forms, and what libraries raise."""
    monkeypatch.setenv("EARTHDATA_TOKEN", TOKEN)
    earthdata.tokens = {TOKEN}
    since = dt.datetime.now(dt.UTC)
    forms = list(FORMS.values())
    for n in range(0, len(forms), 3):  # three to an answer, of which 300 characters are told
        log_out()
        earthdata.statuses = {"search": [-400 - n]}
        earthdata.texts = {400 + n: "refused " + " | ".join(form(TOKEN) for form in forms[n : n + 3])}
        assert daily(DAY, config=config, return_state=True).is_failed()
    earthdata.statuses, earthdata.texts = {}, {}
    for error in quoted_by_libraries():
        log_out()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("requests.adapters.HTTPAdapter.send", Raising(error))
            assert daily(DAY, config=config, return_state=True).is_failed()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xarray.open_dataset", Raising(quoted_by_libraries()[0]))
        assert prior(config, config=config, out=config.parent / "prior", return_state=True).is_failed()
    assert careless(config, return_state=True).is_failed()
    told = on_prefects_pages(since)
    for page, text in told.items():
        assert traces(text) == [], page
        assert text.count("[hidden]") >= 9, page


@flow
def careless(config: Path) -> None:
    """A flow that logs what libraries raised, with tracebacks, and ends with the last of them."""
    with running(config):
        for error in quoted_by_libraries():
            get_run_logger().error("stopped by %r", error, exc_info=error)
        raise error from quoted_by_libraries()[0]


class Raising:
    """Stands for a library's function that fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise self.error
