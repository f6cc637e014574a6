"""The command line's forms, help, errors and exit codes."""

import datetime as dt
import json
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from downscaler import __version__
from downscaler.errors import PeriodError
from flows import console

COMMANDS = [
    "demo",
    "sample",
    "prior",
    "prior build",
    "climatology",
    "climatology build",
    "train",
    "run",
    "status",
    "backfill",
    "playground",
    "validate",
    "info",
    "serve",
    "download",
    "cube",
    "cube build",
    "cube update",
    "catalog",
    "catalog check",
    "catalog withdraw",
    "catalog sync",
]
FORMS = {
    "demo": ["--out", "--days"],
    "sample": ["--out", "--days", "--domain", "--seed"],
    "prior build": ["--domain", "--source", "--statics", "--out"],
    "climatology build": ["--granules", "--domain", "--out"],
    "train": ["--prior", "--out", "--json"],
    "run": ["--domain", "--granule", "--granules", "--prior", "--model", "--climatology", "--weather", "--out"],
    "backfill": ["--domain", "--granule", "--granules", "--prior", "--model", "--out", "--workers"],
    "status": ["--days", "--until", "--json", "--domain", "--granules", "--prior", "--model", "--out"],
    "playground": ["--domain", "--prior", "--per-layout", "--replicates", "--network", "--scheduler", "--out"],
    "validate": ["--stations", "--domain", "--catalog", "--prior", "--out", "--compare", "--third", "--min-pairs"],
    "info": ["--json"],
    "catalog check": ["--metadata-only", "--repair", "--min-age", "--json"],
    "catalog withdraw": ["--reason", "--of", "--domain", "--out"],
    "download": ["--bbox", "--start", "--end", "--asset", "--collection", "--out", "--workers"],
    "cube build": ["--collection", "--keep-days", "--json"],
    "cube update": ["--collection", "--keep-days", "--json"],
    "serve": ["--port", "--host", "--backend", "--dsn", "--public-url"],
    "catalog sync": ["--to", "--json"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(vadose: Any, command: str) -> None:
    ended = vadose(*command.split(), "--help")
    assert ended.code == 0
    assert "Usage" in ended.out
    assert not ended.err


@pytest.mark.parametrize(("command", "options"), FORMS.items())
def test_options_that_operators_script_against_stay(vadose: Any, command: str, options: list[str]) -> None:
    shown = vadose(*command.split(), "--help").out
    assert [option for option in options if not re.search(rf"{option}\b", shown)] == []


def test_version(vadose: Any) -> None:
    assert vadose("--version").out.strip() == f"vadose {__version__}"


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["run", "--days", "0"], ["backfill", "2024-05-01"], ["sample"], ["prior", "build", "x"]],
)
def test_wrong_usage_exits_2_and_says_why(vadose: Any, arguments: list[str]) -> None:
    ended = vadose(*arguments)
    assert ended.code == 2
    assert "Error" in ended.err
    assert not ended.out


def test_run_without_prior_or_model_says_how_to_make_them(vadose: Any, tmp_path: Path) -> None:
    ended = vadose("run", "2024-05-20")
    assert ended.code == 3
    assert "vadose prior build" in ended.err
    ended = vadose("run", "2024-05-20", "--prior", tmp_path)
    assert ended.code == 3
    assert "vadose train" in ended.err


@pytest.mark.parametrize(
    ("dates", "told"),
    [
        (("2020-02-30", "2020-03-01"), "Invalid date 2020-02-30; expected YYYY-MM-DD"),
        (("2020-03-01", "01.04.2020"), "01.04.2020"),
        (("2024-05-02", "2024-05-01"), "START <= END"),
        (("2024-05-02", "9999-01-01"), "future"),
        (("2015-03-30", "2015-04-02"), "2015-03-31 and later"),
    ],
)
def test_days_that_cannot_be_made_are_refused_before_any_work(vadose: Any, dates: tuple[str, str], told: str) -> None:
    ended = vadose("backfill", *dates, "--prior", "absent", "--model", "absent", "--out", "c")
    assert ended.code == 6
    assert told in ended.err
    assert not Path("c").exists()


