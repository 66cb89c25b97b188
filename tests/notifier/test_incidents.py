"""Incidents of jobs and queues: opened once, silent while open, closed with the recovery."""

from datetime import timedelta
from typing import Any

import pytest
from redis import Redis

from infinitas.broker.messages import ClaimRequest, NewJob, Settlement
from infinitas.broker.queue import QueueBroker
from infinitas.core.notice import NoticeReason
from infinitas.core.states import State
from infinitas.core.task_definition import TaskDefinition
from infinitas.core.verdict import SUCCEEDED, Verdict
from tests.notifier.parts import P, declare, notifier


async def test_a_failed_job_is_an_incident_and_a_message_and_a_success_ends_it(
    broker: QueueBroker, redis: Redis, postgres_url: str
) -> None:
    await declare(broker, redis, owner="nina", runbook="https://wiki.example/t", redact=["0"], tags=["shop"])
    async with notifier(broker, postgres_url) as parts:
        await parts.run(3)
        await parts.follow()
        (incident,) = parts.incidents()
        assert (incident["kind"], incident["subject"], incident["count"]) == ("failing", "t", 3)
        assert incident["error"] == "ConnectionError: crm.local:443"
        (notice,) = await parts.compose()
        assert (notice.reason, notice.channel, notice.rule) == (NoticeReason.OPENED, "ops", "all")
        (trouble,) = notice.troubles
        assert (trouble.arguments, trouble.attempt, trouble.attempts) == ('[["***"],{}]', 1, 1)
        assert (trouble.owner, trouble.runbook) == ("nina", "https://wiki.example/t")
        assert trouble.link == "https://infinitas.example/jobs/t-2"

        await parts.run(2, first=10)
        await parts.follow()
        assert not await parts.compose(), "silent while open"
        assert parts.incidents()[0]["count"] == 5

        await parts.succeed()
        await parts.follow()
        (incident,) = parts.incidents()
        assert incident["closed_at"] is not None
        (notice,) = await parts.compose()
        assert notice.reason is NoticeReason.RECOVERED
        assert notice.troubles[0].incident.closed_at == incident["closed_at"]
        assert notice.troubles[0].last_success_at is not None


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("error", "failing"),
        ("timed_out", "timed_out"),
        ("lost", "lost"),
        ("quarantined", "quarantined"),
        ("no_processor", "no_worker"),
        ("crashed", "failing"),
    ],
)
async def test_the_reason_of_a_failure_is_the_kind_of_its_incident(
    broker: QueueBroker, postgres_url: str, reason: str, kind: str
) -> None:
    async with notifier(broker, postgres_url) as parts:
        await parts.run(1, Verdict(state=State.FAILED, reason=reason, error="no"))
        await parts.follow()
        assert [each["kind"] for each in parts.incidents("closed_at IS NULL")] == [kind]
        await parts.succeed()
        await parts.follow()
        assert parts.incidents("closed_at IS NULL") == []


async def test_so_many_failures_in_a_row_open_an_incident(
    broker: QueueBroker, redis: Redis, postgres_url: str
) -> None:
    await declare(broker, redis, notify_after=3)
    async with notifier(broker, postgres_url) as parts:
        await parts.run(2)
        await parts.follow()
        await parts.succeed()
        await parts.run(2, first=10)
        await parts.follow()
        assert parts.incidents() == []
        await parts.run(1, first=20)
        await parts.follow()
        (incident,) = parts.incidents()
        assert incident["count"] == 3
        assert incident["opened_at"] < incident["last_at"], "since the first of them"


async def test_so_many_failures_in_a_window_open_an_incident(
    broker: QueueBroker, redis: Redis, postgres_url: str
) -> None:
    await declare(broker, redis, notify_after="3/1h")
    async with notifier(broker, postgres_url) as parts:
        for each in range(3):
            assert parts.incidents() == []
            await parts.run(1, first=10 * each)
            await parts.succeed(first=1000 + each)
            await parts.follow()
        (incident,) = parts.incidents()
        assert incident["closed_at"] is None, "a success does not end it within the window"


async def test_flapping_is_one_message(broker: QueueBroker, postgres_url: str) -> None:
    async with notifier(broker, postgres_url) as parts:
        notified = []
        for each in range(5):
            await parts.run(1, first=each)
            await parts.follow()
            notified += [notice.reason for notice in await parts.compose()]
            await parts.succeed(first=1000 + each)
            await parts.follow()
            notified += [notice.reason for notice in await parts.compose()]
        opened, recovered = NoticeReason.OPENED, NoticeReason.RECOVERED
        assert notified == [opened, recovered] * 3 + [NoticeReason.FLAPPING]
        assert len(parts.incidents()) == 4
        assert parts.incidents("flapping")[0]["closed_at"] is None
        assert not await parts.sweeper.sweep(), "it was not calm for long enough"
        parts.query("UPDATE infinitas_incidents SET calm_since = calm_since - interval '10 minutes'")
        assert await parts.sweeper.sweep()
        (notice,) = await parts.compose()
        assert notice.reason is NoticeReason.RECOVERED
        assert parts.incidents("closed_at IS NULL") == []


