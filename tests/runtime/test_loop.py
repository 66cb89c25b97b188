"""A loop survives every fault, and logs each kind once an outage."""

import asyncio
import logging

import pytest

from infinitas.core.errors import InfinitasError, ServerUnreachable
from infinitas.runtime import loop
from infinitas.runtime.loop import Loop
from tests.support import aeventually


async def test_an_outage_is_logged_once_whatever_its_causes(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "LONGEST_WAIT_S", 0.001)
    monkeypatch.setattr(loop, "FIRST_WAIT_S", 0.001)
    caplog.set_level(logging.INFO, "infinitas.loop")
    faults: list[Exception | None] = [
        ServerUnreachable("full."),
        ServerUnreachable("away."),
        InfinitasError("refused."),
        ValueError("a defect"),
    ]
    passes = [*faults * 5, None, None, faults[1], None]

    async def run_once() -> None:
        if not passes:
            await asyncio.Event().wait()
        elif fault := passes.pop(0):
            raise fault

    running = asyncio.create_task(Loop("chore", run_once).run())

    async def over() -> bool:
        return not passes

    await aeventually(over)
    running.cancel()
    logged = [record.getMessage() for record in caplog.records]
    assert logged == [
        "chore: full. Trying again until it works.",
        "chore: refused. (error) Trying again until it works.",
        "chore: this pass failed; the next one follows.",
        "chore: back to work.",
        "chore: away. Trying again until it works.",
        "chore: back to work.",
    ]
