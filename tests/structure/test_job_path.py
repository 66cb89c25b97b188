"""The path of a sent job in CONTRIBUTING is complete and short: the calls of a real job are recorded."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from infinitas import Infinitas
from infinitas.broker import sync_connections, sync_enqueue
from infinitas.broker.connection import Connection
from infinitas.worker.attempt import Attempt
from infinitas.worker.outbox import Outbox
from tests.support import PATIENCE_S, running

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "infinitas"
SCRIPTS = ("enqueue", "claim", "settle")
HANDOVERS = ("enqueue", "claim", "start", "run", "end", "settle")
MOST_FILES, MOST_LINES = 12, 1_800


def listed_path() -> list[str]:
    """The files of the numbered list in CONTRIBUTING, in its order."""
    text = (ROOT / "CONTRIBUTING.md").read_text().partition("## The path of one job")[2].partition("\n## ")[0]
    return re.findall(r"^\d+\. `([\w/.]+)`", text, re.MULTILINE)


class Recorder:
    """The files of the package with a function on the stack, outermost first, at each handover of a job."""

    def __init__(self) -> None:
        self.stacks: dict[str, list[str]] = {}

    def note(self, handover: str) -> None:
        files: list[str] = []
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            file = Path(frame.f_code.co_filename)
            if file.is_relative_to(PACKAGE):
                files.insert(0, str(file.relative_to(PACKAGE)))
            frame = frame.f_back
        self.stacks[handover] = files

    def before(self, function: Callable[..., Any], handover: str | int) -> Callable[..., Any]:
        """`function`, noting the stack of each call as `handover`, or as the argument of that number."""

        def noted(*args: Any, **kwargs: Any) -> Any:
            name = handover if isinstance(handover, str) else args[handover]
            if name in HANDOVERS:
                self.note(name)
            return function(*args, **kwargs)

        return noted

    def path(self) -> list[str]:
        files = [file for handover in HANDOVERS for file in self.stacks[handover]]
        return list(dict.fromkeys(file for file in files if file != "runtime/loop.py"))


async def test_the_path_of_a_sent_job(app: Infinitas, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder()

    @app.task
    async def greet(name: str) -> str:
        recorder.note("run")
        return f"hello {name}"

    monkeypatch.setattr(Connection, "run_script", recorder.before(Connection.run_script, 1))
    monkeypatch.setattr(Connection, "run_script_after", recorder.before(Connection.run_script_after, 2))
    monkeypatch.setattr(Attempt, "__init__", recorder.before(Attempt.__init__, "start"))
    monkeypatch.setattr(Outbox, "settle", recorder.before(Outbox.settle, "end"))
    run_command = recorder.before(sync_connections.run_command, "enqueue")
    monkeypatch.setattr(sync_enqueue, "run_command", run_command)
    async with running(app):
        assert await (await greet.asend("first")).result(PATIENCE_S) == "hello first"
        # From here on the client enqueues from the caller's own thread.
        assert await greet.send("second").result(PATIENCE_S) == "hello second"
        path = recorder.path()
    listed = listed_path()
    python = [file for file in listed if file.endswith(".py")]
    assert path == python
    assert [file for file in listed if file not in python] == [f"broker/lua/{name}.lua" for name in SCRIPTS]
    lines = {file: len((PACKAGE / file).read_text().splitlines()) for file in listed}
    print("\n".join(f"{count:5} {file}" for file, count in lines.items()))
    print(f"{sum(lines.values()):5} lines in {len(lines)} files")
    assert len(lines) <= MOST_FILES
    assert sum(lines.values()) <= MOST_LINES
