"""The import graph has no circle and no arrow up; imports under TYPE_CHECKING and inside functions count."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "infinitas"
LOADED_BY_NAME = {
    "infinitas.app.modules",
    "infinitas.cli.main",
    "infinitas.cli.app_path",
    "infinitas.worker.runners.task_place",
}
"""Modules that import by a name that is known only at run time: a command, the user's app, a task."""


def name_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(file): file for file in PACKAGE.rglob("*.py")}


def imports_of(module: str) -> Iterator[str]:
    """Modules of the package that a module imports, wherever in its file."""
    for node in ast.walk(ast.parse(FILES[module].read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in FILES)
        if isinstance(node, ast.ImportFrom) and node.module in FILES:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in FILES else node.module


GRAPH = {module: set(imports_of(module)) - {module} for module in FILES}


def circles() -> list[list[str]]:
    """Strongly connected components of two or more modules (Tarjan, SIAM J. Comput. 1, 1972)."""
    found: list[list[str]] = []
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []

    def visit(module: str) -> None:
        index[module] = lowest[module] = len(index)
        stack.append(module)
        for other in GRAPH[module]:
            if other not in index:
                visit(other)
            if other in stack:
                lowest[module] = min(lowest[module], lowest[other])
        if lowest[module] == index[module]:
            at = stack.index(module)
            component = stack[at:]
            del stack[at:]
            if len(component) > 1:
                found.append(sorted(component))

    for module in sorted(GRAPH):
        if module not in index:
            visit(module)
    return found


def floors() -> dict[str, int]:
    """The floor of each package in the layers contract, the top first."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return {room.strip(): floor for floor, layer in enumerate(layers) for room in layer.split("|")}


def room_of(module: str) -> str:
    return module.split(".")[1]


def test_no_circle() -> None:
    assert circles() == []


def test_every_module_has_a_layer_and_imports_only_from_lower_ones() -> None:
    rooms = floors()
    inside = {module for module in GRAPH if module not in ("infinitas", "infinitas.__main__")}
    assert {room_of(module) for module in inside} == set(rooms)
    arrows = {(m, other) for m in inside for other in GRAPH[m] if room_of(m) != room_of(other)}
    print(f"{len(inside)} modules in {len(rooms)} packages, {len(arrows)} imports between packages")
    assert "infinitas" not in {other for other_set in GRAPH.values() for other in other_set}
    up = [(m, other) for m, other in arrows if rooms[room_of(other)] <= rooms[room_of(m)]]
    assert not up


def test_nothing_loose_at_the_root() -> None:
    assert {file.name for file in PACKAGE.iterdir() if file.is_file()} == {
        "__init__.py",
        "__main__.py",
        "py.typed",
    }


def test_no_import_is_hidden() -> None:
    for module, file in FILES.items():
        hidden = "importlib.import_module" in file.read_text() or "__import__" in file.read_text()
        assert hidden == (module in LOADED_BY_NAME), module
