"""Imports point one way: flows -> catalog -> downscaler."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FORBIDDEN = {
    "downscaler": {"catalog", "flows", "prefect", "pystac", "typer", "rich"},
    "catalog": {"flows", "prefect", "typer", "rich"},
    "flows": set(),
}
MODULES = sorted(path for package in FORBIDDEN for path in (ROOT / package).rglob("*.py"))


def imported(tree: ast.AST, module: Path) -> Iterator[tuple[int, str]]:
    """Line and top-level package of every import, also inside functions and by ``import_module("...")``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            inside = node.level > 0
            yield node.lineno, module.relative_to(ROOT).parts[0] if inside else (node.module or "").split(".")[0]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            for argument in node.args[:1]:
                assert isinstance(argument, ast.Constant), f"{module}:{node.lineno} imports a computed name"
                yield node.lineno, str(argument.value).split(".")[0]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_module_imports_only_downwards(module: Path) -> None:
    package = module.relative_to(ROOT).parts[0]
    wrong = [
        f"line {line}: {name}"
        for line, name in imported(ast.parse(module.read_text(encoding="utf-8")), module)
        if name in FORBIDDEN[package]
    ]
    assert not wrong, f"{package} may not import these: {wrong}"


def test_the_checker_sees_every_form_of_import() -> None:
    source = (
        "import a.b\nfrom c.d import e\nfrom . import f\ndef g():\n    import h\n    importlib.import_module('i.j')\n"
    )
    seen = [name for _, name in imported(ast.parse(source), ROOT / "catalog" / "x.py")]
    assert sorted(seen) == ["a", "c", "catalog", "h", "i"]


def test_every_package_has_modules() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in MODULES} == set(FORBIDDEN)
