"""Plain prose: docstrings, comments, help and messages name components and use the field's verbs."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "infinitas"
PYTHON = sorted(
    [*PACKAGE.rglob("*.py"), *(ROOT / "scripts").rglob("*.py"), *(ROOT / "workers").rglob("*.py")]
)
QUERIES = sorted([*PACKAGE.rglob("*.lua"), *PACKAGE.rglob("*.sql")])
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])

BANNED = re.compile(
    r"\b(who|whom|whoever|nobody|somebody|anybody|everybody|says?|said|saying|tells?|told|telling"
    r"|hears?|heard|speaks?|spoke|spoken|words?)\b",
    re.IGNORECASE,
)
"""Persons in place of components, and speech in place of input and output (CONTRIBUTING, "Prose")."""
QUOTED = re.compile(r"`[^`]*`|```.*?```|\"[^\"\n]*\"", re.DOTALL)
"""Code, and names that are quoted, are not prose."""


def prose_of(file: Path) -> Iterator[tuple[int, str]]:
    """Docstrings, strings of two words or more, and comments, with their lines."""
    text = file.read_text()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def faults(file: Path, line: int, text: str) -> list[str]:
    found = BANNED.findall(QUOTED.sub(" ", text))
    return [f"{file.relative_to(ROOT)}:{line}: {word}" for word in found]


def test_python() -> None:
    assert not [f for file in PYTHON for line, text in prose_of(file) for f in faults(file, line, text)]


def test_names_of_tests() -> None:
    for file in (ROOT / "tests").rglob("test_*.py"):
        for name in re.findall(r"def (test_\w+)", file.read_text()):
            assert not BANNED.search(name.replace("_", " ")), f"{file.name}: {name}"


def test_lua_and_sql() -> None:
    for file in QUERIES:
        lines = enumerate(file.read_text().splitlines(), 1)
        comments = [(n, line.partition("--")[2]) for n, line in lines if "--" in line]
        assert not [fault for line, text in comments for fault in faults(file, line, text)]


def test_docs() -> None:
    for file in PAGES:
        text = re.sub(
            r"```.*?```", lambda block: "\n" * block[0].count("\n"), file.read_text(), flags=re.DOTALL
        )
        assert not [f for n, line in enumerate(text.splitlines(), 1) for f in faults(file, n, line)]