def test_a_day_that_cannot_be_made_is_refused_before_any_work(vadose: Any) -> None:
    for day in ("2024-13-01", "2015-03-30", "9999-01-01"):
        assert vadose("run", day, "--prior", "absent", "--model", "absent").code == 6


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--until", "9999-01-01"),
        ("run", "--until", "2024-02-30"),
        ("status", "--until", "9999-01-01"),
        ("status", "--until", "2024-02-30"),
        ("status", "--until", "2015-03-30"),
        ("validate", "--start", "2024-02-30", "--stations", "absent"),
        ("sample", "--out", "build/s", "--start", "2024-02-30"),
        ("prior", "build", "x", "--source", "hydrodata", "--out", "build/p", "--start", "2024-02-30"),
        (
            "prior",
            "build",
            "x",
            "--source",
            "hydrodata",
            "--out",
            "build/p",
            "--start",
            "2024-02-02",
            "--end",
            "2024-02-01",
        ),
        ("climatology", "build", "--out", "build/c.nc", "--granules", "x", "--end", "1st of May"),
        (
            "climatology",
            "build",
            "--out",
            "build/c.nc",
            "--granules",
            "x",
            "--start",
            "2024-05-02",
            "--end",
            "2024-05-01",
        ),
        ("download", "x", "--out", "build/d", "--start", "2024-02-30"),
        ("download", "x", "--out", "build/d", "--start", "2024-05-02", "--end", "2024-05-01"),
        ("download", "x", "--out", "build/d", "--start", "9999-01-01"),
        ("composite", "9999-01-01", "--out", "build/c"),
        ("catalog", "withdraw", "2024-02-30", "--reason", "recalled", "--out", "build/c"),
        ("backfill", "2024-05-02", "2024-05-01", "--deployment", "daily/daily"),
        ("backfill", "2024-02-30", "2024-03-01", "--deployment", "daily/daily"),
        ("backfill", "2015-03-30", "2015-04-01", "--deployment", "daily/daily"),
        ("backfill", "2024-05-02", "9999-01-01", "--deployment", "daily/daily"),
    ],
)
def test_no_other_way_in_takes_such_a_day(vadose: Any, arguments: tuple[str, ...]) -> None:
    assert vadose(*arguments).code == 6
    assert not Path("build").exists()


@pytest.mark.parametrize(
    ("start", "end"), [("2024-05-02", "2024-05-01"), ("2024-05-02", "9999-01-01"), ("2015-03-30", "2015-04-02")]
)
def test_the_backfill_flow_refuses_such_days_before_any_work(start: str, end: str) -> None:
    from flows.server.daily import backfill

    with pytest.raises(PeriodError):
        backfill.fn(dt.date.fromisoformat(start), dt.date.fromisoformat(end), Path("absent.toml"))


@pytest.mark.parametrize("command", ["demo", "sample", "train", "evaluate", "explain", "validate --stations s"])
def test_a_file_where_a_folder_is_to_be_written_is_refused_before_any_work(vadose: Any, command: str) -> None:
    Path("notes.txt").write_text("kept")
    ended = vadose(*command.split(), "--out", "notes.txt")
    assert ended.code == 2
    assert "notes.txt" in ended.err
    assert Path("notes.txt").read_text() == "kept"


def test_a_doi_that_is_none_and_a_page_that_is_a_folder_are_refused(vadose: Any, tmp_path: Path) -> None:
    named = vadose("export", "metadata", "datacite", "--doi", "abc", "--catalog", "absent")
    assert named.code == 3
    assert "10.PREFIX/SUFFIX" in named.err
    assert vadose("catalog", "completeness", "2024-05-01", "2024-05-02", "--page", tmp_path).code == 2


