"""The lock files: one for running, one for developing that holds it, and nothing of the machine that wrote them."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "requirements-dev.lock")


def pins(lock: str) -> set[str]:
    """The pins of a lock file with their markers, as they stand: ``name==version ; marker``."""
    return set(re.findall(r"^([a-z0-9][^\s=]*==[^\\\n]+?) *\\?$", (ROOT / lock).read_text(), flags=re.MULTILINE))


def names(requirements: list[str]) -> set[str]:
    return {re.match(r"[\w.-]+", text)[0].lower().replace("_", "-") for text in requirements}


@pytest.mark.parametrize("lock", LOCKS)
def test_no_host_or_folder_of_a_machine_stands_in_it(lock):
    assert not re.search(r"https?://|file:|--index|--extra-index|--find-links|(^|[\s=])/", (ROOT / lock).read_text())


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_hashes(lock):
    text = (ROOT / lock).read_text()
    assert len(pins(lock)) == len(re.findall(r"^[a-z0-9][^\n]*\\\n    --hash=sha256:", text, flags=re.MULTILINE))


def test_what_runs_is_what_was_developed_with():
    assert pins(LOCKS[0]) < pins(LOCKS[1])


def test_the_product_s_engine_is_of_one_version_on_all_pythons():
    for name in ("xgboost-cpu", "numpy", "pyproj", "icechunk"):
        assert len([pin for pin in pins(LOCKS[0]) if pin.startswith(f"{name}==")]) == 1, name


def test_everything_declared_is_locked_and_what_only_developers_need_is_not_in_an_image():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    locked = [{pin.split("==")[0].split("[")[0] for pin in pins(lock)} for lock in LOCKS]
    running = names(project["dependencies"]) | set().union(
        *(names(needs) for extra, needs in extras.items() if extra not in ("dev", "docs", "chart"))
    )
    assert running <= locked[0]
    assert running | names(extras["dev"]) | names(extras["docs"]) <= locked[1]
    assert not locked[0] & {"pytest", "mypy", "ruff", "moto", "numba", "mkdocs", "uv"}
