"""The doctor at a Prefect server, and as one of its flows."""

import datetime as dt
import json
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.schedules import CronSchedule
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect_server import deployed_daily

from downscaler.errors import DoctorError
from flows.doctor.server import server as examined
from flows.server.doctor import doctor

pytestmark = pytest.mark.integration


def verdicts():
    return {finding.check: (finding.verdict, finding.told) for finding in examined()}


def test_each_part_of_a_server_has_its_line(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", server)
    found = verdicts()
    assert found["Prefect server"][0] == "pass"
    assert found["Prefect database"][0] in ("pass", "warn")  # SQLite, where the server tells
    assert found["deployment"][0] == "fail"
    assert "not tried" in found["workers"][1]
    with get_client(sync_client=True) as client, deployed_daily():
        assert verdicts()["deployment"][0] == "warn"  # nothing is scheduled
        where = client.read_deployment_by_name("daily/daily")
        client.create_deployment_schedules(where.id, [(CronSchedule(cron="30 5,17 * * *", timezone="UTC"), True)])
        assert verdicts()["deployment"] == ("pass", "daily/daily: 30 5,17 * * *")
        assert verdicts()["workers"][0] == "warn"
        client.send_worker_heartbeat("vadose", "here", heartbeat_interval_seconds=60)
        assert verdicts()["workers"] == ("pass", "1 at work: here")


def test_a_server_that_is_away_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        found = verdicts()
    assert found["Prefect server"][0] == "fail"
    assert found["workers"][0] == "skip"


def test_as_a_flow_it_leaves_a_table_and_fails_where_a_check_does(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    config = tmp_path / "vadose.toml"
    config.write_text('domain = "little-washita"\ncatalog = "published"\nearthdata_cmr = "https://127.0.0.1:9/"\n')
    with pytest.raises(DoctorError, match="settings"):
        doctor(config)
    with get_client(sync_client=True) as client:
        rows = client.request("POST", "/artifacts/latest/filter", json={}).json()
    (table,) = [row for row in rows if row["key"] == "vadose-little-washita-doctor"]
    found = {row["check"]: row for row in json.loads(table["data"])}
    assert found["settings"]["verdict"] == "fail"
    assert found["catalogue"]["verdict"] == "pass"
    assert dt.datetime.fromisoformat(table["created"].replace("Z", "+00:00")).tzinfo
