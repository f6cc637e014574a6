"""``vadose climatology build``: the file it leaves, what it says, how it fails."""

import json
from pathlib import Path
from typing import Any

import pytest


def test_build_and_info(vadose: Any, chain: Any, tmp_path: Path) -> None:
    where = "--domain=-98.4,34.4,-97.6,35.2"
    ended = vadose("climatology", "build", "--granules", chain.sample / "granules", where, "--out", "c.nc")
    assert ended.code == 0, ended.err
    assert "SPL3SMP_E" in ended.out
    facts = json.loads(vadose("info", tmp_path / "c.nc", "--json").out)
    assert facts["kind"] == "climatology"
    assert facts["simulated"] is True


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 3, "--granules DIR"),
        (["--granules", "absent"], 11, "not found"),
        (["--granules", ".", "--start", "2024-05-02", "--end", "2024-05-01"], 6, "ends before"),
        (["--granules", ".", "--product", "SPL4SMAU"], 3, "smap_product"),
        (["--granules", ".", "--domain", "demi"], 4, "demo"),
    ],
)
def test_failures_say_what_to_do(vadose: Any, arguments: list[str], code: int, says: str) -> None:
    ended = vadose("climatology", "build", "--out", "c.nc", *arguments)
    assert ended.code == code
    assert says in ended.err
