"""Holds docs/internals.md to the code: its paths and names exist, and no file of a process is missing."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "infinitas"
PAGE = ROOT / "docs" / "internals.md"
MOST_LINES = 320
PROCESSES = ("worker", "scheduler", "archiver", "notifier", "server")

QUOTED = re.compile(r"`([^`\n]+)`")
BLOCK = re.compile(r"```.*?```", re.DOTALL)
FILE = re.compile(r"[\w./-]+\.(?:py|lua|sql)")
NAME = re.compile(r"((?:\w+\.)*\w+)\(\)|([A-Z]\w*[a-z]\w*)")
"""A function or method with parentheses; a class."""


def prose_of(page: Path) -> str:
    """The page without its code blocks, line for line."""
    return BLOCK.sub(lambda block: "\n" * block[0].count("\n"), page.read_text())


def paragraphs(page: Path) -> Iterator[tuple[int, str]]:
    """Paragraphs, list items and rows of tables, with their first lines."""
    start, lines = 0, list[str]()
    for number, line in enumerate([*prose_of(page).splitlines(), ""], 1):
        if lines and (not line.strip() or re.match(r"\s*(?:\d+\.|-|\|) ?", line)):
            yield start, "\n".join(lines)
            lines = []
        if line.strip():
            start = start if lines else number
            lines.append(line)


def found(path: str) -> Path | None:
    """The file of a path under `infinitas/`, or under the root."""
    return next((base / path for base in (PACKAGE, ROOT) if (base / path).is_file()), None)


@cache
def names_in(file: Path) -> frozenset[str]:
    """What a file defines at its top; methods as `Class.method` and, for short, as `method`."""
    text = file.read_text()
    if file.suffix != ".py":
        return frozenset(re.findall(r"^local function (\w+)", text, re.MULTILINE))
    names = set[str]()
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    names |= {inner.name, f"{node.name}.{inner.name}"}
    return frozenset(names)


@pytest.mark.parametrize("page", [PAGE, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_every_path_exists(page: Path) -> None:
    named = [text for text in QUOTED.findall(prose_of(page)) if FILE.fullmatch(text)]
    assert named
    assert not [path for path in named if found(path) is None]


def test_every_name_is_in_a_file_of_its_paragraph() -> None:
    unknown = []
    for line, text in paragraphs(PAGE):
        quoted = QUOTED.findall(text)
        files = [found(each) for each in quoted if FILE.fullmatch(each)]
        defined = {name for file in files if file is not None for name in names_in(file)}
        names = [match[1] or match[2] for each in quoted if (match := NAME.fullmatch(each))]
        unknown += [f"{line}: {name}" for name in names if name not in defined]
    assert not unknown


@pytest.mark.parametrize("process", PROCESSES)
def test_every_file_of_a_process_is_described(process: str) -> None:
    files = [file for file in (PACKAGE / process).rglob("*.py") if file.name != "__init__.py"]
    named = set(QUOTED.findall(prose_of(PAGE)))
    missing = {str(file.relative_to(PACKAGE)) for file in files} - named
    assert not missing, "describe the file where it runs"


def test_the_page_is_short() -> None:
    assert len(PAGE.read_text().splitlines()) <= MOST_LINES
