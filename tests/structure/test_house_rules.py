"""House rules (DESIGN, layout): what keeps the code readable is checked, not hoped for."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "infinitas"
PYTHON = sorted(PACKAGE.rglob("*.py"))
LUA = sorted((PACKAGE / "broker" / "lua").glob("*.lua"))
DOCS = ROOT / "docs"


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def functions(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree(file)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def test_python_files() -> None:
    for file in PYTHON:
        text = file.read_text()
        assert len(text.splitlines()) <= 400, file
        for function in functions(file):
            length = (function.end_lineno or 0) - function.lineno + 1
            assert length <= 60, f"{file}: {function.name} has {length} lines"
        assert not re.search(r"utils?|helpers?|common|mixin", file.stem), file
        assert ast.get_docstring(tree(file)), f"{file} has no docstring"


def test_no_sql_or_lua_in_python_strings() -> None:
    query = re.compile(r"redis\.p?call\(|\b(SELECT .+ FROM|INSERT INTO|UPDATE .+ SET)\b")
    for file in PYTHON:
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not query.search(node.value), f"{file}:{node.lineno}"


@pytest.mark.parametrize("file", LUA, ids=lambda file: file.name)
def test_lua_files(file: Path) -> None:
    text = file.read_text()
    assert len(text.splitlines()) <= 100
    if not file.name.startswith("_"):
        assert re.search(r"^-- keys: .+", text, re.MULTILINE)
        assert re.search(r"^-- args: prefix", text, re.MULTILINE)
        callers = "".join(caller.read_text() for caller in (PACKAGE / "broker").glob("*.py"))
        assert f'"{file.stem}"' in callers, "one Lua file, one method of the same name"
        assert f"def {file.stem}(" in callers


CONNECTORS = {
    PACKAGE / "broker" / f"{name}.py" for name in ("connection", "sync_connector", "sentinel", "cluster")
}


def test_only_the_connection_builds_and_touches_a_redis_client() -> None:
    """And what finds a server for it. Other modules of the broker import only errors and types."""
    builders = {
        "Redis",
        "StrictRedis",
        "RedisCluster",
        "Sentinel",
        "ConnectionPool",
        "BlockingConnectionPool",
    }
    for file in PYTHON:
        if file in CONNECTORS:
            continue
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "redis":
                assert not builders & {name.name for name in node.names}, file
            elif isinstance(node, ast.Import):
                assert "redis" not in {name.name.partition(".")[0] for name in node.names}, file
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute | ast.Name):
                owner = node.value.attr if isinstance(node.value, ast.Attribute) else node.value.id
                raw = node.attr in ("redis", "_redis") and owner in ("connection", "_connection")
                assert not raw, f"{file}:{node.lineno} uses the raw client"


def names_of(part: str) -> set[str]:
    """What a shared Lua part defines for the scripts behind it."""
    text = (PACKAGE / "broker" / "lua" / f"{part}.lua").read_text()
    found = re.findall(r"^local (?:function (\w+)|([\w, ]+?) =)", text, re.MULTILINE)
    return {name.strip() for one, more in found for name in (one or more).split(",")}


@pytest.mark.parametrize("file", LUA, ids=lambda file: file.name)
def test_lua_scripts_name_the_parts_that_they_use_and_no_others(file: Path) -> None:
    if file.name.startswith("_"):
        return
    text = file.read_text()
    named = re.findall(r"^-- parts: (.+)$", text, re.MULTILINE)
    words = set(re.findall(r"\w+", re.sub(r"--.*", "", text)))
    words -= set(re.findall(r"local (?:function )?(\w+)", text))
    parts = (
        "read_job",
        "jobs",
        "finish",
        "hand_back",
        "lingering",
        "faults",
        "schedules",
        "streams",
        "places",
        "packing",
        "pressure",
        "restore",
    )
    used = {part for part in parts if names_of(f"_{part}") & words}
    # `_lingering` and `_hand_back` stand on `_finish`, that on the two before it; `_packing` on two as well.
    used |= {"finish"} if {"lingering", "hand_back"} & used else set()
    used |= {"read_job", "jobs"} if "finish" in used else set()
    used |= {"read_job", "schedules"} if "packing" in used else set()
    assert set(" ".join(named).split()) == used


def test_every_key_is_documented() -> None:
    from infinitas.broker.keys import QUEUE_KEYS

    text = (DOCS / "redis-keys.md").read_text()
    for kind in QUEUE_KEYS:
        assert f"`…:{kind}`" in text, kind
    for kind in (
        "task",
        "recent",
        "stream",
        "bell",
        "job",
        "log",
        "starts",
        "keys",
        "cancels",
        "lingering",
        "backfill",
        "filling",
    ):
        assert f"`…:{kind}:<" in text, kind


def test_every_state_and_reason_is_documented() -> None:
    from infinitas.core.states import Reason, State

    text = (DOCS / "lifecycle.md").read_text()
    for word in [*State, *Reason]:
        assert f"`{word.value}`" in text, word


def test_every_error_code_is_documented() -> None:
    from infinitas.core import errors

    text = (DOCS / "errors.md").read_text()
    for value in vars(errors).values():
        if isinstance(value, type) and issubclass(value, errors.InfinitasError) and "code" in vars(value):
            assert f"`{value.code}`" in text, value.code


def test_every_setting_is_documented() -> None:
    from infinitas.runtime.config import Settings

    text = (DOCS / "settings.md").read_text()
    for name in Settings.model_fields:
        assert f"`{name}`" in text, name


def test_every_task_option_and_hook_is_documented() -> None:
    from infinitas import Plugin
    from infinitas.core.task_definition import TaskDefinition

    text = (DOCS / "tasks.md").read_text()
    for name in set(TaskDefinition.__dataclass_fields__) - {"doc"}:
        assert f"`{name}`" in text, name
    text = (DOCS / "plugins.md").read_text()
    for name in vars(Plugin):
        assert name.startswith("_") or f"`{name}(" in text, name


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_the_public_names_are_sorted_and_there() -> None:
    import infinitas

    assert infinitas.__all__ == sorted(infinitas.__all__)
    assert all(hasattr(infinitas, name) for name in infinitas.__all__)
