"""Pings out: what each monitor is sent for the runs of a task, and what happens when it does not answer."""

import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace

import psycopg
import pytest
from redis import Redis

from infinitas.archive.connection import Archive
from infinitas.archive.ping_positions import PingPositions
from infinitas.broker.messages import Declarer, NewJob
from infinitas.broker.queue import QueueBroker
from infinitas.core.errors import ConfigError
from infinitas.core.events import Event
from infinitas.core.schedule import Schedule
from infinitas.core.states import Reason, State
from infinitas.core.task_definition import TaskDefinition
from infinitas.core.verdict import Verdict
from infinitas.notifier.pings.protocols import Monitors, Outgoing, schedule_request
from infinitas.notifier.pings.reporter import PingReporter
from infinitas.notifier.pings.sender import AT_ONCE, GIVE_UP_AFTER, Sender
from infinitas.notifier.pings.translation import MOST_RUNS, OLDEST_MS, Signal, choose, translate
from infinitas.runtime.config import load_settings
from tests.broker.test_jobs import claimed, settlement
from tests.receiver import Receiver, receiving
from tests.support import aeventually, events

CHECK = "5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278"
NIGHTLY = Schedule(key="t", task="t", cron="30 2 * * *", timezone="Europe/Copenhagen", grace_ms=600_000)
FAILED = Verdict(state=State.FAILED, reason=Reason.ERROR, error="ValueError: no\nTraceback: secret")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@dataclass
class Parts:
    broker: QueueBroker
    archive: Archive
    monitors: Monitors

    def reporter(self, holder: str = "n1") -> PingReporter:
        positions = PingPositions(self.archive, "default", holder)
        sender = Sender(pauses_s=(0.01,), within_s=2)
        return PingReporter(self.broker.connection, "default", positions, self.monitors, sender)

    async def declare(self, monitor: str, rule: Schedule | None = NIGHTLY) -> None:
        task = TaskDefinition(name="t", monitor=monitor, timeout=90)
        born = await self.broker.now()
        await self.broker.declarations.declare([task], [rule] if rule else [], Declarer(born=born))

    async def run_job(self, id: str, verdict: Verdict | None = None) -> None:
        await self.broker.jobs.enqueue([NewJob(id=id, task="t", args='[[],{"api_key":"s3cr3t"}]')])
        await claimed(self.broker)
        await self.broker.jobs.settle("w1", [settlement(id, 1, verdict or Verdict(state=State.SUCCEEDED))])


@pytest.fixture
async def parts(broker: QueueBroker, postgres_url: str, receiver: Receiver) -> AsyncIterator[Parts]:
    archive = Archive(postgres_url, "test")
    url = receiver.url
    monitors = Monitors(url, "ping-key", "cronitor/key", f"http://public@{url[7:]}/prefix/42", url, url)
    yield Parts(broker, archive, monitors)
    await archive.close()


async def begun(parts: Parts, holder: str = "n1") -> PingReporter:
    """A reporter that begins with what happens from now on."""
    reporter = parts.reporter(holder)
    await parts.broker.connection.command("xadd", parts.broker.keys["events"], {"type": "x", "at": 0})
    await reporter._claim()
    return reporter


async def test_healthchecks(parts: Parts, receiver: Receiver) -> None:
    reporter = await begun(parts)
    await parts.declare("healthchecks:nightly-backup")
    await parts.run_job("a")
    await parts.run_job("b", FAILED)
    await reporter.run_once()
    found = [(each.method, each.path, each.body) for each in receiver.requests]
    assert found == [
        ("POST", "/ping-key/nightly-backup/start", b""),
        ("POST", "/ping-key/nightly-backup", b""),
        ("POST", "/ping-key/nightly-backup/start", b""),
        ("POST", "/ping-key/nightly-backup/fail", b"error: ValueError: no"),
    ]
    rids = [each.query["rid"][0] for each in receiver.requests]
    assert rids[0] == rids[1] != rids[2] == rids[3]
    assert len(rids[0]) == 36, "a UUID"
    await parts.declare(f"healthchecks:{CHECK}")
    await parts.run_job("c")
    await reporter.run_once()
    assert receiver.paths[-2:] == [f"/{CHECK}/start", f"/{CHECK}"]


async def test_a_failure_quotes_no_secret_argument(parts: Parts, receiver: Receiver) -> None:
    reporter = await begun(parts)
    await parts.declare("healthchecks:nightly-backup")
    await parts.run_job("a", Verdict(state=State.FAILED, reason="error", error="ValueError: no s3cr3t"))
    await reporter.run_once()
    assert receiver.requests[-1].body == b"error: ValueError: no ***"


