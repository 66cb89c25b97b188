"""Snapshots of messages: what they looked like when a person last read them."""

from collections.abc import Callable
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "snapshots"
Snapshot = Callable[[str, str], None]


@pytest.fixture
def snapshot(request: pytest.FixtureRequest) -> Snapshot:
    """Compares a text with a file; `--update-snapshots` writes the file instead."""

    def compare(name: str, text: str) -> None:
        file = FOLDER / name
        if request.config.getoption("--update-snapshots"):
            FOLDER.mkdir(exist_ok=True)
            file.write_text(text)
        assert file.is_file(), f"no {file.name}: read it after `pytest --update-snapshots`"
        assert text == file.read_text()

    return compare
