"""`infinitas --help` lists the commands, and nothing heavy is imported for it."""

import importlib
import subprocess
import sys

import click
import pytest

from infinitas.cli.main import COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_has_the_first_line_of_each(name: str) -> None:
    module, attribute, text = COMMANDS[name]
    command: click.Command = getattr(importlib.import_module(module), attribute)
    assert command.get_short_help_str(limit=200) == text


@pytest.mark.parametrize("module", ["infinitas", "infinitas.cli.main", "infinitas.testing"])
def test_nothing_heavy_is_imported_before_it_is_needed(module: str) -> None:
    heavy = {"asyncio", "redis", "pydantic", "psycopg", "rich", "fastapi", "uvicorn", "infinitas.worker"}
    look = f"import sys, {module}; print(sorted({heavy!r} & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_no_command_is_lost_without_the_extras() -> None:
    """Only what a command does may need one, and then it names it."""
    extras = (
        "httpx websockets fastapi starlette uvicorn psycopg httpcore apprise prometheus_client watchfiles"
    )
    look = f"""
import importlib, sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {extras.split()!r}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Missing())
from infinitas.cli.main import COMMANDS
for module, _, _ in COMMANDS.values():
    importlib.import_module(module)
"""
    found = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
