"""A pytest plugin that adds up what the tests of each folder cost: CPU seconds of a process and of those it waited for.

``make test-cpu`` loads it (``-p cpu_by_folder``). Seconds of computing say more than the clock on a busy machine.
What is built once for a run counts where it is built first.
"""

from __future__ import annotations

import resource
import time
from collections import Counter
from collections.abc import Iterator

import pytest

SPENT = pytest.StashKey[dict[str, Counter]]()
ALL = pytest.StashKey[list[dict[str, dict[str, float]]]]()


def cpu_seconds() -> float:
    """User and system time of this process and of its finished children."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SPENT] = {"cpu": Counter(), "wall": Counter(), "tests": Counter()}
    config.stash[ALL] = []
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(FromWorkers(config))


class FromWorkers:
    """Takes what each worker of pytest-xdist has counted."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    def pytest_testnodedown(self, node: object) -> None:
        self.config.stash[ALL].append(getattr(node, "workeroutput", {}).get("cpu_by_folder", {}))


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """What a process costs up to its first test, imports above all, is a row of its own."""
    start = 0.0, time.perf_counter()
    try:
        return (yield)
    finally:
        _count(session.config, "(imports and collection)", start, tests=0)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    start = cpu_seconds(), time.perf_counter()
    try:
        return (yield)
    finally:
        _count(item.config, item.path.relative_to(item.config.rootpath).as_posix(), start, tests=1)


def _count(config: pytest.Config, place: str, start: tuple[float, float], *, tests: int) -> None:
    spent = config.stash[SPENT]
    spent["cpu"][place] += cpu_seconds() - start[0]
    spent["wall"][place] += time.perf_counter() - start[1]
    spent["tests"][place] += tests


def pytest_sessionfinish(session: pytest.Session) -> None:
    mine = {kind: dict(counted) for kind, counted in session.config.stash[SPENT].items()}
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["cpu_by_folder"] = mine
    else:
        session.config.stash[ALL].append(mine)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    files = {kind: Counter() for kind in ("cpu", "wall", "tests")}
    for counted in config.stash[ALL]:
        for kind, found in counted.items():
            files[kind].update(found)
    folders = {kind: Counter() for kind in files}
    for kind, found in files.items():
        for place, amount in found.items():
            folders[kind][place.rpartition("/")[0] or place] += amount
    tell = terminalreporter
    tell.section("CPU seconds by folder, then the files that cost most")
    for of, rows in ((folders, sorted(folders["cpu"].items())), (files, files["cpu"].most_common(25))):
        tell.line(f"{'CPU s':>8} {'wall s':>8} {'tests':>6}")
        for place, cpu in rows:
            tell.line(f"{cpu:8.1f} {of['wall'][place]:8.1f} {of['tests'][place]:6.0f}  {place}")
    tell.line(f"{sum(files['cpu'].values()):8.1f} {sum(files['wall'].values()):8.1f} {'':6}  in all")
