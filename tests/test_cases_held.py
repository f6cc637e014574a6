"""Each public oddity has a check by command and a test of this suite that holds its right value."""

from __future__ import annotations

import ast

import pytest

from tests.cases import CASES, CHECKS, HELD, ROOT


@pytest.mark.parametrize("case", sorted(HELD))
def test_the_test_that_holds_a_case_is_there(case: str) -> None:
    file, _, name = HELD[case].partition("::")
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_no_case_is_without_check_or_test() -> None:
    assert HELD.keys() == CHECKS.keys()
    if CASES.is_dir():
        assert {case.name for case in CASES.iterdir() if case.is_dir()} == CHECKS.keys()
