"""A task's name belongs to one program: which workers are refused while others live, and which are not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from redis import Redis

from infinitas import Infinitas, NameTaken
from infinitas.broker.messages import Home
from infinitas.broker.queue import QueueBroker
from tests.support import finished, running

P = "{infinitas:default}:"
MakeApp = Callable[..., Infinitas]


def program(make_app: MakeApp, place: str, answer: str = "", **options: Any) -> Infinitas:
    """An app whose task `cleanup` stands in `place`; '' is unknown."""
    app = make_app(lease=1)

    def cleanup() -> str:
        return answer

    cleanup.__module__, _, cleanup.__qualname__ = place.partition(":") if place else ("__main__", "", "f")
    if not place:
        cleanup.__qualname__ = ""
    app.task(name="cleanup", **options)(cleanup)
    return app


async def starts(app: Infinitas) -> bool:
    try:
        async with running(app):
            return True
    except NameTaken:
        return False


async def test_another_program_with_that_name_is_refused_while_one_lives(make_app: MakeApp) -> None:
    first, second = program(make_app, "a.jobs:cleanup", "of a"), program(make_app, "b.jobs:cleanup", "of b")
    async with running(first):
        with pytest.raises(NameTaken) as refused:
            async with running(second):
                pass
        text = str(refused.value)
        for part in ("'cleanup'", "b.jobs:cleanup", "a.jobs:cleanup", "Infinitas(", "takes_over="):
            assert part in text
        handle = await first.find("cleanup").asend()
        assert await handle.result(timeout=20) == "of a", "the live one goes on undisturbed"
        info = await first.afetch_task("cleanup")
        assert info.definition.place == "a.jobs:cleanup"
    assert await starts(second), "newer code wins once no worker of the other lives"


@pytest.mark.parametrize(
    ("first", "second", "options"),
    [
        ("shop.jobs:cleanup", "shop.jobs:cleanup", {}),
        ("shop.jobs:cleanup", "jobs:cleanup", {}),
        ("jobs:cleanup", "src.shop.jobs:cleanup", {}),
        ("shop.jobs:cleanup", "", {}),
        ("", "shop.jobs:cleanup", {}),
        ("shop.jobs:cleanup", "shop.new:cleanup", {"takes_over": "shop.jobs:cleanup"}),
        ("shop.jobs:cleanup", "shop.new:cleanup", {"takes_over": "jobs:cleanup"}),
    ],
    ids=["same", "script", "other root", "a notebook", "after a notebook", "taken over", "taken over, short"],
)
async def test_what_is_no_conflict(
    make_app: MakeApp, first: str, second: str, options: dict[str, Any]
) -> None:
    async with running(program(make_app, first)):
        assert await starts(program(make_app, second, **options))


async def test_old_code_that_starts_again_in_a_rolling_deploy_is_not_refused(make_app: MakeApp) -> None:
    new = program(make_app, "shop.new:cleanup", takes_over="shop.jobs:cleanup")
    async with running(new):
        assert await starts(program(make_app, "shop.jobs:cleanup"))


@pytest.mark.parametrize("other", ["shop.jobs:other", "xshop.jobs:cleanup", "shop.job:cleanup", "s:cleanup"])
async def test_what_is_a_conflict(make_app: MakeApp, other: str) -> None:
    async with running(program(make_app, "shop.jobs:cleanup")):
        assert not await starts(program(make_app, other))


async def test_a_name_is_one_in_all_queues(make_app: MakeApp) -> None:
    async with running(program(make_app, "a.jobs:cleanup", queue="slow")):
        assert not await starts(program(make_app, "b.jobs:cleanup"))
        assert not await starts(program(make_app, "b.jobs:cleanup", queue="third"))


@contextlib.asynccontextmanager
async def silent_worker(broker: QueueBroker, place: str) -> AsyncIterator[None]:
    assert await broker.workers.join("killed", ["cleanup"], 60, {"cleanup": Home(place)}) is None
    yield


async def test_a_worker_that_was_killed_is_no_conflict(make_app: MakeApp, broker: QueueBroker) -> None:
    """It stays a member until a scheduler rescues from it; its counter shows that it is dead."""
    async with silent_worker(broker, "a.jobs:cleanup"):
        assert await starts(program(make_app, "b.jobs:cleanup"))


async def test_of_two_that_start_at_once_one_is_refused(make_app: MakeApp, redis: Redis) -> None:
    apps = [program(make_app, f"{name}.jobs:cleanup") for name in "ab"]
    stop = asyncio.Event()

    async def run(app: Infinitas) -> bool:
        try:
            async with running(app):
                await stop.wait()
                return True
        except NameTaken:
            stop.set()
            return False

    assert sorted(await asyncio.wait_for(asyncio.gather(*map(run, apps)), 30)) == [False, True]
    assert not redis.exists(f"{P}places"), "nothing is left of them"


async def test_a_sender_is_never_in_conflict_and_changes_nothing(make_app: MakeApp) -> None:
    worker = program(make_app, "a.jobs:cleanup", "of a", retries=3)
    async with running(worker):
        handle = await program(make_app, "b.web:cleanup").find("cleanup").asend()
        assert (await finished(worker, handle)).result == "of a"
        info = await worker.afetch_task("cleanup")
        assert (info.definition.place, info.definition.retries) == ("a.jobs:cleanup", 3)
