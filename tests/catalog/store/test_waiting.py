"""A lock that is held by a process that was stopped: told, and not waited for for ever."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from catalog.store import waiting
from catalog.store.folder import FolderStore
from downscaler.errors import CatalogError, ConfigError

HOLDER = """
import sys, time
from pathlib import Path
from catalog.store.folder import FolderStore
with FolderStore(Path(sys.argv[1])).lock():
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def stopped(tmp_path):
    """A process that was stopped while it holds the lock of a folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    os.kill(process.pid, signal.SIGSTOP)
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_writer_that_was_stopped_is_told_and_waited_for_within_a_limit(tmp_path, stopped, monkeypatch, caplog):
    monkeypatch.setenv(waiting.SETTING, "1.5")
    monkeypatch.setattr(waiting, "_TOLD_AFTER", 0.2)
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(CatalogError, match=f"process {stopped.pid} .*stopped.*waited [1-9]"),
        FolderStore(tmp_path).lock(),
    ):
        pass
    assert f"held by process {stopped.pid}" in caplog.text
    monkeypatch.setenv(waiting.SETTING, "60")
    threading.Timer(0.5, lambda: stopped.send_signal(signal.SIGKILL)).start()
    started = time.monotonic()
    with FolderStore(tmp_path).lock():
        assert time.monotonic() - started > 0.3


@pytest.mark.parametrize("given", ["soon", "-1", "nan", "inf"])
def test_patience_is_a_number_of_seconds(given, monkeypatch):
    monkeypatch.setenv(waiting.SETTING, given)
    with pytest.raises(ConfigError, match=f"VADOSE_LOCK_SECONDS.*{given}"):
        waiting.patience()
