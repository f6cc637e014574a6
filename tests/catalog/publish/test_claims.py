"""One run makes a day at a time, in a folder as in a bucket, and a dead run blocks nobody."""

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from catalog import publish
from catalog.publish.claims import claimed, left, sweep
from catalog.publish.state import standing
from catalog.reading.days import find_item
from catalog.store.base import Write, open_store
from downscaler import product
from downscaler.errors import CatalogError, ClaimedError
from downscaler.records import RunRecord

DAY = dt.date(2015, 4, 1)
DOMAIN = product.LITTLE_WASHITA
KEY = "claims/vadose-sm-1km_little-washita/20150401.json"
HOLDER = """
import datetime as dt, sys, time
from catalog.publish.claims import claimed
from downscaler import product
with claimed(sys.argv[1], product.LITTLE_WASHITA, dt.date(2015, 4, 1)):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "catalog") if request.param == "folder" else request.getfixturevalue("bucket")


def put(place: str, held: Any) -> None:
    store = open_store(place)
    with store.staging() as folder:
        store.apply([Write(key=KEY, content=json.dumps(held).encode())], folder)


def foreign(seconds: float) -> dict[str, Any]:
    """A claim of another machine's process that runs out in so many seconds."""
    until = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
    return {"token": "x", "machine": "elsewhere", "process": 1, "started": "1", "until": until.isoformat()}


def test_a_claim_is_held_by_one_and_leaves_nothing(place: str) -> None:
    with claimed(place, DOMAIN, DAY) as claim:
        assert not claim.inherited
        assert left(open_store(place), DOMAIN) == {DAY}
        with (
            pytest.raises(ClaimedError, match="Another run is making 2015-04-01"),
            claimed(place, DOMAIN, DAY, patience=0),
        ):
            pass
        with claimed(place, DOMAIN, DAY + dt.timedelta(days=1), patience=0):
            pass
    assert open_store(place).keys("claims/") == []
    with claimed(place, DOMAIN, DAY, patience=0) as claim:
        assert not claim.inherited


def test_a_claim_is_awaited(place: str) -> None:
    order = []

    def second() -> None:
        with claimed(place, DOMAIN, DAY):
            order.append("second")

    with claimed(place, DOMAIN, DAY):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.7)
        order.append("first")
    thread.join(timeout=30)
    assert order == ["first", "second"]


def test_a_claim_of_another_machine_holds_until_it_runs_out(place: str) -> None:
    put(place, foreign(60))
    with pytest.raises(ClaimedError, match="process 1 on elsewhere"), claimed(place, DOMAIN, DAY, patience=0):
        pass
    put(place, foreign(1))
    with claimed(place, DOMAIN, DAY, patience=30) as claim:
        assert claim.inherited


def test_a_claim_outlives_its_lease_while_its_owner_works(place: str) -> None:
    with claimed(place, DOMAIN, DAY, lease=2.0):
        time.sleep(3.0)
        with pytest.raises(ClaimedError), claimed(place, DOMAIN, DAY, patience=0):
            pass


def test_a_torn_or_foreign_file_blocks_nobody(place: str) -> None:
    odd = [{"until": "2099-01-01T00:00:00+00:00"}, {"until": "2026-01-01T00:00:00"}, {"process": "1"}, {"token": None}]
    held_of: list[Any] = [
        {},
        {"until": "never"},
        {"token": 1, "until": "2015-04-01"},
        [],
        *({**foreign(60), **o} for o in odd),
    ]
    for held in held_of:
        put(place, held)
        with claimed(place, DOMAIN, DAY, patience=0) as claim:
            assert claim.inherited


def test_files_of_odd_names_are_no_claims_on_days(place: str) -> None:
    store = open_store(place)
    names = ("99999999", "2015-04-01", "\u0662\u0660\u0661\u0665\u0660\u0664\u0660\u0661", "x", "20150401")
    with store.staging() as folder:
        store.apply([Write(key=f"{KEY.rpartition('/')[0]}/{name}.json", content=b"{}") for name in names], folder)
    assert left(store, DOMAIN) == {DAY}
    sweep(place, DOMAIN)
    assert left(store, DOMAIN) == set()


