"""A task that no code serves is removed: first shown, then its schedules, its jobs, and itself."""

from datetime import UTC, datetime
from typing import Any

import pytest
from redis import Redis

from infinitas import Infinitas, StillServed, UnknownTask, every
from infinitas.core.records import TaskRemoval
from tests.support import Processes, events, running

P = "{infinitas:default}:"
FAR = datetime(2100, 1, 1, tzinfo=UTC)


async def remove(app: Infinitas, name: str, *, dry_run: bool = False) -> TaskRemoval:
    async def ask() -> TaskRemoval:
        return await app.client.open().remove_task(name, dry_run=dry_run)

    return await app.portal.join(ask())


async def filled(app: Infinitas) -> list[str]:
    """A task with two schedules and three jobs that wait, beside another one."""

    @app.task(schedule=every(hours=1))
    def gone() -> None: ...

    @app.task
    def stays() -> None: ...

    await app.aschedule(gone, at=FAR, key="todo", args=())
    sent = [await gone.asend(), await gone.using(delay=60).asend(), await gone.using(key="k").asend()]
    await stays.using(delay=60).asend()
    return [handle.id for handle in sent]


async def test_it_is_shown_first_and_then_gone(app: Infinitas, redis: Redis) -> None:
    jobs = await filled(app)
    before = sorted(redis.scan_iter())
    shown = await remove(app, "gone", dry_run=True)
    assert shown == TaskRemoval(
        task="gone", queue="default", schedules=("todo",), waiting=3, running=0, has_worker=False
    )
    assert sorted(redis.scan_iter()) == before
    assert await remove(app, "gone") == shown
    states = [(await app.afetch_job(id)).state.value for id in jobs]
    assert states == ["cancelled"] * 3
    assert events(redis, "task.removed")[0].fields == {"task": "gone"}
    left: Any = redis.hkeys(f"{P}tasks")
    assert left == ["stays"]
    assert redis.zcard(f"{P}later") == 1
    assert not list(redis.scan_iter(f"{P}*:gone"))
    with pytest.raises(UnknownTask):
        await remove(app, "gone")


async def test_a_task_that_a_live_worker_serves_is_not_removed(app: Infinitas, redis: Redis) -> None:
    await filled(app)
    async with running(app):
        assert (await remove(app, "gone", dry_run=True)).has_worker
        with pytest.raises(StillServed, match="Take the task from the code"):
            await remove(app, "gone")
        assert redis.hexists(f"{P}tasks", "gone")


async def test_a_removal_that_was_cut_off_is_completed_by_the_next(app: Infinitas, redis: Redis) -> None:
    jobs = await filled(app)
    await app.aunschedule("todo")
    await app.acancel(jobs[0])
    found = await remove(app, "gone")
    assert (found.schedules, found.waiting) == ((), 2)
    assert not redis.hexists(f"{P}tasks", "gone")


def test_on_the_command_line(processes: Processes, app: Infinitas, redis: Redis) -> None:

    @app.task
    def gone() -> None: ...

    app.schedule(gone, at=FAR, key="todo")
    gone.send_many([(), (), ()])
    shown = processes.call("task", "rm", "gone")
    assert "would be removed, with 1 schedule (todo). 3 waiting jobs would be cancelled." in shown.stdout
    assert "add --yes" in shown.stdout
    assert redis.hexists(f"{P}tasks", "gone")
    assert '"has_worker":false' in processes.call("task", "rm", "gone", "-o", "json").stdout.replace(" ", "")
    assert "is removed" in processes.call("task", "rm", "gone", "--yes").stdout
    assert not redis.hexists(f"{P}tasks", "gone")
    assert processes.call("task", "rm", "gone", "--yes").returncode == 5
