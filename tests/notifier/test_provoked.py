"""Each kind of incident, brought about by real processes, and its recovery: both messages, whole."""

import asyncio
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from types import ModuleType
from typing import Any

import psycopg
import pytest
from redis import Redis

from infinitas import every
from infinitas.core.incident import IncidentKind
from infinitas.core.states import State
from infinitas.devservers.servers import Urls
from infinitas.monitor import event_readers, system_monitor
from infinitas.monitor.load_checks import FEWEST_DURATIONS, CheckLimits
from infinitas.notifier import checker, notifier, sweeper
from infinitas.runtime.channel_settings import read_channels
from infinitas.runtime.config import load_settings
from infinitas.runtime.signals import StopSignal
from tests.apps import troubles
from tests.notifier.conftest import Snapshot
from tests.receiver import Receiver, receiving
from tests.support import PATIENCE_S, Processes, aeventually, events

APP = "tests.apps.troubles:app"
SCHEDULES = "{infinitas:default}:schedules"
QUICK: tuple[tuple[ModuleType, str, object], ...] = (
    (checker, "CHECK_EVERY_S", 0.2),
    (checker, "LOST_FOR", timedelta(seconds=1)),
    (event_readers, "CHECK_EVERY_S", 0.2),
    (event_readers, "LATE_S", 1.0),
    (event_readers, "BEHIND_AFTER_S", 1.0),
    (sweeper, "CHECK_EVERY_S", 0.5),
    # What the doctor finds on this machine would share messages with what is provoked.
    (system_monitor, "CHECK_EVERY_S", 3_600.0),
)
MASKS = (
    (r"\b[0-9a-z]{26}\b", "JOB"),
    (r"punctual(%40|@\u200b)\w+\.\d+Z", "JOB"),
    (r"\d+ (entries|missed runs?)|(?<=missed:\* )\d+", "SOME"),
    (r"(?<=it is )(running|queued)", "STATE"),
    (r"was not fired in time", "was not fired"),
    (r"[\w.-]+-\d+-[0-9a-f]{10}", "WORKER"),
    (r"(\w{3} )?\d+ \w{3} 20\d\d \d\d:\d\d:\d\d UTC", "MOMENT"),
    (r"20\d\d-\d\d-\d\d \d\d:\d\d(:\d\d)? UTC", "MOMENT"),
    (r"\b\d+(\.\d+)? ?(ms|s|m|h|d)\b|under a second", "SPAN"),
)


class World:
    """A scheduler, an archiver, workers and a notifier, and what its chat has received."""

    def __init__(self, processes: Processes, redis: Redis, chat: Receiver, hook: Receiver) -> None:
        self.redis = redis
        self.app = troubles.app.configure(redis_url=processes.environment["INFINITAS_REDIS_URL"])
        self.scheduler = processes.start("scheduler")
        self.archiver = processes.start("archiver")
        assert processes.run("-A", APP, "sync").returncode == 0
        self._processes = processes
        self._postgres_url = processes.environment["INFINITAS_POSTGRES_URL"]
        self.main = self.work("default")
        self._chat = chat
        self._hook = hook
        self._begun = (0, 0)

    def work(self, queues: str, *options: str) -> "subprocess.Popen[bytes]":
        return self._processes.start("worker", APP, "-q", queues, *options)

    def begin(self) -> None:
        """What has arrived belongs to other troubles."""
        self._begun = (len(self._hook.requests), len(self._chat.requests))

    async def restart(self, queue: str) -> None:
        """Start workers, one after the other, until this is cancelled."""
        while True:
            worker = self.work(queue)
            await aeventually(lambda w=worker: asyncio.sleep(0, w.poll() is not None))  # type: ignore[misc]

    async def fired(self, task: str) -> bool:
        return any(event.fields["task"] == task for event in events(self.redis, "job.succeeded"))

    async def has_archived_the_usual(self) -> bool:
        with psycopg.connect(self._postgres_url) as connection:
            query = "SELECT FROM infinitas_jobs WHERE task = 'slow' AND state = 'succeeded'"
            return connection.execute(query).rowcount >= FEWEST_DURATIONS

    async def runs(self, id: str) -> None:
        await aeventually(lambda: self._is_running(id))

    async def message(self, reason: str, kind: IncidentKind, subject: str = "") -> str:
        """What the chat has received about an incident, in lines; what differs in each run is masked."""
        found = await aeventually(lambda: asyncio.sleep(0, self._find(f"incident.{reason}", kind, subject)))
        title = str(found["data"]["text"])
        bodies = await aeventually(lambda: asyncio.sleep(0, self._texts(title)))
        return _masked(bodies[0])

    async def _is_running(self, id: str) -> bool:
        return (await self.app.afetch_job(id)).state == State.RUNNING

    def _find(self, type: str, kind: str, subject: str) -> Mapping[str, Any] | None:
        for request in self._hook.requests[self._begun[0] :]:
            incidents = request.json["data"]["incidents"]
            if request.json["type"] == type and len(incidents) == 1:
                found = incidents[0]
                if found["kind"] == kind and subject in ("", found["subject"]):
                    return dict(request.json)
        return None

    def _texts(self, title: str) -> list[str]:
        since = self._chat.requests[self._begun[1] :]
        found = [each.json for each in since if _letters(each.json["text"]) == _letters(title)]
        return [
            "\n".join([each["text"], each["attachments"][0]["text"], each["attachments"][0]["footer"], ""])
            for each in found
        ]


