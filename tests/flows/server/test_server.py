"""The project's deployments on a real server: schedule, submitted backfills, what operators see and are told."""

import contextlib
import datetime as dt
import json
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import h5py
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterTags,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.exceptions import ObjectNotFound
from prefect_server import wait_for

from catalog.reading.days import validate_catalog
from downscaler.errors import ConfigError
from flows.server.automations import Bounds, apply
from flows.server.daily import backfill, daily, validate
from flows.server.submit import outcome_of, submit

from .conftest import ADDRESS, DAILY, HOUR, Inbox, Site, Worker, scheduled


def post(site: Site, path: str, body: Any) -> Any:
    """An answer of the server's API, for what the client has no method for."""
    request = urllib.request.Request(
        f"{site.api}/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def completed(client: SyncPrefectClient, run: FlowRun) -> FlowRun:
    """The run when it has come to its end, which has to be a good one."""

    def ended() -> FlowRun | None:
        now = client.read_flow_run(run.id)
        return now if now.state and now.state.is_final() else None

    last: FlowRun = wait_for(f"the end of {run.name}", ended)
    assert last.state is not None
    assert last.state.is_completed(), last.state
    return last


def come_late_and_deleted(site: Site, client: SyncPrefectClient) -> None:
    """Three hourly runs that no worker took, then a deploy that deletes them, as some releases of Prefect do."""
    daily_id = client.read_deployment_by_name(DAILY).id
    now = dt.datetime.now(dt.UTC)
    hourly = IntervalSchedule(interval=HOUR, anchor_date=now + HOUR / 2)
    client.create_deployment_schedules(daily_id, [(hourly, True)])
    post(site, f"deployments/{daily_id}/schedule", {"start_time": str(now - 3 * HOUR), "end_time": str(now)})
    past = FlowRunFilter(expected_start_time=FlowRunFilterExpectedStartTime(after_=now - 4 * HOUR, before_=now))
    late = {run.id for run in client.read_flow_runs(flow_run_filter=past) if run.state and run.state.is_scheduled()}
    assert len(late) == 3
    site.deploy("daily")
    for run in late:
        with contextlib.suppress(ObjectNotFound):
            client.delete_flow_run(run)
    assert not {run.id for run in client.read_flow_runs(flow_run_filter=past)} & late


@contextlib.contextmanager
def paused(client: SyncPrefectClient, queue: str) -> Iterator[None]:
    """No worker takes a run from the queue meanwhile."""
    found = client.read_work_queue_by_name(queue, "vadose").id
    client.update_work_queue(found, is_paused=True)
    try:
        yield
    finally:
        client.update_work_queue(found, is_paused=False)


def artifact(site: Site, what: str) -> Any:
    """The newest artifact whose key ends so."""
    found = post(site, "artifacts/latest/filter", {})
    return next(made for made in found if made["key"].endswith(what))


def test_after_runs_that_came_late_and_were_deleted_by_a_deploy_the_next_makes_all_days_and_tells_of_them(
    deployed: Site, worker: Worker, client: SyncPrefectClient
) -> None:
    site = deployed
    site.set_aside()
    with paused(client, "schedule"):
        come_late_and_deleted(site, client)
    with scheduled(client) as made:
        run = completed(client, made)
    told = json.loads(site.vadose("status", "--until", site.last, "--json"))
    assert {state["state"] for state in told} <= {"published", "no-coverage", "missing"}  # nothing is left to do
    days = site.items()
    outcomes = {row["date"]: row["status"] for row in json.loads(artifact(site, "days")["data"])}
    assert set(days) == {date for date, status in outcomes.items() if status == "published"}
    assert set(outcomes.values()) <= {"published", "no-coverage"}  # SMAP does not see the place every day
    assert max(outcomes) == str(site.last)
    assert len(days) >= 8
    assert {item["properties"]["version"] for item in days.values()} == {"1"}
    assert validate_catalog(site.catalog)
    assert run.deployment_id == client.read_deployment_by_name(DAILY).id

    summary = artifact(site, "summary")["data"]
    assert f"{len(days)} published" in summary
    assert str(site.last) in summary
    picture = artifact(site, "thumbnail")["data"]  # a link: the picture itself is not in the server's database
    assert (site.catalog / picture.removeprefix(f"{ADDRESS}/")).read_bytes().startswith(b"\x89PNG")
    assert f"![soil moisture]({picture})" in summary
    assert artifact(site, "progress")["data"] == 100.0

    lines = [json.loads(line) for line in worker.log.read_text().splitlines() if line.startswith("{")]
    told = [line for line in lines if line["logger"] == "flows.days" and line["message"].startswith("published")]
    assert {line["day"] for line in told} == set(days)
    assert {line["run"] for line in told} == {run.name}
    on_page = client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id])), limit=200)
    assert sum(line.message.startswith("published: revision 1") for line in on_page) == len(days)

    answered = urllib.request.urlopen(f"http://127.0.0.1:{worker.metrics}/metrics", timeout=30).read().decode()
    assert "prefect" in answered


