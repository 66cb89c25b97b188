"""Testing an app: one task inline, or everything on a clock that only the test moves."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from infinitas import BadArgs, Infinitas, Job, every
from infinitas.testing import KitMaker, run_inline


async def test_one_task_inline() -> None:
    app = Infinitas()

    @app.task
    async def crawl(job: Job, pages: int) -> dict[str, int]:
        job.log(f"{pages} pages")
        await job.progress(0.5, "half")
        await job.checkpoint(pages)
        return {"pages": pages}

    ran = await run_inline(crawl, 12)
    assert ran.result == {"pages": 12}
    assert ran.log == [("info", "12 pages")]
    assert ran.progress == [(0.5, "half")]
    assert ran.checkpoint == 12
    with pytest.raises(BadArgs):
        await run_inline(crawl, "many")


async def test_a_failure_inline_is_an_outcome() -> None:
    app = Infinitas()

    @app.task
    def divide(a: int, b: int) -> float:
        return a / b

    assert (await run_inline(divide, 1, 0)).error == "ZeroDivisionError: division by zero"


async def test_a_night_of_daylight_saving_in_milliseconds(infinitas_kit: KitMaker) -> None:
    """29 March 2026, Copenhagen: 02:00 becomes 03:00, and 02:30 does not exist."""
    app = Infinitas()

    @app.task(schedule="30 2 * * *", timezone="Europe/Copenhagen")
    def nightly() -> None: ...

    @app.task(schedule="*/30 * * * *", timezone="Europe/Copenhagen")
    def half_hourly() -> None: ...

    async with infinitas_kit(app, datetime(2026, 3, 28, 12, tzinfo=UTC)) as kit:
        await kit.move_to(datetime(2026, 3, 30, 12, tzinfo=UTC))
        assert [f"{slot:%d %H:%M}" for slot in await kit.fired("nightly")] == ["29 01:00", "30 00:30"]
        assert len(await kit.fired("half_hourly")) == 96
        assert (await app.afetch_task("nightly")).last_success is not None


async def test_what_was_sent_and_when(infinitas_kit: KitMaker) -> None:
    app = Infinitas()

    @app.task
    def remind(user: int, text: str) -> None: ...

    @app.task(schedule=every(hours=6))
    async def look_ahead() -> None:
        await remind.asend(42, "due tomorrow")

    async with infinitas_kit(app, datetime(2026, 5, 1, tzinfo=UTC)) as kit:
        await kit.assert_not_sent(remind)
        ran = await kit.advance(timedelta(hours=12))
        assert [job.task for job in ran] == ["look_ahead", "remind"] * 2
        await kit.assert_sent(remind, 42, "due tomorrow")
        assert len(await kit.sent(remind)) == 2
        with pytest.raises(AssertionError, match="no job of remind"):
            await kit.assert_sent(remind, 7, "other")


async def test_retries_wait_on_the_same_clock(infinitas_kit: KitMaker) -> None:
    app = Infinitas()
    seen: list[datetime] = []

    async with infinitas_kit(app, datetime(2026, 5, 1, tzinfo=UTC)) as kit:

        @app.task(retries=3, retry_delay=3600, backoff="fixed")
        def stubborn() -> None:
            seen.append(kit.now)
            raise OSError("no")

    async with infinitas_kit(app, datetime(2026, 5, 1, tzinfo=UTC)) as kit:
        handle = await stubborn.asend()
        await kit.advance(timedelta(days=1))
        job = await app.afetch_job(handle.id)
    assert (job.state, job.attempt) == ("failed", 4)
    waits = [later - earlier for earlier, later in pairwise(seen)]
    assert all(timedelta(hours=1) <= wait <= timedelta(minutes=67) for wait in waits), waits


async def test_without_a_worker_a_slots_job_is_offered_three_times(infinitas_kit: KitMaker) -> None:
    """After 1, 10 and 30 seconds, then it fails `no_processor`; a task may choose to wait."""
    app = Infinitas()

    @app.task(schedule=every(hours=1))
    def needed() -> None: ...

    @app.task(schedule=every(hours=1), no_processor="wait")
    def patient() -> None: ...

    async with infinitas_kit(app, datetime(2026, 5, 1, tzinfo=UTC)) as kit:
        await kit.forget_worker()
        await kit.advance(timedelta(hours=1, seconds=40), run=False)
        (slot,) = await kit.fired("needed")
        waiting = await app.afetch_job(f"needed@{slot:%Y%m%dT%H%M%SZ}")
        assert (waiting.state, waiting.reason) == ("queued", "no_processor")
        await kit.advance(timedelta(seconds=2), run=False)
        given_up = await app.afetch_job(waiting.id)
        assert (given_up.state, given_up.reason) == ("failed", "no_processor")
        assert (given_up.ended or slot) - slot == timedelta(seconds=41)
        assert (await app.afetch_job(f"patient@{slot:%Y%m%dT%H%M%SZ}")).state == "queued"
