"""Benchmarks are run by hand, so that a name that moved would be missed there: all that they name is there."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

FILES = sorted((Path(__file__).parent / "benchmarks").rglob("*.py"))
OURS = ("downscaler", "catalog", "flows", "tests")


def imported(tree: ast.AST) -> Iterator[tuple[str, Any]]:
    """What a file imports from this project, by the name that it has there; ImportError where it is gone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in OURS:
            module = importlib.import_module(node.module)
            for alias in node.names:
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")
                yield alias.asname or alias.name, getattr(module, alias.name)


def lost(tree: ast.AST) -> Iterator[str]:
    """Attributes of this project's modules that a file uses and that are not there."""
    modules = {name: found for name, found in imported(tree) if isinstance(found, ModuleType)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            module = modules[node.value.id]
            if not hasattr(module, node.attr):
                yield f"{module.__name__}.{node.attr}, line {node.lineno}"


def test_what_benchmarks_name_is_there() -> None:
    assert len(FILES) > 20
    missing = {file.name: gone for file in FILES if (gone := list(lost(ast.parse(file.read_text(encoding="utf-8")))))}
    assert missing == {}


def test_what_is_gone_is_found() -> None:
    text = "from downscaler.day import analysis\nanalysis._levels_of.cache_clear()\nanalysis.analyse_day"
    assert list(lost(ast.parse(text))) == ["downscaler.day.analysis._levels_of, line 2"]