def test_two_submissions_at_once_make_each_day_once(deployed: Site, worker: Worker, client: SyncPrefectClient) -> None:
    check_two_submissions(deployed, client, days=2)


@pytest.mark.slow
def test_two_submissions_of_ten_days_beside_the_schedule(
    deployed: Site, worker: Worker, client: SyncPrefectClient
) -> None:
    with scheduled(client):
        check_two_submissions(deployed, client, days=10)


def check_two_submissions(site: Site, client: SyncPrefectClient, days: int) -> None:
    """Days not yet there, submitted twice at once, then once more, then forced."""
    site.set_aside()
    wanted = [site.last - dt.timedelta(days=n) for n in range(days)]
    runs_before = {run.id for run in runs_of_backfills(client)}
    with ThreadPoolExecutor(2) as both:
        commands = [both.submit(site.vadose, "backfill", wanted[-1], wanted[0], "--deployment", DAILY) for _ in "12"]
        for command in commands:
            assert "failed" not in command.result()
    runs = [run for run in runs_of_backfills(client) if run.id not in runs_before]
    assert {run.name for run in runs} == set(map(str, wanted))
    assert len(runs) < 2 * days  # shared, but where a day's run had ended before the other asked for it
    published = [run.name for run in runs if run.state_name == "Published"]
    assert len(published) == len(set(published))
    items = site.items()
    told = json.loads(site.vadose("status", "--days", days, "--until", site.last, "--json"))
    states = {state["date"]: state["state"] for state in told}
    assert set(states) == set(map(str, wanted))
    assert set(states.values()) <= {"published", "no-coverage"}
    made = items.keys() & states.keys()  # a scheduled run looks back further
    assert made == {date for date, state in states.items() if state == "published"}
    assert made
    assert {item["properties"]["version"] for item in items.values()} == {"1"}
    assert validate_catalog(site.catalog)


def runs_of_backfills(client: SyncPrefectClient) -> list[FlowRun]:
    return client.read_flow_runs(flow_run_filter=FlowRunFilter(tags=FlowRunFilterTags(all_=["backfill"])), limit=200)


@pytest.mark.slow
def test_a_day_that_ended_is_submitted_anew_and_tells_that_it_stands(
    deployed: Site, worker: Worker, client: SyncPrefectClient
) -> None:
    (first,) = submit([deployed.last], DAILY)
    (again,) = submit([deployed.last], DAILY)
    assert (first.status in ("published", "current"), again.status) == (True, "current")
    assert "already published" in again.reason


@pytest.mark.slow
def test_stale_days_alone_are_submitted_by_the_backfill_flow(
    deployed: Site, worker: Worker, client: SyncPrefectClient, in_site: Callable[[], None]
) -> None:
    site = deployed
    days = (site.last - dt.timedelta(days=2), site.last)
    backfill(*days, config=site.folder / "vadose.toml", deployment=DAILY)
    standing = site.items()
    before = {run.id for run in runs_of_backfills(client)}
    told = backfill(*days, config=site.folder / "vadose.toml", deployment=DAILY, stale=True)
    assert {outcome.status for outcome in told} == {"current"}
    assert {run.id for run in runs_of_backfills(client)} == before

    (granule,) = (site.folder / "sample" / "granules").glob(f"*_{site.last:%Y%m%d}_*_001.h5")
    newer = granule.with_name(granule.name.replace("_001.h5", "_002.h5"))
    newer.write_bytes(granule.read_bytes())
    with h5py.File(newer, "a") as file:
        file.attrs["note"] = "reprocessed"
    told = backfill(*days, config=site.folder / "vadose.toml", deployment=DAILY, stale=True)
    newer.unlink()
    assert [outcome.date for outcome in told if outcome.status == "published"] == [site.last]
    assert site.items()[str(site.last)]["properties"]["version"] == "2"
    assert set(site.items()) == set(standing)
    assert len({run.id for run in runs_of_backfills(client)} - before) == 1


