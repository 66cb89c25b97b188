"""External tasks on a clock that the test moves: their slots, their pings, and every way to an end."""

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis import Redis

from infinitas import Infinitas, every
from infinitas.broker.answers import CancelAnswer
from infinitas.broker.messages import Declarer, NewJob
from infinitas.broker.pings import PingAnswer, Pinged
from infinitas.broker.reconcile import Reconciliation
from infinitas.broker.virtual_clock import ClockedConnection
from infinitas.client.redis_client import RedisClient
from infinitas.core.errors import (
    BadArgs,
    BadSchedule,
    ExternalTask,
    NameTaken,
    UnknownTask,
    UnknownToken,
)
from infinitas.core.job_filter import JobFilter
from infinitas.core.ping_report import read_report
from infinitas.core.schedule_options import Entry
from infinitas.core.states import FINAL, State
from infinitas.core.task_definition import TaskDefinition
from infinitas.devservers.servers import Urls
from infinitas.testing import Kit, KitMaker
from tests.support import events

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
P = "{infinitas:default}:"
BACKUP = TaskDefinition(name="backup", external=True, timeout=1800)


@dataclass
class Host:
    """Another host, whose crontab pings `backup`: hourly, with ten minutes of grace."""

    kit: Kit
    client: RedisClient
    address: str

    async def ping(self, what: str = "", body: bytes = b"", rid: str = "") -> PingAnswer:
        token = await self.client.external.token(self.address)
        return await self.client.external.ping(token, read_report(what, body), rid)

    async def ledger(self) -> list[str]:
        """What became of each slot."""
        return [f"{slot:%H:%M} {state} {why}".strip() for slot, state, why in await self.kit.ledger("backup")]


@pytest.fixture
async def host(infinitas_kit: KitMaker, servers: Urls, redis: Redis) -> AsyncIterator[Host]:
    async with infinitas_kit(Infinitas(), NOON) as kit:
        client = RedisClient(servers.redis, None, 3600, ClockedConnection)
        await client.queues()
        _, address = await client.external.add(BACKUP, "0 * * * *", {"grace": 600})
        yield Host(kit, client, address)
        await client.close()


async def test_a_ping_ends_the_slot_that_waits_for_it(host: Host, redis: Redis) -> None:
    await host.kit.advance(HOUR + MINUTE)
    assert await host.ledger() == ["13:00 scheduled"]
    assert redis.keys(f"{P}stream:*") == [], "no worker can claim it"
    answer = await host.ping("0")
    assert answer == PingAnswer(Pinged.APPLIED, "backup@20260504T130000Z", "succeeded")
    assert await host.ledger() == ["13:00 succeeded"]
    job = await host.client.job("backup@20260504T130000Z")
    assert (job.attempt, job.worker, job.result) == (1, "ping", {"exit_code": 0})
    await host.kit.advance(HOUR)
    assert await host.ledger() == ["13:00 succeeded", "14:00 scheduled"]


async def test_a_slot_without_a_ping_is_missed_after_its_grace_and_reported(host: Host, redis: Redis) -> None:
    await host.kit.advance(HOUR + 10 * MINUTE - SECOND)
    assert await host.ledger() == ["13:00 scheduled"]
    assert await host.kit.overdue("backup") == []
    await host.kit.advance(SECOND)
    assert await host.ledger() == ["13:00 missed no_ping"]
    assert await host.kit.overdue("backup") == [(NOON + HOUR, "missed")]
    (missed,) = events(redis, "job.missed")
    assert missed.fields["schedule"] == "backup"


async def test_a_late_ping_after_the_grace_is_a_job_of_its_own(host: Host) -> None:
    await host.kit.advance(HOUR + 15 * MINUTE)
    answer = await host.ping()
    assert answer.state == "succeeded"
    assert answer.job is not None
    assert (await host.client.job(answer.job)).schedule is None
    assert await host.ledger() == ["13:00 missed no_ping"]
    assert (await host.client.task("backup")).streak == 1


