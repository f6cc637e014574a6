"""A credential that a server quotes back, in twelve forms, stands nowhere that a person or a program reads."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3
from canary import FORMS, TOKEN, traces
from earthaccess.exceptions import DownloadFailure

from flows import logs

DAY = "2024-05-23"


def written(folder: Path) -> str:
    """All that lies below a folder, as text."""
    return "\n".join(p.read_text(encoding="utf-8", errors="replace") for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("form", FORMS)
def test_no_form_is_told_by_run_status_debug_logs_or_records(
    form: str, vadose: Any, made: Path, tmp_path: Path, earthdata: Any, pointed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pointed(cache=tmp_path / "cache", smap_source="earthdata", retries=0)
    monkeypatch.setenv("EARTHDATA_TOKEN", TOKEN)
    quoted = FORMS[form](TOKEN)
    common = ("--domain=-94.9,34.3,-94.4,34.6", "--prior", made / "prior", "--model", made / "model")
    said = []
    for status in (-400, -401):
        earthdata.statuses, earthdata.texts = {"search": [status]}, {-status: f"refused {quoted} here"}
        for log_format in ("json", "rich"):
            monkeypatch.setenv("VADOSE_LOG_FORMAT", log_format)
            ended = vadose("--debug", "run", DAY, *common, "--out", tmp_path / "c")
            assert ended.code in (80, 82), ended.err
            said += [ended.out, ended.err]
    monkeypatch.setenv("VADOSE_CATALOG", str(tmp_path / "c"))
    ended = vadose("status", "--domain=-94.9,34.3,-94.4,34.6")
    said += [ended.out, ended.err, written(tmp_path)]
    assert not traces("\n".join(said))


def _log(error: Exception) -> None:
    """As code does that catches what a library raises."""
    try:
        raise error
    except (requests.RequestException, urllib3.exceptions.HTTPError, DownloadFailure):
        logging.getLogger("downscaler").exception("stopped by %r", error)


@pytest.mark.parametrize("form", FORMS)
def test_no_exception_of_a_library_tells_it_in_a_log(
    form: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARTHDATA_TOKEN", TOKEN)
    quoted = FORMS[form](TOKEN)
    raised = (
        requests.exceptions.InvalidHeader(f"Invalid header value {quoted}"),
        urllib3.exceptions.LocationParseError(quoted),
        DownloadFailure(f"cannot fetch with {quoted}"),
    )
    named = [logging.getLogger(name) for name in (*logs.OURS, logs.DAYS)]
    before = [(logger, list(logger.handlers), logger.level) for logger in named]
    try:
        for log_format in ("json", "rich"):
            logs.start(log_format, run="abc")  # type: ignore[arg-type]
            for error in raised:
                _log(error)
    finally:
        for logger, handlers, level in before:
            logger.handlers, logger.level = handlers, level
    shown = capsys.readouterr().err
    assert shown.count("stopped by") >= 6
    assert not traces(shown)
