"""Which loops hang or fail, and what that does to the watchdog."""

import asyncio

import pytest

from infinitas.core.errors import ServerUnreachable
from infinitas.runtime import loop, progress
from infinitas.runtime.loop import Loop
from infinitas.runtime.progress import Progress, any_hangs, taking_its_time, troubles
from tests.support import aeventually


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_pass_that_takes_too_long_hangs() -> None:
    clock = Clock()
    with Progress("ticker", 300, clock) as watched, Progress("claimer", None, clock):
        for clock.now in (0, 299):
            assert not any_hangs()
        clock.now = 301
        assert (any_hangs(), troubles()) == (True, ["ticker hangs: its pass takes 301 s"])
        watched.begin_pass()
        assert not troubles()
        clock.now = 900
    assert not any_hangs(), "a loop that has ended does not hang"


def test_nothing_hangs_that_waits_for_a_migration() -> None:
    clock = Clock()
    with Progress("recorder", 300, clock):
        with taking_its_time():
            clock.now = 4_000
            assert not any_hangs()
        assert not any_hangs(), "what waited begins now"
        clock.now += 301
        assert any_hangs()


def test_a_loop_is_in_trouble_once_all_passes_fail_for_a_while() -> None:
    clock = Clock()
    with Progress("recorder", 300, clock) as watched:
        watched.end_pass(ServerUnreachable("Postgres\nis away."))
        assert not troubles()
        clock.now = progress.FAILS_AFTER_S + 1
        watched.begin_pass()
        assert troubles() == ["recorder fails for 31 s: Postgres is away."]
        watched.end_pass()
        assert not troubles()


async def test_a_loop_reports_its_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(progress, "FAILS_AFTER_S", 0.0)

    async def fail() -> None:
        raise ServerUnreachable("away")

    running = asyncio.create_task(Loop("chore", fail).run())

    async def failing() -> bool:
        return any(each.startswith("chore fails") for each in troubles())

    assert await aeventually(failing)
    running.cancel()
    await asyncio.wait([running])
    assert not troubles()
