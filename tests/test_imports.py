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
ORDER: dict[str, tuple[tuple[str, ...], ...]] = {
    "downscaler": (
        ("errors",),
        ("records",),
        ("ground",),
        ("product",),
        ("method", "sources", "simulation"),
        ("stores", "learn"),
        ("skill", "day"),
        ("explain", "validation", "playground"),
        ("report",),
    ),
    "flows": (
        ("console", "settings"),
        ("logs",),
        ("day",),
        ("days",),
        ("studies",),
        ("server",),
        ("commands",),
        ("cli",),
    ),
}
"""Folders and modules of each package from the ground up; each knows those below it, and none beside it."""
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


def imported_modules(tree: ast.AST, module: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Line and dotted path of every import, a name that is imported from a package as if it were a module of it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, tuple(alias.name.split("."))) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.relative_to(ROOT).parts[: -node.level] if node.level else ()
            base = (*above, *(node.module or "").split(".")) if node.module else above
            yield from ((node.lineno, (*base, alias.name)) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            yield from ((node.lineno, tuple(ast.literal_eval(argument).split("."))) for argument in node.args[:1])


def upward(package: str, module: Path) -> list[str]:
    """Imports of a module that go up, or sideways, in the order of its package's folders."""
    level = {name: number for number, names in enumerate(ORDER[package]) for name in names}
    own = module.relative_to(ROOT / package).parts[0].removesuffix(".py")
    if own == "__init__":
        return []
    wrong = []
    for line, path in imported_modules(ast.parse(module.read_text(encoding="utf-8")), module):
        other = path[1] if len(path) > 1 and path[0] == package else own
        if other in level and other != own and level[other] >= level[own]:
            wrong.append(f"line {line}: {other}")
    return wrong


@pytest.mark.parametrize("package", ORDER)
def test_every_folder_has_its_place_in_the_order(package: str) -> None:
    found = {path.relative_to(ROOT / package).parts[0].removesuffix(".py") for path in (ROOT / package).rglob("*.py")}
    assert found - {"__init__"} == {name for names in ORDER[package] for name in names}


@pytest.mark.parametrize(
    ("package", "module"),
    [(package, path) for path in MODULES if (package := path.relative_to(ROOT).parts[0]) in ORDER],
    ids=lambda value: value if isinstance(value, str) else value.relative_to(ROOT).as_posix(),
)
def test_folders_import_only_downwards(package: str, module: Path) -> None:
    assert not upward(package, module), "imports go one way, from report and commands down to the ground"


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
