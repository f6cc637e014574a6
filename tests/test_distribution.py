"""The wheel, installed outside the tree, is whole: three packages, the command, the data files."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"downscaler", "catalog", "flows"}
SHIPPED = [*PACKAGES, "pyproject.toml", "README.md", "LICENSE"]


def call(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Output of a command; fails the test with what it said."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh folder into which the wheel, built from a copy of the tree, was installed."""
    work = tmp_path_factory.mktemp("wheel")
    tree = work / "tree"
    tree.mkdir()
    for name in SHIPPED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tree / name)
    call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", work, tree, cwd=work)
    (wheel,) = work.glob("vadose-*.whl")
    target = work / "site"
    pip = (sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-index", "--no-deps")
    call(*pip, "--target", target, wheel, cwd=work)
    return target


def test_wheel_has_exactly_three_top_levels(installed: Path) -> None:
    tops = {path.name for path in installed.iterdir() if path.is_dir() and not path.name.endswith(".dist-info")}
    assert tops - {"bin", "__pycache__"} == PACKAGES


def test_wheel_holds_every_file_of_the_packages(installed: Path) -> None:
    def files(folder: Path) -> set[str]:
        found = (path.relative_to(folder) for package in PACKAGES for path in (folder / package).rglob("*"))
        return {path.as_posix() for path in found if "__pycache__" not in path.parts and path.suffix}

    assert files(installed) == files(ROOT)


def test_command_runs_from_the_installed_wheel(installed: Path, tmp_path: Path) -> None:
    script = (
        "import sys, importlib.metadata as m\n"
        "import flows, catalog, downscaler\n"
        "print([p.__file__ for p in (flows, catalog, downscaler)])\n"
        "(entry,) = m.distribution('vadose').entry_points.select(group='console_scripts')\n"
        "sys.argv = [entry.name, '--version']\n"
        "entry.load()()\n"
    )
    out = call(sys.executable, "-c", script, cwd=tmp_path, PYTHONPATH=str(installed))
    assert out.count(str(installed)) == 3, out
    assert "vadose 0." in out


def test_upload_is_barred_and_licence_shipped(installed: Path) -> None:
    (metadata,) = installed.glob("vadose-*.dist-info/METADATA")
    assert "Classifier: Private :: Do Not Upload" in metadata.read_text(encoding="utf-8")
    (licence,) = metadata.parent.rglob("LICENSE")
    assert licence.read_bytes() == (ROOT / "LICENSE").read_bytes()


@pytest.mark.parametrize("path", ["working folder first", "working folder as Prefect adds it"])
def test_folders_named_as_the_packages_do_not_shadow_them(tmp_path: Path, path: str) -> None:
    """A catalogue may be called ``catalog``, also where the code is a clone's (``make setup``)."""
    for package in PACKAGES:
        (tmp_path / package / "2024").mkdir(parents=True)
    look = "import catalog, downscaler, flows; print(*(p.__file__ for p in (catalog, downscaler, flows)), sep='\\n')"
    if path != "working folder first":
        look = f"import sys; sys.path.insert(0, '.'); {look}"
    said = call(sys.executable, "-c", look, cwd=tmp_path, PYTHONPATH="")
    assert len(said.split()) == len(PACKAGES)
    assert not [line for line in said.split() if line.startswith(str(tmp_path)) or not line.endswith("__init__.py")]