def test_config_file_and_environment_reach_the_command(
    vadose: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "vadose.toml").write_text('priro = "x"\n')
    ended = vadose("run", "2024-05-20")
    assert ended.code == 3
    assert "Did you mean 'prior'" in ended.err
    (tmp_path / "other.toml").write_text('prior = "x"\n')
    assert "vadose train" in vadose("--config", "other.toml", "run", "2024-05-20").err
    monkeypatch.setenv("VADOSE_DOMIAN", "demo")
    assert "VADOSE_DOMAIN" in vadose("--config", "other.toml", "run", "2024-05-20").err


def test_debug_shows_the_traceback_before_or_after_the_command(vadose: Any) -> None:
    assert "Traceback" not in vadose("run", "2024-05-20").err
    assert "Traceback" in vadose("--debug", "run", "2024-05-20").err
    assert "Traceback" in vadose("run", "2024-05-20", "--debug").err


def test_a_blank_argument_is_refused_and_a_tilde_is_the_home(
    vadose: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for blank in (("--out", ""), ("--out", " "), ("--out=",)):
        ended = vadose("run", "2024-05-20", *blank)
        assert (ended.code, "An argument is blank" in ended.err) == (3, True)
    assert "after check" in vadose("catalog", "check", "").err
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert str(tmp_path / "home" / "x") in vadose("info", "~/x").err
    monkeypatch.setenv("VADOSE_PRIOR", "~/prior")
    monkeypatch.setenv("VADOSE_MODEL", " ")
    assert "VADOSE_MODEL" in vadose("run", "2024-05-20").err
    monkeypatch.setenv("VADOSE_MODEL", "model")
    assert f"{tmp_path}/home/prior" in vadose("run", "2024-05-20", "--granules=~/g").err


def test_unexpected_error_exits_1_with_a_hint(vadose: Any) -> None:
    ended = vadose("info", "a" * 5000)  # no file system takes such a name
    assert ended.code == 1
    assert "unexpected OSError" in ended.err
    assert "--debug" in ended.err
    assert "Traceback" not in ended.err


def test_info_on_nothing_and_on_the_unknown(vadose: Any, tmp_path: Path) -> None:
    assert "No such file or folder" in vadose("info", tmp_path / "absent.h5").err
    (tmp_path / "notes.txt").write_text("no data")
    ended = vadose("info", tmp_path / "notes.txt")
    assert ended.code == 3
    assert "Unrecognised file type" in ended.err
    assert "granule" in ended.err


def test_json_is_plain() -> None:
    value = {"a": np.float32(0.5), "b": dt.date(2024, 5, 20), "c": [float("nan"), np.arange(2)], "d": Path("x")}
    assert json.loads(console.as_json(value)) == {"a": 0.5, "b": "2024-05-20", "c": [None, [0, 1]], "d": "x"}


def test_help_starts_fast() -> None:
    """No science, no Prefect, no STAC is imported for a help page."""
    script = (
        "import sys; sys.argv = ['vadose', '--help']\n"
        "import atexit\n"
        "heavy = {'numpy', 'xarray', 'xgboost', 'prefect', 'pystac', 'rasterio', 'pydantic', 'uvicorn'}\n"
        "heavy |= {'earthaccess', 'hf_hydrodata', 'requests'}\n"
        "atexit.register(lambda: print('HEAVY', sorted(heavy & set(sys.modules))))\n"
        "from flows.cli import main; main()\n"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert "HEAVY []" in done.stdout
    # computing, whatever else the machine does meanwhile; the list above is the sharp test
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 5.0


@pytest.mark.parametrize(
    ("options", "named"),
    [(("--layer", "layer2", "--every-day"), "--every-day"), (("--every-day", "--compare", "x.nc"), "--compare")],
)
def test_options_of_validate_that_would_be_passed_over_are_refused(vadose, tmp_path, options, named):
    run = vadose("validate", *options, "--stations", "x", "--catalog", tmp_path, "--domain", "demo")
    assert run.code == 3
    assert "do not go together" in run.err
    assert named in run.err