def test_what_cannot_be_submitted_is_refused_before_any_work(site: Site, client: SyncPrefectClient) -> None:
    with pytest.raises(ConfigError, match="no such deployment"):
        submit([site.last], "daily/nonsense")
    with pytest.raises(ConfigError, match="no notification block"):
        apply(Bounds(), "custom-webhook/nonsense")
    out = site.vadose("backfill", site.last, site.last, "--deployment", DAILY, "--granules", "elsewhere", code=3)
    assert "--granules" in out
    out = site.vadose("backfill", site.last, site.last, "--deployment", DAILY, "--stale", code=3)
    assert "--stale" in out
    assert "-p stale=true" in " ".join(out.split())


@pytest.mark.slow
@pytest.mark.usefixtures("no_automation")
def test_operators_are_told_of_failed_days_low_gain_and_silence(
    site: Site, client: SyncPrefectClient, inbox: Inbox, in_site: Callable[[], None]
) -> None:
    block = webhook(site, inbox)
    bounds = Bounds(silent=dt.timedelta(seconds=20), failed_days=3, failed_within=dt.timedelta(hours=1))
    assert {done for _, done in apply(bounds, block)} == {"created"}
    assert {done for _, done in apply(bounds, block)} == {"updated"}
    names = {automation["name"] for automation in post(site, "automations/filter", {})}
    assert {"vadose: no new item", "vadose: days failed", "vadose: run went silent", "vadose: run never began"} <= names

    for granule in sorted((site.folder / "sample" / "granules").glob("*.h5"))[:3]:
        day = dt.datetime.strptime(granule.name.split("_")[5], "%Y%m%d").replace(tzinfo=dt.UTC).date()
        newer = granule.with_name(granule.name.replace("_001.h5", "_002.h5"))
        newer.write_bytes(granule.read_bytes()[:1000])
        state = daily(day, config=site.folder / "vadose.toml", return_state=True)
        newer.unlink()
        assert state.is_failed()
        failed = outcome_of(day, FlowRun(flow_id=uuid.uuid4(), state=state))
        assert (failed.error, failed.exit_code) == ("GranuleUnreadableError", 12)
    wait_for("word of failed days", lambda: [m for m in inbox.messages if "3 days failed" in m], 120)

    site.vadose("backfill", site.last - dt.timedelta(days=11), site.last)
    validate(site.last - dt.timedelta(days=11), site.last, config=strict(site))
    wait_for("word of a low gain", lambda: [m for m in inbox.messages if "gain below bound" in m], 120)
    assert "paired gain over" in artifact(site, "validation")["data"]
    wait_for("word of silence", lambda: [m for m in inbox.messages if "no new item" in m], 180)


def webhook(site: Site, inbox: Inbox) -> str:
    """A notification block of Prefect's own kind that posts to the inbox."""
    from prefect.blocks.notifications import CustomWebhookNotificationBlock

    block = CustomWebhookNotificationBlock(
        name="inbox", url=inbox.url, method="POST", json_data={"subject": "{{subject}}", "body": "{{body}}"}
    )
    block.save("inbox", overwrite=True)
    return "custom-webhook/inbox"


def strict(site: Site) -> Any:
    """The site's settings with a bound that no product holds, and its stations."""
    config = site.folder / "strict.toml"
    text = (site.folder / "vadose.toml").read_text()
    config.write_text(text + 'stations = "sample/stations"\nvalidation_pairs = 3\nvalidation_gain = 1.0\n')
    return config
