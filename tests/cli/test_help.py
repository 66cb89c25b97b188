"""What `infinitas --help` says, and that it and the package are there at once."""

import importlib
import subprocess
import sys

import click
import pytest

from infinitas.cli.main import COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_all_says_what_each_says_of_itself(name: str) -> None:
    module, attribute, text = COMMANDS[name]
    command: click.Command = getattr(importlib.import_module(module), attribute)
    assert command.get_short_help_str(limit=200) == text


@pytest.mark.parametrize("code", ["import infinitas", "import infinitas.cli.main"])
def test_nothing_heavy_is_imported_before_it_is_needed(code: str) -> None:
    heavy = {"asyncio", "redis", "pydantic", "psycopg", "rich", "fastapi", "uvicorn", "infinitas.worker"}
    look = f"import sys; {code}; print(sorted({heavy!r} & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