def _letters(text: str) -> str:
    """Without what a chat would take for markup."""
    return re.sub(r"[\W_]", "", text)


def _masked(text: str) -> str:
    for pattern, name in MASKS:
        text = re.sub(pattern, name, text)
    return text


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds in place of minutes, until something counts as wrong or as over."""
    for module, name, value in QUICK:
        monkeypatch.setattr(module, name, value)
    second = timedelta(seconds=1)
    limits = CheckLimits(backlog=second, slow_factor=3, paused=second, lacking=second, least_slow=second)
    monkeypatch.setattr(notifier, "_check_limits", lambda _: limits)


@pytest.fixture
def receivers(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Receiver, Receiver]]:
    with receiving() as chat, receiving() as hook:
        monkeypatch.setenv("CHAT_URL", chat.url)
        yield chat, hook


@asynccontextmanager
async def notifying(servers: Urls, postgres_url: str, chat: Receiver, hook: Receiver) -> AsyncIterator[None]:
    """The notifier in this process, with its own Redis and Postgres connections."""
    chats = {"type": "slack", "url_env": "CHAT_URL", "allow_private": True}
    hooks = {"type": "webhook", "url": hook.url, "allow_private": True}
    # Apart, else the death of a worker and what it does to a job are one message.
    channels: Any = {"chat": chats, "hook": hooks, "deaths": chats, "deaths-hook": hooks}
    deaths, others = [IncidentKind.WORKER_LOST], [kind for kind in STEPS if kind != IncidentKind.WORKER_LOST]
    settings = load_settings(
        {
            "redis_url": servers.redis,
            "postgres_url": postgres_url,
            "notify_group": 0,
            "notify_rate": "10000/h",
            "page_url": "https://cron.example.com",
            "channels": read_channels(channels),
            "notify": [
                {"name": "deaths", "kinds": deaths, "channels": ["deaths", "deaths-hook"]},
                {"name": "others", "kinds": others, "channels": ["chat", "hook"]},
            ],
        }
    )
    stop = StopSignal()
    running = asyncio.create_task(notifier.run_notifier(settings, None, stop))
    yield
    stop.request()
    await running


@pytest.fixture
async def world(
    quick: None,
    processes: Processes,
    servers: Urls,
    redis: Redis,
    postgres_url: str,
    receivers: tuple[Receiver, Receiver],
) -> AsyncIterator[World]:
    processes.environment["INFINITAS_LEASE"] = "1"
    async with notifying(servers, postgres_url, *receivers):
        world = World(processes, redis, *receivers)
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            begun = "SELECT FROM infinitas_notifier_positions, infinitas_channels HAVING count(*) = 5 * 4"
            await aeventually(lambda: asyncio.sleep(0, connection.execute(begun).fetchone() is not None))
        yield world
    world.app.close()


Step = Callable[[World], AsyncIterator[None]]
STEPS: dict[IncidentKind, Step] = {}


def step(of: IncidentKind) -> Callable[[Step], Step]:
    """Brings about the trouble, then, when its message has arrived, its end."""

    def add(function: Step) -> Step:
        STEPS[of] = function
        return function

    return add


@step(IncidentKind.FAILING)
async def a_job_that_raises(world: World) -> AsyncIterator[None]:
    await troubles.failing.asend("bad", token="very-secret")
    yield
    await troubles.failing.asend("good", token="very-secret")


@step(IncidentKind.TIMED_OUT)
async def a_job_over_its_timeout(world: World) -> AsyncIterator[None]:
    await troubles.too_long.asend(60)
    yield
    await troubles.too_long.asend(0)


@step(IncidentKind.SLOW)
async def a_job_over_the_usual_duration(world: World) -> AsyncIterator[None]:
    await troubles.slow.asend_many([(0,)] * FEWEST_DURATIONS)
    await aeventually(world.has_archived_the_usual)
    job = await troubles.slow.asend(600)
    yield
    await world.app.acancel(job.id)


@step(IncidentKind.BACKLOG)
async def more_jobs_than_a_worker_can_run(world: World) -> AsyncIterator[None]:
    world.work("narrow", "-c", "1")
    first = await troubles.backlog.asend(600)
    await world.runs(first.id)
    await troubles.backlog.asend(0)
    yield
    await world.app.acancel(first.id)


@step(IncidentKind.LOST)
async def a_kill_under_a_job_that_runs_at_most_once(world: World) -> AsyncIterator[None]:
    worker = world.work("doomed")
    job = await troubles.at_most_once.asend(600)
    await world.runs(job.id)
    worker.kill()
    yield
    world.work("doomed")
    await troubles.at_most_once.asend(0)


@step(IncidentKind.QUARANTINED)
async def a_job_that_kills_its_workers(world: World) -> AsyncIterator[None]:
    await troubles.crash.asend(True)
    starting = asyncio.create_task(world.restart("crashing"))
    yield
    starting.cancel()
    world.work("crashing")
    await troubles.crash.asend(False)


@step(IncidentKind.NO_WORKER)
async def a_job_that_no_worker_serves(world: World) -> AsyncIterator[None]:
    await troubles.without_worker.asend()
    yield
    world.work("elsewhere")


@step(IncidentKind.MISSED)
async def a_scheduler_that_stands_still(world: World) -> AsyncIterator[None]:
    await world.app.aschedule("punctual", every(seconds=1), key="punctual", grace=1)
    await aeventually(lambda: world.fired("punctual"))
    world.scheduler.send_signal(signal.SIGSTOP)
    yield
    world.scheduler.send_signal(signal.SIGCONT)


@step(IncidentKind.LATE)
async def a_slot_whose_job_takes_too_long(world: World) -> AsyncIterator[None]:
    await world.app.schedules.achange("punctual", args=(3,))
    yield
    await world.app.schedules.achange("punctual", args=(0,))


@step(IncidentKind.PAUSED_TOO_LONG)
async def a_pause_without_an_end(world: World) -> AsyncIterator[None]:
    await world.app.schedules.apause("punctual", "maintenance")
    yield
    await world.app.schedules.aresume("punctual")


@step(IncidentKind.SCHEDULE_INVALID)
async def a_rule_of_another_version(world: World) -> AsyncIterator[None]:
    world.redis.hset(SCHEDULES, "punctual", '{"task": "punctual", "cron": "at noon"}')
    yield
    await world.app.aschedule("punctual", every(seconds=1), key="punctual", replace=True)


@step(IncidentKind.ARCHIVE_LAGGING)
async def an_archiver_that_stands_still(world: World) -> AsyncIterator[None]:
    world.archiver.send_signal(signal.SIGSTOP)
    yield
    world.archiver.send_signal(signal.SIGCONT)


@step(IncidentKind.WORKER_LOST)
async def a_worker_that_is_killed(world: World) -> AsyncIterator[None]:
    """Nothing is left to do for its end: other workers have its tasks, for a minute."""
    world.main.kill()
    yield
    world.main = world.work("default")


@pytest.mark.long
@pytest.mark.timeout(10 * PATIENCE_S)
async def test_each_trouble_and_its_end_are_messages(world: World, snapshot: Snapshot) -> None:
    for kind, provoke in STEPS.items():
        world.begin()
        trouble = provoke(world)
        await anext(trouble)
        opened = await world.message("opened", kind)
        await anext(trouble, None)
        recovered = await world.message("recovered", kind)
        snapshot(f"provoked.{kind}.txt", f"{opened}\n{recovered}")
    events_alone = {IncidentKind.REDIS_AMISS, IncidentKind.SYSTEM_AMISS, IncidentKind.CHANNEL_FAILING}
    assert set(STEPS) == set(IncidentKind) - events_alone
