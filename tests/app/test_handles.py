"""Handles and tasks name what they stand for; results of several jobs; what exists, listed from code."""

import asyncio

import pytest

from infinitas import (
    BadArgs,
    BadSchedule,
    ConfigError,
    Infinitas,
    JobCancelled,
    JobFailed,
    NotInTime,
    agather,
    every,
    gather,
)
from tests.support import finished, running


@pytest.fixture
def shop(app: Infinitas) -> Infinitas:
    @app.task
    async def add(a: int, b: int) -> int:
        return a + b

    @app.task(retries=0)
    def fail(why: str) -> None:
        raise ValueError(why)

    return app


async def test_a_job_is_named_by_its_handle_and_its_record(shop: Infinitas) -> None:
    handle = await shop.tasks["add"].using(delay=60).asend(1, 2)
    info = await shop.afetch_job(handle)
    assert info == await handle.ainfo()
    assert not await handle.adone()
    assert (await shop.acancel(info, "sold out")).reason == "sold out"
    assert await handle.adone()
    with pytest.raises(JobCancelled):
        await handle.result()
    other = await shop.tasks["add"].using(delay=60).asend(1, 2)
    assert (await other.acancel("why")).state == "cancelled"
    for wrong in (7, None, b"id"):
        with pytest.raises(BadArgs, match="named by its id, its handle"):
            await shop.afetch_job(wrong)  # type: ignore[arg-type]


async def test_results_of_several_jobs_in_their_order(shop: Infinitas) -> None:
    add, fail = shop.tasks["add"], shop.tasks["fail"]
    assert await agather([]) == []
    waiting = await add.using(delay=60).asend(1, 1)
    with pytest.raises(NotInTime):
        await agather([waiting], timeout=0.01)
    async with running(shop):
        handles = [await add.asend(n, 1) for n in range(5)]
        assert await agather(handles) == [1, 2, 3, 4, 5]
        assert await asyncio.to_thread(gather, handles) == [1, 2, 3, 4, 5]
        with pytest.raises(JobFailed, match="first"):
            await agather([handles[0], await fail.asend("first"), await fail.asend("second")])


async def test_what_exists_is_listed_from_code(shop: Infinitas) -> None:
    add = shop.tasks["add"]
    async with running(shop):
        failed = await finished(shop, await shop.tasks["fail"].asend("no"))
        done = await finished(shop, await add.asend(1, 2))
    assert [line.name for line in await shop.afetch_tasks()] == ["add", "fail"]
    assert {job.id for job in await shop.afetch_jobs()} == {failed.id, done.id}
    assert [job.id for job in await shop.afetch_jobs(add)] == [done.id]
    assert [job.id for job in await shop.afetch_jobs(state="failed")] == [failed.id]
    assert await shop.afetch_jobs("no-such-task") == []
    with pytest.raises(BadArgs, match="no state 'broken'; there are: scheduled"):
        await shop.afetch_jobs(state="broken")
    await shop.aschedule(add, every(hours=1), key="hourly", args=(1, 2))
    assert [info.schedule.key for info in await shop.schedules.alist(add)] == ["hourly"]
    assert (await shop.afetch_task(add)).definition.name == "add"
    with pytest.raises(BadArgs, match="A task is named by"):
        await shop.schedules.alist(7)  # type: ignore[arg-type]


def test_defaults_of_an_app_are_for_tasks_that_give_no_option() -> None:
    app = Infinitas(timezone="Europe/Copenhagen", overlap="allow", timeout=60, retries=3, retry_on=OSError)

    @app.task(schedule="30 2 * * *", overlap="skip", retries=1)
    def nightly() -> None: ...

    @app.task(timeout=None)
    def plain() -> None: ...

    found = nightly.definition
    assert (found.timeout, found.retries, plain.definition.timeout, plain.definition.retries) == (
        60,
        1,
        None,
        3,
    )
    assert nightly.schedule is not None
    assert (nightly.schedule.timezone, nightly.schedule.overlap) == ("Europe/Copenhagen", "skip")
    assert plain.schedule is None
    assert nightly.retries_on(ConnectionError)
    assert not nightly.retries_on(ValueError)


async def test_defaults_are_for_schedules_of_run_time_too(app: Infinitas) -> None:
    mine = Infinitas(timezone="Europe/Copenhagen", redis_url=app.settings.redis_url)

    @mine.task
    def noop() -> None: ...

    async with running(mine):
        for key, options in (("one", {}), ("two", {"timezone": "UTC"})):
            await mine.aschedule(noop, "30 2 * * *", key=key, **options)  # type: ignore[arg-type]
        await mine.aschedule(noop, every(hours=1), key="three")
    zones = {key: (await mine.schedules.aget(key)).schedule.timezone for key in ("one", "two")}
    assert zones == {"one": "Europe/Copenhagen", "two": "UTC"}
    mine.close()


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"timeout": -1}, ConfigError, "timeout"),
        ({"retires": 3}, ConfigError, "did you mean 'retries'"),
        ({"timezone": "Mars"}, BadSchedule, "Mars"),
        ({"schedule": "@hourly"}, ConfigError, "unknown option 'schedule'"),
    ],
)
def test_a_wrong_default_is_an_error_at_once(
    options: dict[str, object], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        Infinitas(**options)  # type: ignore[arg-type]