async def test_cronitor_with_its_schedule(parts: Parts, receiver: Receiver) -> None:
    reporter = await begun(parts)
    await parts.declare("cronitor:nightly")
    await parts.run_job("a")
    await parts.run_job("b", FAILED)
    await reporter.run_once()
    stored, run, complete, _, fail = receiver.requests
    assert (stored.method, stored.path) == ("PUT", "/api/monitors")
    assert stored.headers["authorization"] == "Basic Y3Jvbml0b3Iva2V5Og=="
    assert stored.json == {
        "monitors": [
            {
                "type": "job",
                "key": "nightly",
                "schedule": "30 2 * * *",
                "timezone": "Europe/Copenhagen",
                "grace_seconds": 600,
            }
        ]
    }
    assert (run.method, run.path) == ("GET", "/p/cronitor%2Fkey/nightly")
    assert [each.query["state"] for each in (run, complete, fail)] == [["run"], ["complete"], ["fail"]]
    assert run.query["series"] == complete.query["series"] != fail.query["series"]
    assert complete.query["metric"][0].startswith("duration:0.")
    assert fail.query["message"] == ["error: ValueError: no"]
    await parts.run_job("c")
    await reporter.run_once()
    assert [each.method for each in receiver.requests[5:]] == ["GET", "GET"], "stored once"


async def test_sentry_with_its_schedule(parts: Parts, receiver: Receiver) -> None:
    reporter = await begun(parts)
    await parts.declare("sentry:nightly")
    await parts.run_job("a", FAILED)
    await reporter.run_once()
    start, end = receiver.requests
    assert start.path == end.path == "/prefix/api/42/cron/nightly/public/"
    assert start.headers["content-type"] == "application/json"
    assert start.json["status"] == "in_progress"
    assert start.json["monitor_config"] == {
        "schedule": {"type": "crontab", "value": "30 2 * * *"},
        "timezone": "Europe/Copenhagen",
        "checkin_margin": 10,
        "max_runtime": 2,
    }
    assert end.json["status"] == "error"
    assert end.json["check_in_id"] == start.json["check_in_id"]
    assert len(end.json["check_in_id"]) == 32
    assert 0 <= end.json["duration"] < 60


@pytest.mark.parametrize(
    ("rule", "schedule"),
    [
        (replace(NIGHTLY, cron=None, every_ms=7_200_000), "every 2 hours"),
        (replace(NIGHTLY, cron=None, every_ms=60_000), "every 1 minute"),
        (replace(NIGHTLY, cron=None, every_ms=1_500), None),
        (replace(NIGHTLY, cron="0 30 2 * * *"), None),
        (replace(NIGHTLY, cron="H 2 * * mon"), None),
        (replace(NIGHTLY, cron=None, at_ms=1), None),
    ],
)
def test_a_schedule_that_the_monitor_would_read_otherwise_is_not_stored(
    rule: Schedule, schedule: str | None
) -> None:
    found = schedule_request(Monitors(cronitor_api_key="k"), "cronitor", "m", rule)
    body = found.body.decode() if found else ""
    assert (f'"schedule":"{schedule}"' in body) is (schedule is not None)


def event(kind: str, **fields: str) -> Event:
    known = {"job": "j", "task": "t", "due": "0", **fields}
    return Event(position="1-0", kind=kind, at_ms=5_000, fields=known)


@pytest.mark.parametrize(
    ("kind", "fields", "wanted"),
    [
        ("job.running", {"attempt": "1", "started": "5000"}, ("start", None, "")),
        ("job.running", {"attempt": "2", "started": "5000"}, None),
        ("job.retrying", {"attempt": "1", "started": "1000"}, None),
        ("job.succeeded", {"attempt": "3", "started": "1000"}, ("ok", 4.0, "")),
        ("job.failed", {"started": "1000", "reason": "timed_out"}, ("fail", 4.0, "timed_out")),
        ("job.failed", {"reason": "no_processor", "error": "a\nb"}, ("fail", None, "no_processor: a")),
        ("job.cancelled", {"started": "1000", "reason": "why"}, ("fail", 4.0, "cancelled: why")),
        ("job.cancelled", {"reason": "why"}, None),
        ("job.skipped", {"reason": "overlap"}, None),
        ("job.missed", {"reason": "catch_up"}, None),
        ("job.succeeded", {"attempt": "1", "started": "x"}, None),
    ],
)
def test_events_and_their_signals(
    kind: str, fields: dict[str, str], wanted: tuple[str, float | None, str] | None
) -> None:
    found = translate(event(kind, **fields))
    assert (found and (found.kind, found.duration_s, found.message)) == wanted


def test_old_signals_and_floods_are_not_sent() -> None:
    def signal(n: int, kind: str, task: str = "t", at_ms: int = 0) -> Signal:
        return Signal(task=task, kind=kind, run=str(n), at_ms=at_ms)

    flood = [signal(n, kind) for n in range(100) for kind in ("start", "ok")]
    kept = choose([*flood, signal(7, "fail", "other")], OLDEST_MS)
    assert [each.run for each in kept[::2]] == [*map(str, range(100 - MOST_RUNS, 100)), "7"]
    assert choose(flood, OLDEST_MS + 1) == []


