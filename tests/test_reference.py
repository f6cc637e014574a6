"""The reference pages are those that the code writes, and the README stays short and in step with them."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from downscaler import errors
from downscaler.errors import VadoseError
from flows.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["commands", "settings", "exit-codes", "variables", "input-files"])
def test_the_page_is_what_the_code_writes(generate: ModuleType, name: str) -> None:
    pages = generate.pages()
    path = ROOT / "docs" / "reference" / f"{name}.md"
    assert path.read_text(encoding="utf-8") == pages[path], "run `make docs-reference`"


def test_every_setting_and_exit_code_is_documented_once() -> None:
    reference = ROOT / "docs" / "reference"
    keys = re.findall(r"^\| `(\w+)` \|", (reference / "settings.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert keys == list(Settings.model_fields)
    text = (reference / "exit-codes.md").read_text(encoding="utf-8")
    codes = [(int(code), name) for code, name in re.findall(r"^\| (\d+) \| `(\w+)` \|", text, re.MULTILINE)]
    assert len({code for code, _ in codes}) == len(codes)
    for code, name in codes:
        declared = getattr(errors, name)
        assert issubclass(declared, VadoseError)
        assert declared.exit_code == code


def test_every_command_of_the_pages_exists(generate: ModuleType) -> None:
    known = set(re.findall(r"^### `(vadose [\w -]+)`$", generate.commands(), re.MULTILINE))
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        blocks = "\n".join(re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))
        for line in re.findall(r"^vadose [a-z][\w -]*", blocks, re.MULTILINE):
            words = [word for word in re.split(r"\s+", line.strip()) if re.fullmatch(r"[a-z][a-z-]*", word)]
            assert {" ".join(words[:2]), " ".join(words[:3])} & known, f"{page.name}: {line}"


def test_the_readme_is_short_and_its_links_lead_somewhere() -> None:
    assert len(README.split()) <= 800
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target:
            assert (ROOT / target).is_file(), target
