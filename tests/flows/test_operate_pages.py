"""Every command of docs/operate/ is run here, page by page, or its page says why not and when it was run."""

import datetime as dt
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flows.day.jobs import DayJob
from flows.days.plan import make_period

pytestmark = pytest.mark.integration

PAGES = Path(__file__).resolve().parents[2] / "docs" / "operate"
DOMAIN = "-94.9,34.3,-94.4,34.6"
EXCUSE = "*Not run by a test"
SMALL = {"VADOSE_TRAINING_ROWS": "20000", "VADOSE_TRAINING_ROUNDS": "20", "VADOSE_PRODUCTS": "conserving"}


@dataclass(frozen=True)
class Block:
    """Lines of a shell block, and the paragraph before it."""

    page: str
    lines: tuple[str, ...]
    before: str

    @property
    def excused(self) -> bool:
        return self.before.startswith(EXCUSE)


def blocks() -> Iterator[Block]:
    for path in sorted(PAGES.glob("*.md")):
        text, before = path.read_text(encoding="utf-8"), ""
        for part in re.split(r"(^[ ]*```\w*\n.*?^[ ]*```$)", text, flags=re.MULTILINE | re.DOTALL):
            found = re.fullmatch(r"[ ]*```(\w*)\n(.*?)^[ ]*```", part, flags=re.MULTILINE | re.DOTALL)
            if found is None:
                before = part.strip().split("\n\n")[-1].strip()
            elif found[1] == "sh":
                joined = found[2].replace("\\\n", " ")
                yield Block(path.stem, tuple(line.strip() for line in joined.splitlines() if line.strip()), before)


BLOCKS = list(blocks())


@pytest.fixture(scope="module")
def base(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site as an operator has it, with its days published."""
    folder = tmp_path_factory.mktemp("operate") / "site"
    folder.mkdir()
    for name in ("prior", "model"):
        shutil.copytree(made / name, folder / name)
    for name in ("granules", "stations"):
        shutil.copytree(made / "sample" / name, folder / name)
    (folder / "vadose.toml").write_text(
        f'domain = "{DOMAIN}"\nprior = "prior"\nmodel = "model"\ngranules = "granules"\ncatalog = "published"\n'
        'stations = ["stations"]\n'
    )
    job = DayJob(
        domain=DOMAIN,
        prior=folder / "prior",
        model=folder / "model",
        catalog=str(folder / "published"),
        folder=folder / "granules",
    )
    days = make_period(job, dt.date(2024, 5, 23), dt.date(2024, 5, 27))
    assert "failed" not in {outcome.status for outcome in days}
    return folder


@pytest.mark.parametrize("page", sorted({block.page for block in BLOCKS}))
def test_commands_of_a_page_in_their_order(
    page: str, base: Path, vadose: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    shutil.copytree(base, site)
    monkeypatch.chdir(site)
    for name, value in SMALL.items():
        monkeypatch.setenv(name, value)
    for line in (line for block in BLOCKS if block.page == page and not block.excused for line in block.lines):
        words = shlex.split(line, comments=True)
        with monkeypatch.context() as here:
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                here.setenv(*words.pop(0).split("=", 1))
            if words[0] == "vadose":
                ended = vadose(*words[1:])
                assert ended.code == 0, f"{line}\n{ended.out}\n{ended.err}"
            else:
                done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, env=os.environ)
                assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


def test_what_is_not_run_says_when_it_was() -> None:
    excused = [block for block in BLOCKS if block.excused]
    assert len(excused) < len(BLOCKS) / 2
    for block in excused:
        assert re.search(
            r"run on \d{4}-\d\d-\d\d|[Nn]ever run here|Never here|held against|is run by|run against|validated",
            " ".join(block.before.split()),
        ), f"{block.page}: {block.before}"


def test_every_page_is_in_the_index_and_the_site() -> None:
    names = {path.name for path in PAGES.glob("*.md")} - {"index.md"}
    assert set(re.findall(r"\]\((\w[\w-]*\.md)\)", (PAGES / "index.md").read_text(encoding="utf-8"))) == names
    nav = (PAGES.parents[1] / "mkdocs.yml").read_text(encoding="utf-8")
    assert all(f"operate/{name}" in nav for name in (*names, "index.md"))
