"""Imports point one way: flows -> catalog -> downscaler, and inside each package from its last folders to its first."""

import ast
import graphlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FORBIDDEN = {
    "downscaler": {"catalog", "flows", "prefect", "pystac", "typer", "rich"},
    "catalog": {"flows", "prefect", "typer", "rich"},
    "flows": set(),
}
ORDER: dict[str, tuple[tuple[str, ...], ...]] = {
    "catalog": (
        ("naming", "schemas", "store"),
        ("rasters",),  # files without a catalogue: an item declares what they are, so items lie above
        ("items",),
        ("reading",),
        ("cube", "download", "publish"),
        ("export",),
        ("metrics",),
        ("check",),  # looks at all that lies in a catalogue, the cubes too, and mends it
        ("api",),
    ),
    "downscaler": (
        ("errors",),
        ("parts", "records"),
        ("ground",),
        ("product",),
        ("method", "sources", "simulation"),
        ("stores", "learn"),
        ("skill", "day", "derived"),
        ("explain", "validation", "playground"),
        ("report",),
    ),
    "flows": (
        ("console", "light", "settings"),
        ("logs",),
        ("day",),
        ("days",),
        ("derived",),
        ("alerts",),
        ("studies",),
        ("doctor",),
        ("server",),
        ("commands",),
        ("cli",),
    ),
}
"""Folders (and single modules) of a package from the ground up; those of one level know nothing of each other."""
HEAVY = {"catalog"}  # what its own `__init__` imports would make a circle of an import of it from inside
MOST_MODULES = 15  # of a folder, `__init__.py` not counted
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


def edges(package: str) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Every import inside a package, both ends as parts of a path below it; the package's own front is ``()``."""
    for module in (path for path in MODULES if path.relative_to(ROOT).parts[0] == package):
        own = module.relative_to(ROOT / package).with_suffix("").parts
        own = own[:-1] if own[-1] == "__init__" else own
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            for name in _named(node, (package, *own)):
                if name[0] == package:
                    yield own, name[1:]


def _named(node: ast.AST, module: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The modules that a statement imports; a name in ``from a import b`` counts where ``a/b`` is a module."""
    if isinstance(node, ast.Import):
        yield from (tuple(alias.name.split(".")) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = module[: len(module) - node.level] if node.level else ()
        base = (*above, *(node.module or "").split(".")) if node.module else above
        inside = [(*base, alias.name) for alias in node.names if _is_module((*base, alias.name))]
        yield from inside
        if len(inside) < len(node.names):
            yield base


def _is_module(parts: tuple[str, ...]) -> bool:
    path = ROOT.joinpath(*parts)
    return path.is_dir() or path.with_suffix(".py").is_file()


@pytest.mark.parametrize("package", ORDER)
def test_folders_import_only_those_before_them(package: str) -> None:
    level = {name: number for number, names in enumerate(ORDER[package]) for name in names}
    wrong = [
        f"{package}.{'.'.join(own)} imports {package}.{'.'.join(other)}"
        for own, other in edges(package)
        if own and (level[other[0]] >= level[own[0]] and other[0] != own[0] if other else package in HEAVY)
    ]
    assert not wrong, f"Imports against the order of {package}: {wrong}"


@pytest.mark.parametrize("package", ORDER)
def test_every_folder_has_its_place(package: str) -> None:
    there = {path.relative_to(ROOT / package).with_suffix("").parts[0] for path in MODULES if package in path.parts}
    assert there - {"__init__"} == {name for names in ORDER[package] for name in names}


@pytest.mark.parametrize("package", ORDER)
def test_no_circle_in_any_folder(package: str) -> None:
    """Modules and folders that lie in one folder may need each other, but never in a circle."""
    graphs: dict[tuple[str, ...], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for own, other in edges(package):
        shared = next((i for i, pair in enumerate(zip(own, other, strict=False)) if pair[0] != pair[1]), None)
        if shared is not None:
            graphs[own[:shared]][own[shared]].add(other[shared])
    circles = [found for graph in graphs.values() if (found := circle(graph))]
    assert not circles, f"Circles in {package}: {circles}"


def circle(graph: dict[str, set[str]]) -> list[str]:
    """The nodes of one circle of a graph, none where there is none."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.parametrize("package", FORBIDDEN)
def test_no_folder_is_too_full(package: str) -> None:
    full = {folder: number for folder, number in sizes(package) if number > MOST_MODULES}
    assert not full, f"Folders of more than {MOST_MODULES} modules: {full}"


def sizes(package: str) -> Iterable[tuple[str, int]]:
    """Modules of every folder of a package."""
    count: dict[str, int] = defaultdict(int)
    for path in MODULES:
        if path.relative_to(ROOT).parts[0] == package and path.name != "__init__.py":
            count[path.parent.relative_to(ROOT).as_posix()] += 1
    return count.items()


def test_circles_are_seen() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})
    assert not circle({"a": {"b", "c"}, "b": {"c"}})


def test_the_checker_sees_every_form_of_import() -> None:
    source = (
        "import a.b\nfrom c.d import e\nfrom . import f\ndef g():\n    import h\n    importlib.import_module('i.j')\n"
    )
    seen = [name for _, name in imported(ast.parse(source), ROOT / "catalog" / "x.py")]
    assert sorted(seen) == ["a", "c", "catalog", "h", "i"]


def test_every_package_has_modules() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in MODULES} == set(FORBIDDEN)