async def test_start_and_end_are_one_run_with_its_duration(host: Host, redis: Redis) -> None:
    await host.kit.advance(HOUR)
    assert (await host.ping("start")).state == "running"
    assert (await host.ping("start")).result is Pinged.KNOWN, "curl --retry sends it twice"
    await host.kit.advance(5 * MINUTE)
    assert await host.ledger() == ["13:00 running"]
    answer = await host.ping("3", b"copying\nno space left\n\n")
    assert answer.state == "failed"
    job = await host.client.job("backup@20260504T130000Z")
    assert (job.reason, job.error) == ("error", "exit code 3: no space left")
    assert [(line.level, line.text) for line in job.log] == [
        ("error", "copying"),
        ("error", "no space left"),
        ("error", ""),
    ]
    assert job.ended is not None
    assert job.started is not None
    assert job.ended - job.started == 5 * MINUTE
    assert (await host.client.task("backup")).streak == -1
    assert not redis.exists(f"{P}open:backup")
    assert redis.zcard(f"{P}later") == 0


async def test_a_ping_needs_no_live_scheduler(host: Host) -> None:
    """As if every scheduler were gone from the slot on."""
    await host.kit.outage(HOUR + MINUTE)
    await host.ping("start")
    assert await host.ledger() == ["13:00 running"]


async def test_slots_that_nothing_fired_within_their_grace_are_missed(host: Host) -> None:
    await host.kit.outage(3 * HOUR + MINUTE)
    await host.ping()
    assert await host.ledger() == ["13:00 missed no_ping", "14:00 missed no_ping", "15:00 succeeded"]
    assert await host.kit.advance(timedelta()) == []
    assert len(await host.ledger()) == 3


@pytest.mark.parametrize(("before", "rows"), [(8, ["13:00 succeeded"]), (20, [])])
async def test_a_host_whose_clock_is_fast_pings_before_the_slot(
    host: Host, before: int, rows: list[str]
) -> None:
    await host.kit.advance(HOUR - before * SECOND)
    answer = await host.ping()
    assert answer.state == "succeeded"
    assert await host.ledger() == rows
    await host.kit.advance(timedelta(seconds=before))
    assert [row.partition(" ")[0] for row in await host.ledger()] == ["13:00"], "the slot fires once"


async def test_a_second_ping_early_in_an_interval_takes_no_later_slot(host: Host, servers: Urls) -> None:
    await host.client.schedules.change("backup", every(seconds=16), options={"grace": 15})
    await host.kit.advance(16 * SECOND)
    await host.ping()
    await host.kit.advance(7 * SECOND)
    assert (await host.ping()).state == "succeeded"
    assert await host.ledger() == ["12:00 succeeded"], "the next slot is less than ten seconds away"
    await host.kit.advance(2 * SECOND)
    await host.ping()
    assert len(await host.ledger()) == 2


async def test_a_grace_longer_than_the_interval_lets_slots_wait_side_by_side(host: Host) -> None:
    await host.client.schedules.change("backup", "*/5 * * * *", options={"grace": 600})
    await host.kit.advance(6 * MINUTE)
    await host.kit.advance(5 * MINUTE)
    assert await host.ledger() == ["12:05 scheduled", "12:10 scheduled"]
    await host.ping()
    assert await host.ledger() == ["12:05 scheduled", "12:10 succeeded"], "the newest"
    await host.kit.advance(5 * MINUTE)
    assert (await host.ledger())[:2] == ["12:05 missed no_ping", "12:10 succeeded"]


async def test_overlapping_runs_are_distinguished_by_rid(host: Host, redis: Redis) -> None:
    await host.client.schedules.change("backup", "*/5 * * * *", options={"grace": 240})
    await host.kit.advance(5 * MINUTE)
    await host.ping("start", rid="a")
    await host.kit.advance(5 * MINUTE)
    await host.ping("start", rid="b")
    await host.ping("fail", rid="a")
    await host.ping("log", b"half way", rid="b")
    assert await host.ledger() == ["12:05 failed error", "12:10 running"]
    await host.ping("", rid="b")
    again = await host.ping("", rid="b")
    assert (again.result, again.state) == (Pinged.KNOWN, "succeeded")
    assert (await host.ping("start", rid="b")).result is Pinged.KNOWN, "one that was under way for long"
    await host.ping("log", b"the end", rid="b")
    assert await host.ledger() == ["12:05 failed error", "12:10 succeeded"]
    job = await host.client.job("backup@20260504T121000Z")
    assert [line.text for line in job.log] == ["half way", "the end"]
    assert 0 < redis.pttl(f"{P}rid:backup:b") <= 3_600_000
    assert 0 < redis.pttl(f"{P}log:{job.id}") <= 3_600_000


