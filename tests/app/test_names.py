"""Two apps on one Redis: names, keys of schedules and of jobs, and which of them a short name means."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from redis import Redis

from infinitas import (
    BadSchedule,
    Entry,
    Infinitas,
    KeyTaken,
    TaskInfo,
    UnknownSchedule,
    UnknownTask,
    every,
)
from tests.support import aeventually, running

P = "{infinitas:default}:"
MakeApp = Callable[..., Infinitas]
FAR = datetime(2100, 1, 1, tzinfo=UTC)


def shop(make_app: MakeApp, name: str | None, text: str) -> Infinitas:
    app = make_app(name)

    @app.task(schedule=every(hours=1))
    def cleanup() -> str:
        return text

    @app.task
    def remind(user: int) -> str:
        return f"{text} {user}"

    return app


async def test_each_app_runs_its_own_jobs(make_app: MakeApp, redis: Redis) -> None:
    one, two = shop(make_app, "shop", "of the shop"), shop(make_app, "billing", "of billing")
    async with running(one), running(two):
        for app, text in ((one, "of the shop"), (two, "of billing")):
            sent = await app.find("cleanup").using(key="same").asend()
            assert await sent.result(timeout=20) == text
            info = await app.afetch_task("cleanup")
            assert info.name == f"{app.name}.cleanup"
    assert sorted(redis.hkeys(f"{P}schedules")) == ["billing.cleanup", "shop.cleanup"]


async def test_a_business_key_belongs_to_one_task_of_one_app(make_app: MakeApp) -> None:
    one, two = shop(make_app, "shop", ""), shop(make_app, "billing", "")
    for app in (one, two):
        await app.find("remind").using(key="same", delay=60).asend(1)
        with pytest.raises(KeyTaken) as taken:
            await app.find("remind").using(key="same", delay=60).asend(1)
        assert taken.value.job


async def test_keys_of_schedules_are_the_apps_own(make_app: MakeApp, redis: Redis) -> None:
    one, two, bare = shop(make_app, "shop", ""), shop(make_app, "billing", ""), shop(make_app, None, "")
    for app in (one, two, bare):
        await app.aschedule("remind", at=FAR, key="todo-7", args=(42,))
        await app.schedules.aadd_many("remind", [Entry(key="many", rule="@daily")])
    keys = sorted(redis.hkeys(f"{P}schedules"))
    assert keys == ["billing.many", "billing.todo-7", "many", "shop.many", "shop.todo-7", "todo-7"]
    assert await one.aunschedule("todo-7")
    assert not await one.aunschedule("todo-7"), "not that of an app without a name"
    assert redis.hexists(f"{P}schedules", "todo-7")
    assert redis.hexists(f"{P}schedules", "billing.todo-7")
    assert await one.aunschedule("billing.todo-7"), "a full name is that of any app"


async def test_every_verb_takes_a_short_name(make_app: MakeApp) -> None:
    app = shop(make_app, "shop", "done")
    await app.aschedule(app.find("remind"), "@hourly", key="key", args=(1,))
    verbs = app.schedules
    assert (await verbs.aget("key")).schedule.key == "shop.key"
    assert (await verbs.achange("key", "@daily", args=(2,))).schedule.args == "[[2],{}]"
    assert (await verbs.apause("key", "why")).paused
    assert not (await verbs.aresume("shop.key")).paused
    assert len(await verbs.askip_next("key", 2)) == 2
    past = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)
    assert len((await verbs.abackfill("key", *past, dry_run=True)).slots) == 2
    assert [info.schedule.key for info in await verbs.alist("remind")] == ["shop.key"]
    async with running(app):
        assert await (await verbs.atrigger("key", (7,))).result(timeout=20) == "done 7"
    with pytest.raises(UnknownSchedule, match=r"shop\.nothing"):
        await verbs.aget("nothing")
    with pytest.raises(UnknownTask):
        await app.afetch_task("nothing")


async def test_an_unknown_short_name_is_answered_with_full_ones(make_app: MakeApp) -> None:
    for name in ("shop", "billing"):
        app = shop(make_app, name, "")
        await app.aschedule("remind", at=FAR, key="todo-7", args=(1,))
    bare = make_app()
    with pytest.raises(UnknownTask, match=r"Did you mean billing\.remind or shop\.remind"):
        await bare.afetch_task("remind")
    with pytest.raises(UnknownSchedule, match=r"Did you mean billing\.todo-7 or shop\.todo-7"):
        await bare.schedules.aget("todo-7")
    assert isinstance(await bare.afetch_task("shop.remind"), TaskInfo)


async def test_a_key_of_another_task_is_refused_unless_it_is_replaced(app: Infinitas, redis: Redis) -> None:
    @app.task
    def remind(user: int) -> None: ...

    @app.task(schedule="@hourly")
    def report() -> None: ...

    @app.task(queue="slow")
    def slow() -> None: ...

    await app.aschedule(remind, at=FAR, key="todo-7", args=(1,))
    await app.aschedule(remind, at=FAR, key="todo-7", args=(2,))
    for other in (report, slow):
        with pytest.raises(KeyTaken, match="'todo-7' belongs to the task 'remind'"):
            await app.aschedule(other, "@daily", key="todo-7")
        entries = [Entry(key="fresh", rule="@daily"), Entry(key="todo-7", rule="@daily")]
        with pytest.raises(KeyTaken, match="todo-7"):
            await app.schedules.aadd_many(other, entries)
        assert not redis.hexists(f"{P}schedules", "fresh"), "nothing is stored"
    with pytest.raises(KeyTaken, match="'remind' itself"):
        await app.aschedule(report, "@daily", key="remind")
    with pytest.raises(KeyTaken, match="'remind' itself"):
        await app.aschedule(report, "@daily", key="remind", replace=True)
    await app.aschedule(slow, "@daily", key="todo-7", replace=True)
    assert not redis.hexists(f"{P}schedules", "todo-7")
    info = await app.schedules.aget("todo-7")
    assert (info.queue, info.schedule.task) == ("slow", "slow")


async def test_code_does_not_take_the_schedule_of_another_task(make_app: MakeApp, redis: Redis) -> None:
    app = shop(make_app, None, "")
    await app.aschedule("remind", at=FAR, key="report", args=(1,)) if app.find("remind") else None
    newer = shop(make_app, None, "")

    @newer.task(schedule="@hourly")
    def report() -> None: ...

    with pytest.raises(KeyTaken, match="infinitas schedule rm report"):
        async with running(newer):
            pass
    assert '"remind"' in str(redis.hget(f"{P}schedules", "report"))


async def test_reset_takes_a_change_back(make_app: MakeApp, redis: Redis) -> None:
    app = shop(make_app, "shop", "")
    async with running(app):
        before: Any = redis.hget(f"{P}schedules", "shop.cleanup")
        assert (await app.schedules.areset("cleanup")).schedule.to_json() == before, "nothing to take back"
        await app.schedules.achange("cleanup", "@daily")
        changed = await app.schedules.achange("cleanup", overlap="queue")
        assert changed.schedule.overridden
        await app.schedules.apause("cleanup", "why")
        info = await app.schedules.areset("cleanup")
        assert not info.schedule.overridden
        assert info.schedule.to_json() == before
        assert info.paused, "a pause is no change of the rule"
        await app.aschedule("remind", "@daily", key="other", args=(1,))
        with pytest.raises(BadSchedule, match="No code declares"):
            await app.schedules.areset("other")
        with pytest.raises(UnknownSchedule):
            await app.schedules.areset("nothing")


async def test_slots_of_one_key_in_two_queues_are_two_jobs(make_app: MakeApp, redis: Redis) -> None:
    app = make_app()

    @app.task(queue="slow", schedule=every(seconds=0.2))
    def tick() -> None: ...

    async with running(app, scheduler=True):

        async def fired() -> list[str]:
            found: Any = redis.keys("{infinitas:slow}:job:tick@*")
            return list(found)

        id = (await aeventually(fired))[0].partition(":job:")[2]
        assert id.endswith("Z/slow")
        job = await app.await_for_end(id, 20)
        assert (job.queue, job.schedule, job.state.value) == ("slow", "tick", "succeeded")
