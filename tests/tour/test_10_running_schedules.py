"""Schedules change while they run; whatever becomes of a slot, there is a row of it."""

from datetime import UTC, datetime, timedelta

from infinitas import Infinitas, Job, every, preview
from infinitas.testing import KitMaker

MORNING = datetime(2026, 5, 4, 8, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def hourly() -> Infinitas:
    app = Infinitas()

    @app.task(schedule="0 * * * *")
    def report(city: str = "everywhere") -> str:
        return city

    return app


def test_look_before_you_rely_on_it() -> None:
    """`infinitas preview '30 2 * * *' --tz Europe/Copenhagen` prints the same."""
    seen = preview("30 2 * * *", timezone="Europe/Copenhagen", now=MORNING)
    assert seen.description == "at 02:30, every day"
    assert len(seen.warnings) == 2, "the nights when the clocks change"


async def test_pause_resume_skip(infinitas_kit: KitMaker) -> None:
    app = hourly()
    async with infinitas_kit(app, MORNING) as kit:
        await kit.advance(HOUR)  # 9
        await app.schedules.apause("report", "the warehouse moves", until=MORNING + 2.4 * HOUR)
        await kit.advance(2 * HOUR)  # 10 is left out; 11 is after the pause
        await app.schedules.askip_next("report")
        await kit.advance(2 * HOUR)  # 12 is left out, 13 runs
        assert [(slot.hour, state, reason) for slot, state, reason in await kit.ledger("report")] == [
            (9, "succeeded", ""),
            (10, "skipped", "paused"),
            (11, "succeeded", ""),
            (12, "skipped", "skip_next"),
            (13, "succeeded", ""),
        ]


async def test_change_trigger_unschedule(infinitas_kit: KitMaker) -> None:
    app = hourly()
    async with infinitas_kit(app, MORNING) as kit:
        await app.schedules.achange("report", "30 * * * *", overlap="queue")
        await kit.advance(HOUR)
        now = await app.schedules.aget("report")
        assert now.schedule.overridden, "the code has another rule"
        assert now.live_job is None, "it has ended"
        await app.schedules.atrigger("report", args=("Paris",))
        (ran,) = await kit.drain()
        assert ran.result == "Paris"
        await app.aunschedule("report")
        assert await kit.advance(3 * HOUR) == []
        assert [slot.minute for slot in await kit.fired("report")] == [30]


async def test_backfill_makes_up_for_slots_that_had_no_job(infinitas_kit: KitMaker) -> None:
    app = hourly()
    async with infinitas_kit(app, MORNING) as kit:
        await app.schedules.apause("report", "a wrong password")
        await kit.advance(3 * HOUR)
        await app.schedules.aresume("report")
        start, end = MORNING, MORNING + 3 * HOUR
        tried = await app.schedules.abackfill("report", start, end, dry_run=True)
        assert [slot.hour for slot in tried.slots] == [9, 10, 11]
        assert await kit.drain() == [], "a dry run makes nothing"
        await app.schedules.abackfill("report", start, end, limit=2)
        made = await kit.advance(timedelta(seconds=10))
        assert sorted(job.due.hour for job in made if job.state == "succeeded") == [9, 10, 11]


async def test_policies_are_options(infinitas_kit: KitMaker) -> None:
    """Three hours without a scheduler: by default the newest slot runs; here all do."""
    app = Infinitas()

    @app.task(schedule=every(hours=1), catch_up="all", overlap="allow", max_runs=4)
    async def crawl(job: Job) -> None: ...

    async with infinitas_kit(app, MORNING) as kit:
        await kit.outage(3 * HOUR)
        await kit.advance(3 * HOUR)
        assert len(await kit.fired("crawl")) == 4, "and then it is over"