async def test_a_run_whose_end_is_never_reported_fails(host: Host) -> None:
    await host.kit.advance(HOUR)
    await host.ping("start")
    await host.kit.advance(30 * MINUTE - SECOND)
    assert await host.ledger() == ["13:00 running"]
    await host.kit.advance(SECOND)
    assert await host.ledger() == ["13:00 failed timed_out"]
    assert await host.kit.overdue("backup") == [(NOON + HOUR, "late")]


async def test_the_next_start_without_rid_ends_a_run_that_was_cut_off(host: Host) -> None:
    await host.client.schedules.change("backup", "*/5 * * * *", options={"grace": 240})
    await host.kit.advance(5 * MINUTE)
    await host.ping("start")
    await host.kit.advance(5 * MINUTE)
    await host.ping("start")
    assert await host.ledger() == ["12:05 failed lost", "12:10 running"]


async def test_pause_and_skip_leave_slots_out(host: Host) -> None:
    await host.client.schedules.skip_next("backup", 1)
    await host.kit.advance(HOUR)
    await host.client.schedules.pause("backup", "moving house")
    await host.kit.advance(HOUR)
    assert await host.ledger() == ["13:00 skipped skip_next", "14:00 skipped paused"]
    assert (await host.ping()).state == "succeeded", "it is recorded all the same"
    assert len(await host.ledger()) == 2


async def test_waiting_and_running_ones_can_be_cancelled_at_once(host: Host, redis: Redis) -> None:
    await host.kit.advance(HOUR)
    await host.client.cancel("backup@20260504T130000Z", "not today")
    await host.kit.advance(HOUR)
    await host.ping("start")
    broker = host.kit.brokers["default"]
    assert await broker.jobs.cancel(["backup@20260504T140000Z"], "stop", 60) == [CancelAnswer.CANCELLED]
    assert await host.ledger() == ["13:00 cancelled not today", "14:00 cancelled stop"]
    assert not redis.exists(f"{P}open:backup", f"{P}later", f"{P}cancels:ping")


async def test_nothing_here_can_run_its_jobs(host: Host, redis: Redis) -> None:
    await host.kit.advance(HOUR + 10 * MINUTE)
    sent = [NewJob(id="j", task="backup", args="[[],{}]")]
    missed = "backup@20260504T130000Z"
    with pytest.raises(ExternalTask):
        await host.client.send(BACKUP, sent)
    with pytest.raises(ExternalTask):
        await host.client.schedules.trigger("backup")
    with pytest.raises(ExternalTask):
        await host.client.rerun(missed)
    with pytest.raises(ExternalTask):
        await host.client.schedules.backfill("backup", NOON, NOON + HOUR + MINUTE)
    await host.kit.advance(50 * MINUTE)
    await host.ping("fail")
    with pytest.raises(ExternalTask):
        await host.client.retry("backup@20260504T140000Z")
    with pytest.raises(BadSchedule, match="one schedule"):
        await host.client.schedules.put("backup", [Entry(key="other", rule="@daily")], {})
    assert not redis.exists(f"{P}stream:backup", f"{P}job:j")


async def test_the_reconciler_leaves_its_jobs_to_their_pings(host: Host, redis: Redis) -> None:
    await host.kit.advance(HOUR)
    await host.ping("start")
    await host.kit.advance(HOUR, run=False)
    await host.ping("start", rid="b")
    edges = Reconciliation(ClockedConnection(host.kit.app.settings.redis_url or "", "test"), "default")
    keys: Any = redis.keys(f"{P}job:*")
    ids = [key.rpartition("job:")[2] for key in keys]
    assert await edges.mend_jobs(ids, {}, 60) == []
    redis.delete(f"{P}later")
    found = await edges.mend_jobs(ids, {}, 60)
    assert {(fault.what, fault.mended) for fault in found} == {("untimed", True)}
    assert redis.zscore(f"{P}later", "backup@20260504T140000Z") == (NOON + 2.5 * HOUR).timestamp() * 1000
    await edges._connection.close()


