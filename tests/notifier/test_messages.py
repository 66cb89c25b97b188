"""What is sent to which channel, and when: grouping, rates, quiet hours, mutes, reminders."""

from datetime import UTC, datetime, timedelta
from typing import Any

from redis import Redis

from infinitas.archive.reader import Reader
from infinitas.broker.queue import QueueBroker
from infinitas.client.archive_incidents import ArchiveIncidents
from infinitas.core.incident import IncidentFilter, IncidentKind
from infinitas.core.incident_fold import Occurrence
from infinitas.core.notice import NoticeReason
from infinitas.core.notice_groups import Limit
from infinitas.core.notify_rules import MuteRequest, NotifyRule
from infinitas.notifier.desk import IncidentDesk
from infinitas.notifier.sweeper import Sweeper
from tests.notifier.parts import ALL_TO_OPS, P, declare, declare_many, notifier

HOUR = timedelta(hours=1)


async def test_tasks_that_fail_together_are_one_message_with_what_they_share(
    broker: QueueBroker, postgres_url: str
) -> None:
    names = [f"task-{n:02}" for n in range(14)]
    await declare_many(broker, names)
    async with notifier(broker, postgres_url) as parts:
        for name in names:
            await parts.run(1, task=name)
        await parts.follow()
        (notice,) = await parts.compose()
        assert len(notice.troubles) == 14
        assert notice.common == "all on worker w1"


async def test_ten_thousand_failures_of_fifty_tasks_are_few_messages_and_all_are_found(
    broker: QueueBroker, redis: Redis, postgres_url: str
) -> None:
    """A message every thirty seconds at most, four an hour: the rest is summed up."""
    names = [f"task-{n:02}" for n in range(50)]
    await declare_many(broker, names)
    limit = Limit(4, HOUR, timedelta(0))
    async with notifier(broker, postgres_url, (ALL_TO_OPS,), limit) as parts:
        pipe = redis.pipeline(transaction=False)
        failed: dict[Any, Any]
        for name in names:
            for n in range(200):
                failed = {"type": "job.failed", "at": parts.now_ms, "task": name, "job": f"{name}-{n}"}
                pipe.xadd(f"{P}events", {**failed, "reason": "error", "error": f"no {n % 7}"})
            pipe.execute()
            if name.endswith("9"):
                await parts.follow()
                await parts.compose()
        assert sum(each["count"] for each in parts.incidents()) == 10_000
        assert len(parts.incidents()) == 50
        assert len(parts.notices()) == 4, "then the bucket is empty"
        parts.query("UPDATE infinitas_channel_rates SET filled_at = filled_at - interval '1 hour'")
        (digest,) = await parts.compose()
        assert digest.reason is NoticeReason.DIGEST
        notified = {each.incident.subject for notice in parts.notices() for each in notice.troubles}
        assert digest.held_back == {"failing": 10}
        assert len(notified) == 50
        assert len(parts.notices()) <= 10
        assert not await parts.compose(), "nothing is left"


async def test_messages_of_a_channel_are_apart(broker: QueueBroker, postgres_url: str) -> None:
    await declare_many(broker, ["a", "b", "c"])
    limit = Limit(100, HOUR, timedelta(seconds=30))
    async with notifier(broker, postgres_url, (ALL_TO_OPS,), limit) as parts:
        await parts.run(1, task="a")
        await parts.follow()
        assert await parts.composer.compose() == 0, "half a second is for others to join"
        assert len(await parts.compose()) == 1, "the first one leaves at once"
        for name in ("b", "c"):
            await parts.run(1, task=name)
            await parts.follow()
            assert not await parts.compose()
        parts.query("UPDATE infinitas_channel_rates SET made_at = made_at - interval '30 seconds'")
        (notice,) = await parts.compose()
        assert [each.incident.subject for each in notice.troubles] == ["b", "c"]


async def test_rules_choose_channels_and_a_task_may_name_its_own(
    broker: QueueBroker, redis: Redis, postgres_url: str
) -> None:
    await declare_many(broker, ["shop.a", "shop.b", "crm"])
    await declare(broker, redis, notify=["own"])
    await broker.workers.join("w1", ["t", "shop.a", "crm"], 60)
    rules = (
        NotifyRule(name="shop", tasks="shop.*", channels=("shop", "ops")),
        NotifyRule(name="lost", kinds=("lost",), channels=("lost",)),
        NotifyRule(name="tagged", tags=("x",), channels=("tagged",)),
    )
    async with notifier(broker, postgres_url, rules) as parts:
        for name in ("shop.a", "crm", "t"):
            await parts.run(1, task=name)
        await parts.follow()
        notified = {(each.channel, each.troubles[0].incident.subject) for each in await parts.compose()}
        assert notified == {("shop", "shop.a"), ("ops", "shop.a"), ("own", "t")}


async def test_quiet_hours_hold_a_message_back_except_for_urgent_kinds(
    broker: QueueBroker, postgres_url: str
) -> None:
    now = datetime.now(UTC)
    quiet = f"{now - HOUR:%H:%M}-{now + HOUR:%H:%M}"
    rules = (
        NotifyRule(name="night", channels=("night",), quiet=quiet),
        NotifyRule(name="pager", channels=("pager",), quiet=quiet, urgent=("failing",)),
    )
    async with notifier(broker, postgres_url, rules) as parts:
        await parts.run(1)
        await parts.follow()
        assert [each.channel for each in await parts.compose()] == ["pager"]
        parts.query("UPDATE infinitas_announcements SET not_before = now() - interval '1 second'")
        assert [each.channel for each in await parts.compose()] == ["night"], "once they are over"
        await parts.succeed()
        await parts.follow()
        assert [each.channel for each in await parts.compose()] == ["pager"], "of recoveries as well"