async def test_a_slot_that_is_not_fired_is_missed_until_a_job_of_the_schedule_runs(
    broker: QueueBroker, redis: Redis, postgres_url: str
) -> None:
    """No scheduler and no archiver: the notifier's own monitor reports the slot."""
    from infinitas.core.schedule import Schedule
    from infinitas.monitor.overdue import OverdueMonitor

    redis.hdel(f"{P}tasks", "t")
    await broker.declarations.declare(
        [TaskDefinition(name="t")], [Schedule(key="t", task="t", every_ms=3_600_000, grace_ms=1_000)]
    )
    async with notifier(broker, postgres_url) as parts:
        now = await broker.connection.now()
        redis.zadd(f"{P}due", {"t": (now - timedelta(seconds=2.5)).timestamp() * 1000 // 1})
        await OverdueMonitor(broker).check()
        await parts.follow()
        (incident,) = parts.incidents()
        assert (incident["kind"], incident["subject"], incident["task"]) == ("missed", "t", "t")
        (notice,) = await parts.compose()
        assert notice.troubles[0].schedule == "every 1h"
        await parts.run(1, SUCCEEDED)
        await parts.follow()
        assert parts.incidents("closed_at IS NULL") == [], "a success of any job"


async def test_events_of_schedules_workers_and_readers(
    broker: QueueBroker, redis: Any, postgres_url: str
) -> None:
    """Each opens an incident, and its counterpart ends it."""

    def emit(kind: str, **fields: Any) -> None:
        redis.xadd(f"{P}events", {"type": kind, "at": int(redis.time()[0]) * 1000, **fields})

    async with notifier(broker, postgres_url) as parts:
        emit("schedule.late", schedule="t", slot="1", state="running", job="t@1")
        emit("schedule.unreadable", schedule="s", reason="it can't be read")
        emit("worker.lost", worker="eu-3")
        emit("archive.behind", what="reader:archiver", facts='{"waiting_s":31,"entries":7}')
        emit("redis.amiss", what="redis:memory", facts='{"text":"nearly full"}')
        emit("job.missed", task="t", schedule="t", job="t@1", due="1", reason="catch_up", args="[[],{}]")
        await parts.follow()
        assert {(each["kind"], each["subject"]) for each in parts.incidents()} == {
            ("late", "t"),
            ("schedule_invalid", "s"),
            ("worker_lost", "eu-3"),
            ("archive_lagging", "default reader:archiver"),
            ("redis_amiss", "default redis:memory"),
            ("missed", "t"),
        }
        assert parts.incidents("kind = 'missed'")[0]["missed"] == 1
        errors = {each["kind"]: each["error"] for each in parts.incidents()}
        assert errors["archive_lagging"] == (
            "The archiver does not follow the events: waiting_s 31, entries 7"
        )
        assert errors["redis_amiss"] == "nearly full"
        (notice,) = await parts.compose()
        assert len(notice.troubles) == 6, "one message"
        emit("schedule.removed", schedule="s")
        emit("archive.caught_up", what="reader:archiver", facts="{}")
        emit("redis.well", what="redis:memory", facts="{}")
        emit("job.running", task="t", job="t@2", due="2", attempt="1", worker="w1", started="1")
        await parts.follow()
        assert {each["kind"] for each in parts.incidents("closed_at IS NULL")} == {"late", "worker_lost"}


async def test_events_that_no_program_of_ours_writes_do_not_stop_the_notifier(
    broker: QueueBroker, redis: Any, postgres_url: str
) -> None:
    async with notifier(broker, postgres_url) as parts:
        for fields in (
            {"type": "job.failed", "at": "99999999999999999999", "task": "t"},
            {"type": "job.failed", "at": "1", "task": "t\x00" * 5_000, "error": "x" * 100_000},
            {"type": "job.failed", "at": "1"},
            {"type": "worker.joined", "at": "1", "tasks": "{{"},
            {"type": "schedule.missed", "at": "1", "schedule": "s", "slot": "inf", "state": "x"},
            {"type": "archive.behind", "at": "1", "what": "{", "facts": "{0}"},
            {"at": "x"},
        ):
            redis.xadd(f"{P}events", fields)
        await parts.run(1)
        await parts.follow()
        assert "t" in [each["subject"] for each in parts.incidents()]
        await parts.compose()


async def test_what_fails_again_while_it_recovers_in_one_batch(
    broker: QueueBroker, postgres_url: str
) -> None:
    async with notifier(broker, postgres_url) as parts:
        await parts.run(1)
        await parts.succeed()
        await parts.follow()
        (notice,) = await parts.compose()
        assert notice.reason is NoticeReason.RECOVERED, "short troubles are notified too"
        (incident,) = parts.incidents()
        assert incident["closed_at"] >= incident["opened_at"]


@pytest.mark.parametrize("kind", ["task.removed", "task.moved"])
async def test_a_task_that_is_gone_has_no_open_incident(
    broker: QueueBroker, redis: Any, postgres_url: str, kind: str
) -> None:
    async with notifier(broker, postgres_url) as parts:
        await parts.run(1)
        redis.xadd(f"{P}events", {"type": kind, "at": parts.now_ms + 1_000, "task": "t", "target": "{}"})
        await parts.follow()
        assert parts.open_kinds() == []


async def test_retried_attempts_are_no_incident(broker: QueueBroker, postgres_url: str) -> None:
    async with notifier(broker, postgres_url) as parts:
        await broker.jobs.enqueue([NewJob(id="j", task="t", args="[[],{}]")])
        await broker.jobs.claim(ClaimRequest("w1", [["t"]], 1, 60))
        retrying = Verdict(state=State.RETRYING, reason="error", error="no", delay_ms=60_000)
        await broker.jobs.settle("w1", [Settlement(job="j", attempt=1, verdict=retrying, ttl_s=60)])
        await parts.follow()
        assert parts.incidents() == []