async def test_it_shows_what_runs_and_what_waits_for_a_ping(host: Host) -> None:
    await host.kit.advance(HOUR)
    waiting = await host.client.waiting("backup@20260504T130000Z")
    assert waiting is not None
    assert (waiting.code, waiting.until) == ("ping", NOON + HOUR + 10 * MINUTE)
    assert (await host.client.task("backup")).running == 0
    await host.ping("start", rid="a")
    await host.ping("start", rid="b")
    info = await host.client.task("backup")
    assert (info.running, info.queued) == (2, 0)
    assert len(await host.client.jobs("backup", State.RUNNING, 10)) == 2
    listed, _ = await host.client.page(JobFilter(state=State.RUNNING), None, 10)
    assert {job.worker for job in listed} == {"ping"}
    assert len(listed) == 2


async def test_a_log_without_a_run_changes_nothing(host: Host) -> None:
    assert await host.ping("log", b"hm") == PingAnswer(Pinged.NO_RUN)
    await host.kit.advance(HOUR)
    assert await host.ping("log", b"hm") == PingAnswer(Pinged.NO_RUN)
    assert await host.ledger() == ["13:00 scheduled"]


async def test_tokens_are_replaced_and_end_with_their_task(host: Host, redis: Redis) -> None:
    stored: Any = redis.hgetall("infinitas:pings")
    assert host.address not in str(stored)
    with pytest.raises(NameTaken):
        await host.client.external.add(BACKUP, None, {})
    new = await host.client.external.rotate("backup")
    with pytest.raises(UnknownToken):
        await host.ping()
    host.address = new
    await host.kit.advance(HOUR)
    await host.ping("start")
    await host.client.external.remove("backup")
    with pytest.raises(UnknownToken):
        await host.ping()
    with pytest.raises(UnknownTask):
        await host.client.external.find("backup")
    assert await host.ledger() == ["13:00 cancelled its task was removed"]
    left: Any = set(redis.keys(f"{P}*"))
    assert not [key for key in left if "backup" in key and ":job:" not in key]
    assert redis.zcard(f"{P}later") == redis.zcard(f"{P}due") == 0


async def test_a_task_that_code_has_taken_over_is_pinged_no_more(host: Host) -> None:
    broker, born = host.kit.brokers["default"], NOON + SECOND
    await broker.declarations.declare([TaskDefinition(name="backup")], [], Declarer(born=born))
    with pytest.raises(UnknownTask):
        await host.ping()


@pytest.mark.parametrize("what", ["stop", "256", "-1", "1.0", "٣", "00000"])
async def test_other_ends_of_an_address_are_refused(host: Host, what: str) -> None:
    with pytest.raises(BadArgs):
        await host.ping(what)
    with pytest.raises(BadArgs):
        await host.ping("", rid="a b")


async def test_every_slot_has_one_row_and_its_events_are_in_order(host: Host, redis: Redis) -> None:
    await host.kit.advance(HOUR)
    await host.ping("1")
    kinds = [event.kind for event in events(redis) if event.fields.get("job")]
    assert kinds == ["job.created", "job.running", "job.failed"]


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_pings_come_each_slot_has_one_row_and_each_run_an_end(
    host: Host, redis: Redis, seed: int
) -> None:
    """Runs that overlap, are cut off, are pinged twice, early or late, with and without a scheduler."""
    choose = random.Random(seed)
    await host.client.schedules.change("backup", "*/30 * * * *", options={"grace": choose.choice([60, 2700])})
    for _ in range(25):
        span = choose.choice([SECOND, 5 * SECOND, 10 * MINUTE, 20 * MINUTE, HOUR])
        await (host.kit.outage if choose.random() < 0.5 else host.kit.advance)(span)
        what = choose.choice(["start", "", "0", "1", "fail", "log"])
        await host.ping(what, b"a line", choose.choice(["", "", "a", f"r{choose.randrange(30)}"]))
        if choose.random() < 0.1:
            await host.client.schedules.skip_next("backup", 1)
    end = host.kit.now
    await host.kit.advance(HOUR + MINUTE)
    rows = [row for row in await host.kit.ledger("backup") if row[0] <= end]
    slots = [NOON + 30 * n * MINUTE for n in range(1, len(rows) + 1)]
    assert [slot for slot, _, _ in rows] == slots, "each exactly once"
    assert {state for _, state, _ in rows} <= set(FINAL)
    assert len(rows) > 10
    ended = {(job.id, job.state) for job in await host.client.jobs("backup", None, 500)}
    assert not [job for job, state in ended if state in ("running", "queued")]
    assert not redis.exists(f"{P}open:backup", f"{P}stream:backup")
