"""Slots whose job did not start, or did not succeed, in time are reported by any live process."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from redis import Redis

from infinitas import Infinitas
from infinitas.core.schedule import START_EXPECTED
from infinitas.devservers.servers import Urls
from infinitas.testing import KitMaker
from tests.apps import jobs
from tests.support import Processes, eventually

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def hourly(*, fails: bool = False, **options: Any) -> Infinitas:
    app = Infinitas()

    @app.task(schedule="0 * * * *", **options)
    def tick() -> None:
        if fails:
            raise ValueError("no")

    return app


async def test_a_job_that_succeeds_in_time_is_not_reported(infinitas_kit: KitMaker) -> None:
    async with infinitas_kit(hourly(grace=60), NOON) as kit:
        await kit.advance(5 * HOUR)
        assert await kit.overdue("tick") == []


async def test_a_job_that_does_not_start_is_missed(infinitas_kit: KitMaker) -> None:
    async with infinitas_kit(hourly(no_processor="wait"), NOON) as kit:
        await kit.advance(HOUR + START_EXPECTED - timedelta(seconds=1), run=False)
        assert await kit.overdue("tick") == []
        await kit.advance(timedelta(seconds=1), run=False)
        await kit.advance(MINUTE, run=False)
        assert await kit.overdue("tick") == [(NOON + HOUR, "missed")], "once"


async def test_a_slot_that_is_not_fired_is_missed(infinitas_kit: KitMaker) -> None:
    """No scheduler is up: the watch alone finds it, and again for the next slot that is left lying."""
    from infinitas.monitor.overdue import OverdueMonitor

    app = hourly()
    async with infinitas_kit(app, NOON) as kit:
        watch = OverdueMonitor(kit.brokers["default"])
        await kit.outage(HOUR + MINUTE)
        assert await watch.check() == 0, "the minute is not over"
        await kit.outage(timedelta(seconds=1))
        assert await watch.check() == 1
        assert await watch.check() == 0, "of each slot once"
        assert await kit.overdue("tick") == [(NOON + HOUR, "missed")]
        await kit.advance(timedelta())
        await kit.outage(HOUR + MINUTE)
        assert await watch.check() == 1
        assert await kit.overdue("tick") == [(NOON + HOUR, "missed"), (NOON + 2 * HOUR, "missed")]


async def test_a_paused_schedule_is_not_missed(infinitas_kit: KitMaker) -> None:
    from infinitas.monitor.overdue import OverdueMonitor

    app = hourly()
    async with infinitas_kit(app, NOON) as kit:
        await app.schedules.apause("tick", "why")
        await kit.outage(3 * HOUR)
        assert await OverdueMonitor(kit.brokers["default"]).check() == 0


async def test_with_a_grace_a_success_is_expected(infinitas_kit: KitMaker) -> None:
    async with infinitas_kit(hourly(fails=True, grace=600), NOON) as kit:
        await kit.advance(HOUR + timedelta(seconds=601))
        assert await kit.overdue("tick") == [(NOON + HOUR, "late")]
    async with infinitas_kit(hourly(fails=True), NOON) as kit:
        await kit.advance(HOUR + timedelta(seconds=601))
        assert await kit.overdue("tick") == [], "a failure is an event of its own"


async def test_the_grace_of_a_schedule_that_is_over_counts(infinitas_kit: KitMaker) -> None:
    """A reminder's rule is gone as soon as it has fired."""
    app = hourly(fails=True)
    async with infinitas_kit(app, NOON) as kit:
        for key, grace in (("reminder", 600), ("plain", None)):
            options: Any = {"grace": grace} if grace else {}
            await app.aschedule("tick", at=NOON + MINUTE, key=key, **options)
        await app.aschedule("tick", "*/1 * * * *", key="once", max_runs=1, grace=600)
        await kit.advance(MINUTE + timedelta(seconds=601))
        assert await kit.overdue("reminder") == [(NOON + MINUTE, "late")]
        assert await kit.overdue("once") == [(NOON + MINUTE, "late")]
        assert await kit.overdue("plain") == []


async def test_many_unfired_slots_are_all_reported(infinitas_kit: KitMaker) -> None:
    from infinitas import Entry
    from infinitas.monitor.overdue import PAGE, PAGES, OverdueMonitor

    app = hourly()
    async with infinitas_kit(app, NOON) as kit:
        count = (PAGES + 2) * PAGE + 7
        entries = [Entry(key=f"k{i}", at=NOON + timedelta(seconds=1)) for i in range(count)]
        await app.schedules.aadd_many("tick", entries)
        await kit.outage(5 * MINUTE)
        watch = OverdueMonitor(kit.brokers["default"])
        counts = [await watch.check() for _ in range(4)]
        assert counts == [PAGES * PAGE, 2 * PAGE + 7, 0, 0], "in portions, each once"


def test_the_archiver_notices_that_no_scheduler_is_up(
    processes: Processes, servers: Urls, redis: Redis, postgres_url: str
) -> None:
    """Real processes: a killed scheduler leaves slots unfired; the archiver reports and stores it."""
    app = jobs.app.configure(redis_url=servers.redis)
    processes.start("archiver")
    scheduler = processes.start("scheduler")
    app.schedule("noop", "* * * * * *", key="every-second", grace=1, overlap="allow")
    eventually(lambda: redis.xlen("{infinitas:default}:stream:noop") >= 1)
    scheduler.kill()
    scheduler.wait()

    def noted() -> list[Any]:
        with psycopg.connect(postgres_url) as db:
            query = "SELECT what, facts ->> 'state' FROM infinitas_schedule_notes WHERE schedule = %s"
            try:
                rows = db.execute(query, ("every-second",)).fetchall()
            except psycopg.errors.UndefinedTable:
                return []  # The archiver is not so far yet.
            return [row for row in rows if row[1] == "not_fired"]

    assert eventually(noted)[0] == ("missed", "not_fired")
    app.close()
