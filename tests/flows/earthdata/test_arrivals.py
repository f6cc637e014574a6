"""A run begins when a granule arrives: by a look at the archive's latest changes, or by a notification."""

import contextlib
import datetime as dt
import threading
from collections.abc import Iterator

import pytest
import requests
from prefect.client.orchestration import get_client
from prefect_server import deployed_daily

from downscaler.errors import ConfigError
from flows.server.arrivals import arrivals
from flows.server.webhook import Listener, token

pytestmark = pytest.mark.integration

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
SECRET = "cAnArY-5f3e9d-webhook"


@pytest.fixture(scope="module", autouse=True)
def daily(server: str) -> Iterator[None]:
    """What is submitted stays to be counted."""
    with deployed_daily(parameter_openapi_schema={}):
        yield


def submitted() -> list[dict]:
    with get_client(sync_client=True) as client:
        return [run.parameters for run in client.read_flow_runs() if "arrival" in run.tags]


def hold(earthdata, tmp_path, minutes, age):
    day = NOW.date() - dt.timedelta(days=age)
    file = tmp_path / f"SMAP_L3_SM_P_E_{day:%Y%m%d}_R19240_001.h5"
    file.write_bytes(b"\x89HDF\r\n\x1a\n")
    return earthdata.hold(file, day=day, revised=NOW - dt.timedelta(minutes=minutes))


def test_what_two_looks_see_begins_one_run_and_an_old_granule_none(earthdata, pointed, made, tmp_path):
    pointed(smap_source="earthdata", domain="-94.9,34.3,-94.4,34.6", prior=made / "prior", model=made / "model")
    before = len(submitted())
    hold(earthdata, tmp_path, minutes=600, age=5)
    assert arrivals() == []
    new = hold(earthdata, tmp_path, minutes=20, age=3)
    earthdata.seen.clear()
    assert arrivals() == arrivals() == [new.name]
    assert earthdata.seen["search"] == 4  # two looks, each a count and one page
    assert earthdata.seen["archive"] == 0
    assert len(submitted()) == before + 1
    newer = hold(earthdata, tmp_path, minutes=10, age=2)
    assert arrivals() == [new.name, newer.name]
    hold(earthdata, tmp_path, minutes=5, age=200)  # reprocessed, beyond what the schedule looks back on
    assert arrivals() == [new.name, newer.name]
    assert submitted()[before:] == [{}, {}]


@contextlib.contextmanager
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("VADOSE_WEBHOOK_TOKEN", SECRET)
    listener = Listener("127.0.0.1", 0, token(), look_back=14)
    thread = threading.Thread(target=listener.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.server_port}"
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()


def test_a_notification_begins_a_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def name(age: int) -> str:
        return f"SMAP_L3_SM_P_E_{NOW.date() - dt.timedelta(days=age):%Y%m%d}_R19240_002.h5"

    def post(body: object, secret: str = SECRET, path: str = "/granules") -> requests.Response:
        return requests.post(address + path, json=body, headers={"Authorization": f"Bearer {secret}"}, timeout=60)

    before = submitted()
    with listening(monkeypatch) as address:
        first, again = post({"granule": name(3)}), post({"granule": f"s3://bucket/{name(3)}"})
        assert first.status_code == again.status_code == 202
        assert first.json() == again.json()
        assert post({"granule": name(300)}).status_code == 202
        told = [run for run in submitted() if run not in before]
        assert {"day": str(NOW.date() - dt.timedelta(days=300))} in told
        assert len(submitted()) == len(before) + 2

        assert post({"granule": name(3)}, secret="wrong").status_code == 401
        assert requests.post(f"{address}/granules", json={"granule": name(4)}, timeout=60).status_code == 401
        assert post({"granule": "../../etc/passwd"}).status_code == 400
        assert post(["granule"]).status_code == 400
        assert post({"granule": "x" * 20_000}).status_code == 413
        assert post({}, path="/elsewhere").status_code == 404
        assert requests.get(f"{address}/healthz", timeout=60).status_code == 200
        assert len(submitted()) == len(before) + 2


def test_without_a_token_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("", "short"):
        monkeypatch.setenv("VADOSE_WEBHOOK_TOKEN", value)
        with pytest.raises(ConfigError, match="VADOSE_WEBHOOK_TOKEN"):
            token()