def overtaken(place: str, run: Callable[..., Any]) -> None:
    """A run whose claim was void publishes nothing: whether the other is still at work or has come to its end."""
    with claimed(place, DOMAIN, DAY) as late:
        put(place, foreign(-1) | {"token": late.token})  # it was stopped until its claim ran out
        with claimed(place, DOMAIN, DAY, patience=10) as other:
            assert other.inherited
            with pytest.raises(ClaimedError, match="took the day over"):
                run(late)
            run(other)
        with pytest.raises(ClaimedError, match="took the day over"):
            run(late)


def test_a_run_that_was_overtaken_publishes_nothing(
    place: str, run_record: Callable[..., RunRecord], whole_tiles: Callable[..., Any]
) -> None:
    seeds = iter(range(9))
    overtaken(
        place,
        lambda claim: publish(
            place, run_record(DOMAIN, DAY), DOMAIN, whole_tiles(DOMAIN, seed=next(seeds)), claim=claim
        ),
    )
    item = find_item(place, DOMAIN, DAY)
    assert item is not None
    assert item["properties"]["version"] == "1"
    assert find_item(place, DOMAIN, DAY + dt.timedelta(days=1)) is None


def test_a_lost_claim_is_never_taken_back_by_its_renewal(place: str) -> None:
    with claimed(place, DOMAIN, DAY, lease=1.0) as claim:
        open_store(place).delete([KEY])
        assert claim.lost.wait(20)
        assert open_store(place).get(KEY) is None


def test_who_takes_over_between_check_and_commit_wins(
    place: str, run_record: Callable[..., RunRecord], whole_tiles: Callable[..., Any]
) -> None:
    """In a bucket nothing holds others off: the item is replaced only while it is the one seen before the check."""
    if "://" not in place:
        return  # a folder's lock is held from the look to the commit
    record, other = run_record(DOMAIN, DAY), run_record(DOMAIN, DAY)

    class Stopped:
        def check(self) -> None:
            publish(place, other, DOMAIN, whole_tiles(DOMAIN, seed=1))

    with pytest.raises(CatalogError, match="was faster"):
        publish(place, record, DOMAIN, whole_tiles(DOMAIN, seed=2), claim=Stopped())  # type: ignore[arg-type]


@pytest.mark.integration
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="tells a dead process by /proc")
def test_the_claim_of_a_killed_process_is_taken_over_at_once(tmp_path: Path) -> None:
    place = str(tmp_path / "catalog")
    process = subprocess.Popen([sys.executable, "-c", HOLDER, place], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(ClaimedError, match=f"process {process.pid} "), claimed(place, DOMAIN, DAY, patience=0):
        pass
    os.kill(process.pid, signal.SIGKILL)
    with claimed(place, DOMAIN, DAY, patience=10) as claim:  # though it is a zombie: nobody has waited for it
        assert claim.inherited
    process.wait()
    process.stdout.close()


def test_a_day_is_whole_when_its_links_are_there_and_no_claim_is_left(published_root: Path, tmp_path: Path) -> None:
    import shutil

    root = tmp_path / "catalog"
    shutil.copytree(published_root, root)
    days = [DAY + dt.timedelta(days=n) for n in range(3)]
    stood = standing(root, DOMAIN, days)
    assert {date: (day.revision, day.whole) for date, day in stood.items()} == {days[0]: (2, True), days[1]: (1, True)}
    put(str(root), foreign(60))
    assert {date: day.whole for date, day in standing(root, DOMAIN, days).items()} == {days[0]: False, days[1]: True}
    assert all(day.whole for day in standing(root, DOMAIN, days, held=True).values())
    (month,) = root.glob("*/2015/04/catalog.json")
    document = json.loads(month.read_text())
    document["links"] = [link for link in document["links"] if "20150402" not in link["href"]]
    month.write_text(json.dumps(document))
    assert not standing(root, DOMAIN, days, held=True)[days[1]].whole
    assert standing(tmp_path / "nowhere", DOMAIN, days) == {}
