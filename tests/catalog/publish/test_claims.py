"""One run makes a day at a time, in a folder as in a bucket, and a dead run blocks nobody."""

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from catalog.publish.claims import claimed, left
from catalog.publish.state import standing
from catalog.store.base import Write, open_store
from downscaler import product
from downscaler.errors import ClaimedError

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


def put(place: str, held: dict[str, Any]) -> None:
    store = open_store(place)
    with store.staging() as folder:
        store.apply([Write(key=KEY, content=json.dumps(held).encode())], folder)


def foreign(seconds: float) -> dict[str, Any]:
    """A claim of another machine's process that runs out in so many seconds."""
    until = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
    return {"token": "x", "machine": "elsewhere", "process": 1, "started": "1", "until": until.isoformat()}


def test_a_claim_is_held_by_one_and_leaves_nothing(place: str) -> None:
    with claimed(place, DOMAIN, DAY) as inherited:
        assert not inherited
        assert left(open_store(place), DOMAIN) == {DAY}
        with (
            pytest.raises(ClaimedError, match="Another run is making 2015-04-01"),
            claimed(place, DOMAIN, DAY, patience=0),
        ):
            pass
        with claimed(place, DOMAIN, DAY + dt.timedelta(days=1), patience=0):
            pass
    assert open_store(place).keys("claims/") == []
    with claimed(place, DOMAIN, DAY, patience=0) as inherited:
        assert not inherited


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
    with claimed(place, DOMAIN, DAY, patience=30) as inherited:
        assert inherited


def test_a_claim_outlives_its_lease_while_its_owner_works(place: str) -> None:
    with claimed(place, DOMAIN, DAY, lease=2.0):
        time.sleep(3.0)
        with pytest.raises(ClaimedError), claimed(place, DOMAIN, DAY, patience=0):
            pass


def test_a_torn_or_foreign_file_blocks_nobody(place: str) -> None:
    for held in ({}, {"until": "never"}, {"token": 1, "until": "2015-04-01"}):
        put(place, held)
        with claimed(place, DOMAIN, DAY, patience=0) as inherited:
            assert inherited


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
    with claimed(place, DOMAIN, DAY, patience=10) as inherited:  # though it is a zombie: nobody has waited for it
        assert inherited
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