async def test_a_mute_is_silent_and_what_is_open_after_it_is_sent(
    broker: QueueBroker, postgres_url: str
) -> None:
    reader = Reader(postgres_url, "test")
    people = ArchiveIncidents(reader)
    async with notifier(broker, postgres_url) as parts:
        until = datetime.now(UTC) + HOUR
        mute = await people.mute(MuteRequest(tasks="t*", kinds=(), until=until, reason="deploy"), "nina")
        await parts.run(1)
        await parts.follow()
        assert not await parts.sweeper.sweep()
        assert not await parts.compose()
        assert parts.open_kinds() == ["failing"], "it is open all the same"
        assert (await people.unmute(mute.id)).ended_at is not None
        assert await parts.sweeper.sweep()
        assert [each.reason for each in await parts.compose()] == [NoticeReason.OPENED]
        await people.mute(MuteRequest(tasks="*", kinds=("failing",), until=until, reason="x"), "nina")
        await parts.succeed()
        await parts.follow()
        assert not await parts.compose(), "nor is the recovery"
    await reader.close()


async def test_reminders_go_on_until_they_are_acknowledged(broker: QueueBroker, postgres_url: str) -> None:
    reader = Reader(postgres_url, "test")
    people = ArchiveIncidents(reader)
    async with notifier(broker, postgres_url) as parts:
        await parts.run(1)
        await parts.follow()
        await parts.compose()
        assert not await parts.sweeper.sweep()
        earlier = "UPDATE infinitas_announcements SET announced_at = announced_at - interval '4 hours'"
        parts.query(earlier)
        assert await parts.sweeper.sweep()
        assert [each.reason for each in await parts.compose()] == [NoticeReason.REMINDER]
        parts.query(earlier)
        (incident,) = await people.page(IncidentFilter(open=True), None, 10)
        assert (await people.acknowledge(incident.id, "nina")).acknowledged_by == "nina"
        assert (await people.acknowledge(incident.id, "otto")).acknowledged_by == "nina", "the first"
        assert not await parts.sweeper.sweep()
        await parts.succeed()
        await parts.follow()
        assert [each.reason for each in await parts.compose()] == [NoticeReason.RECOVERED]
    await reader.close()


async def test_a_channel_that_fails_is_announced_through_another(
    broker: QueueBroker, postgres_url: str
) -> None:
    rule = NotifyRule(name="all", channels=("ops", "mail"))
    async with notifier(broker, postgres_url, (rule,)) as parts:
        desk = IncidentDesk(parts.archive, parts.announcer)
        fault = Occurrence(
            kind=IncidentKind.CHANNEL_FAILING, subject="ops", at=datetime.now(UTC), error="HTTP 500"
        )
        for _ in range(2):
            await desk.report(fault)
        assert [each.channel for each in await parts.compose()] == ["mail"]
        assert parts.incidents()[0]["count"] == 1
        await desk.recover(IncidentKind.CHANNEL_FAILING, "ops")
        await desk.recover(IncidentKind.CHANNEL_FAILING, "ops")
        assert [each.reason for each in await parts.compose()] == [NoticeReason.RECOVERED]


async def test_old_messages_and_incidents_are_deleted(broker: QueueBroker, postgres_url: str) -> None:
    async with notifier(broker, postgres_url) as parts:
        for first in (0, 1):
            await parts.run(1, first=first)
            await parts.follow()
            await parts.compose()
            await parts.succeed(first=100 + first)
            await parts.follow()
        parts.query("UPDATE infinitas_notices SET created_at = created_at - interval '31 days'")
        parts.query("UPDATE infinitas_notices SET state = 'sent' WHERE reason = 'opened'")
        old = "(SELECT min(id) FROM infinitas_incidents)"
        parts.query(
            f"UPDATE infinitas_incidents SET closed_at = now() - interval '401 days' WHERE id = {old}"
        )
        await Sweeper(parts.archive, parts.announcer, clean_every_s=0).sweep()
        assert len(parts.incidents()) == 1
        assert len(parts.query("SELECT incident FROM infinitas_announcements")) == 1
        assert [each.reason for each in parts.notices()] == [NoticeReason.RECOVERED], "it is not sent yet"


async def test_rules_of_the_api_apply_at_once(broker: QueueBroker, postgres_url: str) -> None:
    reader = Reader(postgres_url, "test")
    people = ArchiveIncidents(reader)
    async with notifier(broker, postgres_url, ()) as parts:
        await parts.run(1)
        await parts.follow()
        assert not await parts.compose()
        await people.put_rule(NotifyRule(name="late", channels=("late",)), "nina")
        assert await parts.sweeper.sweep(), "what is open is notified too"
        assert [each.channel for each in await parts.compose()] == ["late"]
        parts.query("""UPDATE infinitas_notify_rules SET rule = '{"channels": 5}'""")
        await declare_many(broker, ["u"])
        await parts.run(1, task="u")
        await parts.follow()
        assert not await parts.compose(), "one that can't be read is left out"
    await reader.close()
