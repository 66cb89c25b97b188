"""A record that can't be read, in Postgres or Redis, is left out alone: everything else is still notified."""

from typing import Any

from redis import Redis

from infinitas.archive.connection import Archive
from infinitas.broker.queue import QueueBroker
from infinitas.core.incident import Incident
from infinitas.core.notice import NoticeReason
from infinitas.notifier.hooks import Hooks
from infinitas.notifier.sender import Sender
from infinitas.runtime.channel_settings import FileChannel
from infinitas.tasks.plugins import Plugin, Plugins
from tests.notifier.parts import P, Parts, declare, declare_many, notifier
from tests.receiver import receiving
from tests.support import aeventually

INCIDENT = """
    INSERT INTO infinitas_incidents (id, kind, subject, opened_at, last_at)
    VALUES ('broken', 'of a newer version', 't', now() - interval '1 day', now())
"""
ANNOUNCEMENTS = """
    INSERT INTO infinitas_announcements
        (incident, channel, rule, reason, waits_since, not_before, announced_at)
    VALUES ('broken', 'ops', 'all', 'opened', now(), now(), NULL),
        ('broken', 'another', 'all', 'opened', now() - interval '1 hour', now(), NULL),
        ('broken', 'plugins:', 'all', 'opened', now() - interval '1 hour', now(), NULL),
        ('broken', 'reminded', 'all', NULL, NULL, NULL, now() - interval '1 day')
"""
RATES = "INSERT INTO infinitas_channel_rates (channel, tokens, filled_at) VALUES ('another', 'NaN', now())"
RULES = """
    INSERT INTO infinitas_notify_rules (name, rule, actor)
    VALUES ('a', '5', 'me'), ('b', '{}', 'me'), ('c', '{"channels": [1]}', 'me'), ('d', '[[]]', 'me'),
        ('e', '{"channels": ["ops"], "timezone": {"a": 1}, "quiet": 3}', 'me')
"""


class Hearing(Plugin):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def on_incident(self, incident: Incident) -> None:
        self.heard.append(incident.subject)


async def test_broken_incidents_announcements_and_rules_stop_no_other(
    broker: QueueBroker, redis: Redis, postgres_url: str
) -> None:
    await declare(broker, redis)
    plugin = Hearing()
    async with notifier(broker, postgres_url, has_hooks=True) as parts:
        for text in (INCIDENT, ANNOUNCEMENTS, RATES, RULES):
            parts.query(text)
        await parts.run()
        await parts.follow()
        parts.query("UPDATE infinitas_announcements SET reason = 'unknown' WHERE channel = 'another'")
        (notice,) = await parts.compose()
        assert [each.incident.subject for each in notice.troubles] == ["t"]
        hooks = Hooks(parts.archive, Plugins([plugin]))
        while await hooks.call_next():
            pass
        assert plugin.heard == ["t"]
        parts.query("UPDATE infinitas_announcements SET announced_at = announced_at - interval '1 day'")
        await parts.sweeper.sweep()
        (notice,) = await parts.compose()
        assert notice.reason is NoticeReason.REMINDER


async def test_a_broken_task_job_or_schedule_in_redis_stops_no_message(
    broker: QueueBroker, redis: Any, postgres_url: str
) -> None:
    names = ["definition", "schedule", "job", "summary", "log"]
    await declare_many(broker, names)
    async with notifier(broker, postgres_url) as parts:
        for name in names:
            await parts.run(1, task=name)
        await parts.follow()
        redis.hset(f"{P}tasks", "definition", '{"retries": "x"}')
        redis.hset(f"{P}schedules", "schedule", '{"cron": 5, "key": 7}')
        redis.hset(f"{P}job:job-0", mapping={"args": "[", "attempt": "x", "due": "y", "redact": "{"})
        redis.set(f"{P}task:summary", "a string")
        redis.set(f"{P}log:log-0", "a string")
        (notice,) = await parts.compose()
        assert sorted(each.incident.subject for each in notice.troubles) == sorted(names)


async def test_a_broken_message_or_channel_holds_up_no_other(broker: QueueBroker, postgres_url: str) -> None:
    with receiving() as ops:
        channels = {"ops": FileChannel("ops", {"type": "webhook", "url": ops.url}, allow_private=True)}
        async with notifier(broker, postgres_url) as parts:
            parts.query(
                "INSERT INTO infinitas_channels (name, type, origin, target, shown, config, actor) VALUES"
                " ('list', 'webhook', 'api', '', '[]', '[]', 'me'), ('bare', 'x', 'api', '', '1', '{}', 'me')"
            )
            await parts.run()
            await parts.follow()
            (notice,) = await parts.compose()
            for n, text in enumerate(["5", "{}", '{"id": 1}']):
                parts.query(
                    "INSERT INTO infinitas_notices (id, channel, reason, due_at, notice)"
                    f" VALUES ('n{n}', 'ops', 'opened', now() - interval '1 hour', '{text}')"
                )
            for name in ("list", "bare"):
                parts.query(
                    "INSERT INTO infinitas_notices (id, channel, reason, due_at, notice) SELECT"
                    f" '{name}', '{name}', reason, now(), notice"
                    f" FROM infinitas_notices WHERE id = '{notice.id}'"
                )
            sender = Sender(Archive(postgres_url, "test"), channels)

            async def sent() -> bool:
                await sender.run_once()
                return len(ops.requests) == 1 and tried(parts) == {"list", "bare"}

            await aeventually(sent)
            await sender._table._archive.close()


def tried(parts: Parts) -> set[str]:
    rows = parts.query("SELECT channel FROM infinitas_deliveries WHERE outcome = 'failed'")
    return {row["channel"] for row in rows}
