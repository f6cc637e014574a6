"""The command line as its user meets it: arguments in, exit code and both streams out."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from once import built_once
from prefect_server import free_port, serving, using, wait_for_server


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture
def vadose(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Runs ``vadose ARGUMENTS...`` in an empty working folder, without settings from outside."""
    from flows.cli import main

    for name in [name for name in os.environ if name.upper().startswith("VADOSE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("VADOSE_PRODUCTS", "conserving")  # but for tests that ask for the analysis
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["vadose", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        streams = capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return Ended(code, streams.out, streams.err)

    return run


@pytest.fixture(scope="session")
def command() -> Callable[..., str]:
    """Runs ``vadose ARGUMENTS...`` in a process of its own, in folder ``cwd``, training small models; its output."""
    small = {"VADOSE_TRAINING_ROWS": "20000", "VADOSE_TRAINING_ROUNDS": "20", "VADOSE_PRODUCTS": "conserving"}

    def run(*arguments: object, cwd: Path) -> str:
        line = [sys.executable, "-m", "flows.cli", *map(str, arguments)]
        settings = {"PATH": "/usr/bin:/bin", "HOME": str(cwd), "OMP_WAIT_POLICY": "PASSIVE", **small}
        done = subprocess.run(line, cwd=cwd, env=settings, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, command: Callable[..., str]) -> Path:
    """Folder with a sample of five days from 2024-05-23 on, a prior and a model, made by the three commands."""
    where = "--domain=-94.9,34.3,-94.4,34.6"

    def build(work: Path) -> None:
        command("sample", "--out", "sample", "--days", 5, where, "--history", 90, cwd=work)
        native = work / "sample" / "prior"
        source = ("--source", "netcdf", native / "daily.nc", "--statics", native / "static.nc")
        command("prior", "build", where, *source, "--out", "prior", cwd=work)
        told = command("train", "--prior", "prior", "--out", "model", "--json", cwd=work)
        (work / "training.json").write_text(told, encoding="utf-8")

    return built_once(tmp_path_factory, "made", build)


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prefect server: one for all tests of this process, since each start takes 7 s of computing.

    A test that leaves deployments, pools or automations there takes them away.
    """
    api = f"http://127.0.0.1:{free_port()}/api"
    brisk = {"PREFECT_SERVER_SERVICES_TRIGGERS_PG_NOTIFY_RECONNECT_INTERVAL_SECONDS": "2"}
    with serving(tmp_path_factory.mktemp("prefect"), api, brisk):
        wait_for_server(api)
        yield api


@pytest.fixture(scope="module")
def server(prefect_api: str) -> Iterator[str]:
    """The flows of a module run against the server of this process."""
    with using(prefect_api) as api:
        yield api
