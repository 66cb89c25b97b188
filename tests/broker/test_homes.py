"""Several processes declare one task in another queue at the same time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from redis import Redis

from infinitas.broker.connection import Connection
from infinitas.broker.messages import Declarer
from infinitas.broker.moves import Moves
from infinitas.broker.queue import QueueBroker
from infinitas.devservers.servers import Urls
from tests.broker.test_moves import (
    DAY,
    OLD,
    SLOW,
    TASK,
    CutOff,
    check_all_is_in,
    check_nothing_is_left,
    connection,
    fill,
    move,
    rule,
)

__all__ = ["connection"]


@pytest.fixture
async def other(servers: Urls, redis: Redis) -> AsyncIterator[Connection]:
    other = Connection(servers.redis, "test")
    yield other
    await other.close()


def before(monkeypatch: pytest.MonkeyPatch, step: str, run: Callable[[Moves], Awaitable[Any]]) -> None:
    """Calls `run` before each call of this step of a move."""
    carry_out: Any = getattr(Moves, step)

    async def wait(moves: Moves, *arguments: Any) -> Any:
        await run(moves)
        return await carry_out(moves, *arguments)

    monkeypatch.setattr(Moves, step, wait)


@pytest.mark.parametrize("late", ["move_task", "depart"])
async def test_what_another_new_worker_is_moving_is_waited_for(
    connection: CutOff, other: Connection, redis: Redis, monkeypatch: pytest.MonkeyPatch, late: str
) -> None:
    """The first has the schedule with its pause in a package when the second moves the same task."""
    packed, second_is_over = asyncio.Event(), asyncio.Event()

    async def let_the_second_go_on(moves: Moves) -> None:
        packed.set()
        if moves._connection is connection:
            await asyncio.wait([asyncio.ensure_future(second_is_over.wait())], timeout=10)

    async def wait_for_the_first(moves: Moves) -> None:
        if moves._connection is other:
            await packed.wait()

    async def second() -> None:
        await move(other)
        second_is_over.set()

    await fill(connection)
    before(monkeypatch, "arrive", let_the_second_go_on)
    before(monkeypatch, late, wait_for_the_first)
    await asyncio.gather(move(connection), second())
    check_all_is_in(redis, SLOW)
    check_nothing_is_left(redis, OLD)


async def test_a_task_that_older_code_declares_in_between_is_moved_nevertheless(
    connection: CutOff, other: Connection, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, left = QueueBroker(other, "default"), [3]

    async def declare_again(moves: Moves) -> None:
        if left[0]:
            left[0] -= 1
            declarer = Declarer(born=await old.now() - DAY, worker="old")
            await old.declarations.declare([replace(TASK, retries=left[0] + 1)], [rule()], declarer)

    await fill(connection)
    before(monkeypatch, "move_task", declare_again)
    await move(connection)
    check_all_is_in(redis, SLOW)
    check_nothing_is_left(redis, OLD)