async def test_one_notifier_sends_and_another_takes_over_with_the_same_ids(
    parts: Parts, receiver: Receiver, postgres_url: str
) -> None:
    first, second = await begun(parts), parts.reporter("n2")
    await parts.declare("sentry:nightly")
    await parts.run_job("a")
    assert await second._claim() is None
    move = PingPositions.move
    with pytest.MonkeyPatch.context() as patch:

        async def killed(*_: object) -> bool:
            raise ConnectionError

        patch.setattr(PingPositions, "move", killed)
        with pytest.raises(ConnectionError):
            await first.run_once()
    assert PingPositions.move is move
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("UPDATE infinitas_ping_positions SET held_until = now() - interval '1 s'")
    await second.run_once()
    sent = [(each.json["status"], each.json["check_in_id"]) for each in receiver.requests]
    assert len(sent) == 4
    assert sent[:2] == sent[2:], "again, and known as the same"
    assert await first._claim() is None


async def test_a_wrong_setting_is_named_once_and_stops_nothing(
    parts: Parts, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    parts.monitors = replace(parts.monitors, cronitor_api_key=None)
    reporter = await begun(parts)
    await parts.declare("cronitor:nightly")
    await parts.run_job("a")
    await parts.run_job("b")
    await reporter.run_once()
    assert receiver.requests == []
    assert caplog.text.count("the setting cronitor_api_key is missing") == 1


def outgoing(receiver: Receiver, path: str) -> Outgoing:
    return Outgoing("GET", receiver.url + path)


async def test_a_ping_is_tried_again_and_its_order_stays(receiver: Receiver) -> None:
    answers = iter([500, 429, 200, 200])
    receiver.answer = lambda _: next(answers)
    sender = Sender(pauses_s=(0.01, 0.01), within_s=2)
    batch = {("cronitor", "m"): [outgoing(receiver, "/1"), outgoing(receiver, "/2")]}
    assert await sender.send(batch) == 2
    assert receiver.paths == ["/1", "/1", "/1", "/2"]


async def test_a_refusal_is_final_and_names_no_secret(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answer = lambda request: 404 if request.path == "/secret" else 302
    batch = {("cronitor", "m"): [outgoing(receiver, "/secret"), outgoing(receiver, "/moved")]}
    assert await Sender().send(batch) == 0
    assert receiver.paths == ["/secret", "/moved"], "and no redirect is followed"
    assert "1 × answered 404, 1 × answered 302" in caplog.text
    assert "secret" not in caplog.text
    assert receiver.url not in caplog.text


async def test_a_silent_monitor_holds_up_no_other_and_is_given_up(receiver: Receiver) -> None:
    receiver.answer = lambda request: 0 if request.path == "/silent" else 200
    silent = {("sentry", str(n)): [outgoing(receiver, "/silent")] * 3 for n in range(AT_ONCE * 2)}
    batch = {**silent, ("cronitor", "m"): [outgoing(receiver, "/ok")] * 3}
    began = time.monotonic()
    assert await Sender(pauses_s=(0.01,), within_s=0.2).send(batch) == 3
    assert time.monotonic() - began < 10
    assert receiver.paths.count("/silent") <= AT_ONCE + GIVE_UP_AFTER


async def test_a_batch_ends_whatever_the_monitors_do(receiver: Receiver) -> None:
    receiver.answer = lambda _: 0
    sender = Sender(within_s=30, batch_within_s=0.2)
    began = time.monotonic()
    assert await sender.send({("sentry", "m"): [outgoing(receiver, "/")]}) == 0
    assert time.monotonic() - began < 10


def test_settings_that_can_reach_no_monitor_are_refused_without_showing_them() -> None:
    good = {"sentry_dsn": "https://abc@o1.ingest.sentry.io/42", "healthchecks_url": "http://hc:8000/ping/"}
    assert load_settings({}, {f"INFINITAS_{k.upper()}": v for k, v in good.items()}).sentry_dsn is not None
    for name, wrong in (
        ("sentry_dsn", "https://secret.example/42"),
        ("heartbeat_url", "ftp://secret"),
        ("healthchecks_url", "secret"),
    ):
        with pytest.raises(ConfigError, match=f"{name} ") as refused:
            load_settings({name: wrong}, {})
        assert "secret" not in str(refused.value) or name == "healthchecks_url"


@pytest.mark.parametrize("monitor", ["pagerduty:x", "sentry:", "sentry:a b", "sentry:a/../b", "x", 5, ""])
def test_other_monitors_are_refused_when_declared(monitor: str) -> None:
    with pytest.raises(ConfigError, match="monitor of task"):
        TaskDefinition(name="t", monitor=monitor)


async def test_events_are_kept_until_they_are_reported(parts: Parts, redis: Redis) -> None:
    reporter = await begun(parts)
    await parts.run_job("a")
    await parts.broker.connection.run_script(
        "trim", parts.broker.keys, reader="archiver", position="9999999999999-0", keep_ms=0
    )
    assert [each.kind for each in events(redis)][-3:] == ["job.created", "job.running", "job.succeeded"]
    await reporter.run_once()

    async def trimmed() -> bool:
        return redis.hget("{infinitas:default}:readers", "pings") == await reporter._stream.newest()

    assert await aeventually(trimmed)
