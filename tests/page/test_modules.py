"""The files of the page: types, format, lint, and their size."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

from infinitas.server.page.assets import load_assets

FOLDER = Path(__file__).parent
STATIC = FOLDER.parent.parent / "infinitas" / "server" / "page" / "static"
MOST_BYTES = 100_000


def check(tool: str, *arguments: str) -> None:
    """Run a tool of `package.json`; node is the machine's, or that of the wheel."""
    path = f"{os.environ['PATH']}:{Path(sys.executable).parent}"
    command = [str(FOLDER / "node_modules" / ".bin" / tool), *arguments]
    done = subprocess.run(
        command, cwd=FOLDER, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\nInstall the tools with scripts/setup dev."


def test_types() -> None:
    check("tsc", "--project", ".")


def test_format_and_lint() -> None:
    check("biome", "ci", "--colors=off", f"--config-path={FOLDER}", str(STATIC))


def test_lock_names_no_registry() -> None:
    assert '"resolved"' not in (FOLDER / "package-lock.json").read_text()


def test_all_files_together_are_small() -> None:
    assert sum(len(asset.compressed) for asset in load_assets().files.values()) <= MOST_BYTES


def test_no_function_is_long() -> None:
    """Views are small named functions; 60 lines, as in Python."""
    long = []
    for file in STATIC.rglob("*.js"):
        begun: dict[int, int] = {}
        for number, line in enumerate(file.read_text().splitlines(), 1):
            indent = len(line) - len(line.lstrip())
            if line.rstrip().endswith("{") and ("function" in line or "=> {" in line or ") {" in line):
                begun[indent] = number
            if line.strip().startswith("}") and indent in begun and number - begun.pop(indent) > 60:
                long.append(f"{file.relative_to(STATIC)}:{number}")
    assert not long


def test_no_file_is_long() -> None:
    assert not [file.name for file in STATIC.rglob("*.*") if len(file.read_text().splitlines()) > 400]


def test_the_demo_is_installed_with_what_serves_the_page() -> None:
    with (STATIC.parents[3] / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    assert "server" in extras["demo"][0]
