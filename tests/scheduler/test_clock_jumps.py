"""Redis' clock jumps: it is reported, nothing fires twice, and nothing waits longer than it must."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import time_machine
from redis import Redis

from infinitas import BadArgs, BadSchedule, Infinitas, Retry, every
from infinitas.broker import scripts
from infinitas.broker.connection import Connection
from infinitas.broker.messages import NewJob
from infinitas.broker.queue import QueueBroker
from infinitas.core.codec import from_ms, to_ms
from infinitas.core.schedule_options import ScheduleOptions, make_schedule
from infinitas.core.task_definition import TaskDefinition
from infinitas.scheduler.clock_monitor import ClockMonitor
from infinitas.scheduler.ticker import Ticker
from tests.support import PATIENCE_S, aeventually, events, running

P = "{infinitas:default}:"
HOUR_MS = 3_600_000
HOUR = timedelta(hours=1)
ALLOW = ScheduleOptions(overlap="allow")
AHEAD = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + (redis.call('GET', 'infinitas:ahead') or 0)
"""


@pytest.fixture
def shift(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Real scripts on a Redis whose clock is ahead, by ms that the test sets and takes back."""
    real = scripts._read
    monkeypatch.setattr(scripts, "_read", lambda name: AHEAD if name == "_ahead" else real(name))
    monkeypatch.setattr(Connection, "clock", "_ahead")

    def ahead(ms: int) -> None:
        redis.set("infinitas:ahead", ms)

    return ahead


def jumps_reported(redis: Redis) -> list[int]:
    return [int(e.fields["jump_ms"]) for e in events(redis, "schedule.clock_jumped")]


def slots(redis: Redis, key: str, *kinds: str) -> list[int]:
    found = events(redis, *(kinds or ("job.created", "job.missed", "job.skipped")))
    return [int(e.fields["due"]) for e in found if e.fields.get("schedule") == key]


async def becomes(check: Callable[[], bool]) -> None:
    """Wait until `check` is true."""

    async def checked() -> bool:
        return check()

    await aeventually(checked)


async def store(broker: QueueBroker, key: str, rule: Any) -> None:
    now = await broker.now()
    made = make_schedule(rule, key=key, task="t", now=now, origin="api", options=ALLOW)
    assert await broker.schedules.schedule([made], now) == ["ok"]


async def test_an_hour_ahead_for_a_while_and_back(
    shift: Callable[[int], None],
    make_app: Callable[..., Infinitas],
    broker: QueueBroker,
    redis: Redis,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A real scheduler. Each slot has one row; what was not fired by then fires at its right time."""
    await store(broker, "interval", every(milliseconds=500))
    await store(broker, "cron", "* * * * * *")
    async with running(make_app(), worker=False, scheduler=True):
        await becomes(lambda: len(slots(redis, "cron", "job.created")) >= 2)
        shift(HOUR_MS)
        await becomes(lambda: max(slots(redis, "cron", "job.created")) > _now_ms() + HOUR_MS // 2)
        await becomes(lambda: bool(jumps_reported(redis)))
        await store(broker, "stored-meanwhile", every(milliseconds=500))
        shift(0)
        await becomes(lambda: len(jumps_reported(redis)) == 2)
        # Its slots by the right clock were never fired.
        await becomes(lambda: len(slots(redis, "stored-meanwhile", "job.created")) >= 2)
        await store(broker, "stored-after", "* * * * * *")
        await becomes(lambda: len(slots(redis, "stored-after", "job.created")) >= 2)
    forward, back = jumps_reported(redis)
    assert HOUR_MS - 5000 < forward < HOUR_MS + 5000
    assert -HOUR_MS - 5000 < back < -HOUR_MS + 5000
    assert len([r for r in caplog.records if "clock went back by" in r.message]) == 1
    assert len([r for r in caplog.records if "clock jumped forward by" in r.message]) == 1
    for key, step in (("interval", 500), ("cron", 1000)):
        found = slots(redis, key)
        assert found == list(range(found[0], found[-1] + step, step)), "each slot has one row, in order"
    assert min(slots(redis, "stored-meanwhile", "job.created")) < _now_ms()


def _now_ms() -> int:
    return round(time.time() * 1000)


async def test_a_scheduler_that_starts_after_the_jump_knows_of_it(
    shift: Callable[[int], None], broker: QueueBroker, redis: Redis
) -> None:
    shift(HOUR_MS)
    await ClockMonitor(broker).check()
    shift(0)
    assert await ClockMonitor(broker).check() < -HOUR_MS + 5000
    assert await ClockMonitor(broker).check() == 0
    assert len(jumps_reported(redis)) == 1


async def test_several_schedulers_report_one_jump_once(
    shift: Callable[[int], None], broker: QueueBroker, redis: Redis
) -> None:
    monitors = [ClockMonitor(broker) for _ in range(3)]
    for count, ahead in enumerate((0, HOUR_MS, 0, -HOUR_MS, 0, -7_000)):
        shift(ahead)
        jumps = [await monitor.check() for monitor in monitors]
        assert all(jumps) == (count > 0), "each sees it itself"
        assert len(jumps_reported(redis)) == count


async def test_an_answer_that_took_long_and_a_drift_are_no_jumps(
    shift: Callable[[int], None], broker: QueueBroker, redis: Redis
) -> None:
    own = [0.0]
    monitor = ClockMonitor(broker, lambda: own[0])
    await monitor.check()
    shift(60_000)
    own[0] += 60
    assert await monitor.check() == 0, "a minute has passed on both clocks"
    shift(64_000)
    assert await monitor.check() == 0
    assert jumps_reported(redis) == []


async def test_a_second_scheduler_repeats_what_one_that_died_has_not_done(
    shift: Callable[[int], None], broker: QueueBroker, redis: Redis
) -> None:
    shift(HOUR_MS)
    await ClockMonitor(broker).check()
    await store(broker, "k", every(seconds=10))
    shift(0)
    await broker.clock(None)
    assert (redis.zscore(f"{P}due", "k") or 0) > _now_ms() + HOUR_MS // 2
    await ClockMonitor(broker).check()
    assert (redis.zscore(f"{P}due", "k") or 0) < _now_ms() + 11_000
    assert redis.hexists(f"{P}jumps", "behind"), "until the work is over"


async def test_fired_slots_stay_fired_through_edits_and_declarations(
    shift: Callable[[int], None], app: Infinitas, broker: QueueBroker, redis: Redis
) -> None:
    now = await broker.now()
    rule = make_schedule("* * * * *", key="t", task="t", now=now, options=ALLOW)
    await broker.declarations.declare([TaskDefinition(name="t")], [rule])
    await broker.schedules.schedule([rule], now)
    shift(HOUR_MS)
    await Ticker(broker).run_once()
    mark = int(redis.hget(f"{P}marks", "t") or 0)
    assert mark > _now_ms() + HOUR_MS // 2
    shift(0)
    await ClockMonitor(broker).check()
    assert redis.zscore(f"{P}due", "t") == mark + 60_000
    changed = await app.schedules.achange("t", "*/2 * * * *")
    assert changed.next_slot is not None
    assert to_ms(changed.next_slot) > mark
    first = await app.aschedule("t", every(seconds=30), key="t")
    assert to_ms(first) > mark
    assert (redis.zscore(f"{P}due", "t") or 0) > mark
    with pytest.raises(BadSchedule, match="fired already"):
        await app.aschedule("t", at=from_ms(mark - 60_000), key="t")


async def test_a_worker_whose_clock_is_ahead_anchors_no_interval_in_the_future(broker: QueueBroker) -> None:
    now = await broker.now()
    rule = make_schedule(every(seconds=10), key="k", task="t", now=now + HOUR, origin="api")
    first = rule.next_after(now)
    assert first is not None
    assert now < first <= now + timedelta(seconds=10)


async def test_retries_delays_and_offers_wait_no_longer_than_their_own_time(
    shift: Callable[[int], None], make_app: Callable[..., Infinitas], redis: Redis
) -> None:
    """Jobs with a delay get their right time back; jobs with a moment keep it."""
    app = make_app()
    runs: list[str] = []

    @app.task(retries=3, retry_delay=2)
    def flaky() -> None:
        runs.append("flaky")
        if len(runs) == 1:
            raise Retry(after=2)

    @app.task
    def plain() -> None: ...

    shift(HOUR_MS)
    async with running(app, worker=True, scheduler=True):
        retried = await flaky.asend()
        delayed = await plain.using(delay=2).asend()
        at = from_ms(_now_ms()) + 2 * HOUR
        kept = await plain.using(at=at).asend()
        await becomes(lambda: redis.hget(f"{P}job:{retried.id}", "state") == "retrying")
        shift(0)
        for handle in (retried, delayed):
            job = await app.await_for_end(handle.id, PATIENCE_S)
            assert job.state == "succeeded"
        assert redis.zscore(f"{P}later", kept.id) == to_ms(at)


async def test_rates_and_processors_do_not_stay_in_the_future(
    shift: Callable[[int], None], broker: QueueBroker, redis: Redis
) -> None:
    await broker.declarations.declare([TaskDefinition(name="limited", rate="1/m")], [])
    shift(HOUR_MS)
    await broker.workers.join("w1", ["limited"], 60)
    redis.rpush(f"{P}starts:limited", _now_ms() + HOUR_MS)
    await ClockMonitor(broker).check()
    shift(0)
    await ClockMonitor(broker).check()
    assert redis.exists(f"{P}starts:limited") == 0
    assert (redis.zscore(f"{P}processors", "limited") or 0) < _now_ms() + 61_000


async def test_many_waiting_jobs_are_moved_in_pages(
    shift: Callable[[int], None], broker: QueueBroker, redis: Redis
) -> None:
    shift(HOUR_MS)
    await ClockMonitor(broker).check()
    jobs = [NewJob(id=f"j{i}", task="t", args="[[],{}]", delay_s=30) for i in range(1500)]
    await broker.jobs.enqueue(jobs)
    shift(0)
    await ClockMonitor(broker).check()
    late: Any = redis.zcount(f"{P}later", _now_ms() + 31_000, "+inf")
    assert late == 0
    assert redis.zcard(f"{P}later") == 1500


async def test_a_delay_counts_by_the_clock_of_redis(
    shift: Callable[[int], None], app: Infinitas, redis: Redis
) -> None:
    """The sender's own clock, here an hour behind that of Redis, plays no part."""

    @app.task
    def later() -> None: ...

    shift(HOUR_MS)
    sent = [await later.using(delay=600).asend(), later.using(delay=timedelta(minutes=10)).send()]
    for handle in sent:
        due = redis.zscore(f"{P}later", handle.id) or 0
        assert abs(due - _now_ms() - HOUR_MS - 600_000) < 60_000
        assert redis.hget(f"{P}job:{handle.id}", "wait") == "600000"
    assert (await app.afetch_job((await later.using(delay=-5).asend()).id)).state == "queued"
    for wrong in (float("nan"), 1e12, "5", True, timedelta.max):
        with pytest.raises(BadArgs, match="delay="):
            later.using(delay=wrong)  # type: ignore[arg-type]


def test_the_sender_may_be_an_hour_ahead(app: Infinitas, redis: Redis) -> None:
    @app.task
    def later() -> None: ...

    before = _now_ms()
    with time_machine.travel(datetime.now(UTC) + HOUR, tick=True):
        handle = later.using(delay=600).send()
    due = redis.zscore(f"{P}later", handle.id) or 0
    assert before + 600_000 <= due <= _now_ms() + 600_000


async def test_the_archive_keeps_a_jump_and_what_can_not_be_read(
    shift: Callable[[int], None], make_app: Callable[..., Infinitas], postgres_url: str, redis: Redis
) -> None:
    app = make_app(archive=True)
    redis.hset(f"{P}schedules", "bad", "{")
    redis.zadd(f"{P}due", {"bad": 1.0})
    async with running(app, worker=False, scheduler=True, archiver=True):
        await becomes(lambda: redis.hexists(f"{P}jumps", "seen"))
        shift(-HOUR_MS)

        async def noted() -> bool:
            # Until the archiver has made its tables there are none.
            with suppress(psycopg.errors.UndefinedTable), psycopg.connect(postgres_url) as db:
                rows = db.execute("SELECT what, schedule FROM infinitas_schedule_notes").fetchall()
                return {("clock_jumped", ""), ("unreadable", "bad")} <= set(rows)
            return False

        await aeventually(noted)
