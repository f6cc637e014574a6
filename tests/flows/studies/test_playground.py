"""``vadose playground`` as its users meet it: whole, killed and gone on, on a cluster, and with what it refuses."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pandas as pd
import psutil
import pytest

from downscaler.errors import ConfigError
from downscaler.ground.grid import M01
from downscaler.playground.methods import METHODS
from flows.days.cluster import connected

ASKED = ("--per-layout", 5, "--replicates", 2)
TABLES = ("figures", "scores", "maps")
MADE = re.compile(r'<p id="made">.*?</p>')


def told(folder):
    """The page without its declared times, and the bytes of the tables."""
    page = (folder / "playground.html").read_text()
    assert len(MADE.findall(page)) == 1
    return MADE.sub("", page), *((folder / f"{name}.parquet").read_bytes() for name in TABLES)


def records(folder):
    return sorted((folder / "cells").rglob("*.npz"))


@pytest.fixture(scope="module")
def whole(little, tmp_path_factory):
    """A run that nothing interrupted, in one process."""
    folder = tmp_path_factory.mktemp("whole")
    start(little.path, folder, "--workers", 1).wait(timeout=300)
    assert (folder / "playground.html").is_file()
    return folder


def start(prior, folder, *more):
    line = [sys.executable, "-m", "flows.cli", "playground", "--prior", prior, *ASKED, "--out", folder, *more]
    settings = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    return subprocess.Popen([*map(str, line)], env=settings, stdout=subprocess.DEVNULL, cwd=folder)


@pytest.mark.integration  # beside the other tests of this run, which is dear
def test_the_report_is_whole(whole):
    page, *_ = told(whole)
    assert page.count("data:image/png;base64,") == 8
    opening = page[page.index("<ol>") : page.index("</ol>")]
    assert opening.count("<li") == 3
    assert len(re.findall(r"\[[−+][0-9.]+, [−+][0-9.]+\] m³ m⁻³", opening)) == 4
    assert "SIMULATED SAMPLE" in page
    assert not re.search(r'(src|href)="(?!data:)', page)  # self-contained
    figures, scores, maps = (pd.read_parquet(whole / f"{name}.parquet") for name in TABLES)
    assert set(figures["quantity"]) == {"skill", "optimism", "location_penalty", "gain", "fold_distance"}
    assert (figures["low"] <= figures["high"]).all()
    assert set(scores["method"]) == {method.name for method in METHODS}
    assert scores["replicate"].nunique() == 2
    assert {"stations_biased", "rmse_stations_coarse_random", "rmse_physics_everywhere_everywhere"} <= set(maps)
    assert maps["stations_random"].sum() == 2 * 5
    assert maps["x"].diff().dropna().abs().mode()[0] == pytest.approx(M01.cell)


@pytest.mark.integration
def test_killed_half_way_and_started_again_it_tells_the_same(whole, little, tmp_path):
    total = len(records(whole))
    running = start(little.path, tmp_path, "--workers", 2)
    while len(records(tmp_path)) < total // 3:
        assert running.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    children = psutil.Process(running.pid).children(recursive=True)
    running.send_signal(signal.SIGKILL)
    assert running.wait(timeout=30) == -signal.SIGKILL
    kept = {path: path.stat().st_mtime_ns for path in records(tmp_path)}
    assert 0 < len(kept) < total
    assert not (tmp_path / "playground.html").exists()
    assert not psutil.wait_procs(children, timeout=30)[1]  # workers end with their parent
    assert start(little.path, tmp_path, "--workers", 2).wait(timeout=300) == 0
    assert len(records(tmp_path)) == total
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())  # finished cells are kept
    assert told(tmp_path) == told(whole)


@pytest.mark.slow
def test_on_a_cluster_it_tells_the_same(vadose, whole, little, tmp_path):
    line = [sys.executable, "-c", CLUSTER]
    settings = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    with subprocess.Popen(line, env=settings, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as cluster:
        address = json.loads(cluster.stdout.readline())
        ended = vadose("playground", "--prior", little.path, *ASKED, "--out", tmp_path, "--scheduler", address)
        cluster.stdin.close()
        cluster.wait(timeout=60)
    assert ended.code == 0, ended.err
    assert told(tmp_path) == told(whole)


CLUSTER = """
import json, sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster:
        print(json.dumps(cluster.scheduler_address), flush=True)
        sys.stdin.read()
"""


@pytest.mark.integration
def test_findings_are_printed_and_a_finished_run_only_tells_them_again(vadose, whole, little):
    before = {path: path.stat().st_mtime_ns for path in records(whole)}
    ended = vadose("playground", "--prior", little.path, *ASKED, "--out", whole, "--workers", 1)
    assert ended.code == 0, ended.err
    for words in ("make a playground", "spatial overfitting", "unwarranted confidence", "95 % interval"):
        assert words in ended.out
    assert str(whole / "playground.html") in ended.out
    assert {path: path.stat().st_mtime_ns for path in records(whole)} == before
    assert "0 of 22 cells worked out in this run" in (whole / "playground.html").read_text()


def test_without_a_prior_it_says_which_one_it_needs(vadose):
    ended = vadose("playground", "--domain", "upper-verde")
    assert ended.code == 3
    assert "vadose prior build --domain upper-verde" in ended.err
    assert "--prior PRIOR" in ended.err


def test_bad_requests_end_with_their_own_codes(vadose, little, tmp_path):
    (tmp_path / "no.csv").write_text("a,b\n1,2\n")
    (tmp_path / "no.toml").write_text("roads = 1\n")
    mine = ("playground", "--prior", little.path, "--out", tmp_path / "out")
    assert vadose("playground", "--prior", tmp_path).code == 21
    assert vadose(*mine, "--domain", "upper-verde").code == 22
    assert vadose(*mine, "--network", tmp_path / "no.csv").code == 50
    assert vadose(*mine, "--propensity", tmp_path / "no.toml").code == 3
    assert vadose(*mine, "--replicates", 1).code == 2
    assert vadose(*mine, "--per-layout", 2).code == 2
    assert vadose("playground", "--prior", little.path, "--out", tmp_path / "no.csv").code == 75
    assert not (tmp_path / "out" / "playground.html").exists()


def test_no_scheduler_is_an_error_that_names_it(vadose, little, tmp_path):
    ended = vadose("playground", "--prior", little.path, "--out", tmp_path, "--scheduler", "nonsense://x")
    assert ended.code == 3
    assert "nonsense://x" in ended.err


@pytest.mark.parametrize("address", ["nohost", "local:0", "tcp://", "tcp://host", "host:8786"])
def test_what_is_no_address_of_a_scheduler_is_refused_before_anyone_is_asked(address):
    with pytest.raises(ConfigError, match=r"no address of a scheduler.*tcp://HOST:PORT"), connected(address):
        pass
