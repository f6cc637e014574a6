"""Log lines as operators and collectors get them: run and day on each, no credential, in both forms."""

import datetime as dt
import json
import logging
from collections.abc import Iterator

import pytest

from flows import logs

DAY = dt.date(2024, 5, 23)


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """The loggers as they were."""
    named = [logging.getLogger(name) for name in (*logs.OURS, logs.DAYS)]
    before = [(logger, list(logger.handlers), logger.level) for logger in named]
    yield
    for logger, handlers, level in before:
        logger.handlers, logger.level = handlers, level


def test_json_lines_name_run_and_day_and_hide_credentials(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARTHDATA_TOKEN", "canary-7d1f")
    logs.start("json", run="abc")
    with logs.bound(day=DAY):
        logging.getLogger("flows.days").info("published %s", "with canary-7d1f")
        try:
            int("canary-7d1f")
        except ValueError:
            logging.getLogger("catalog.store.base").exception("broken")
    logging.getLogger("downscaler").warning("elsewhere")
    shown = capsys.readouterr().err
    lines = [json.loads(line) for line in shown.splitlines()]
    assert "canary-7d1f" not in shown
    assert [(line["run"], line["day"]) for line in lines] == [("abc", str(DAY)), ("abc", str(DAY)), ("abc", "-")]
    assert lines[0]["message"] == "published with [hidden]"
    assert "ValueError" in lines[1]["traceback"]


def test_a_terminal_shows_warnings_and_leaves_days_to_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    logs.start("rich", run="abc")
    with logs.bound(day=DAY):
        logging.getLogger("flows.days").error("told by the table already")
        logging.getLogger("flows.day.attempts").warning("Cannot record")
    shown = capsys.readouterr().err
    assert "Cannot record" in shown
    assert f"abc | {DAY}" in shown
    assert "table" not in shown


def test_auto_is_json_in_a_pod_and_for_people_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert logs.resolved("auto") == "json"
    assert logs.resolved("rich") == "rich"
