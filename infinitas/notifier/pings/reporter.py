"""Reads events after its position in Postgres, and reports runs of tasks with a `monitor`."""

import asyncio
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from pydantic import SecretStr

from infinitas.archive.connection import Archive
from infinitas.archive.ping_positions import PingPositions
from infinitas.broker.connection import Connection
from infinitas.broker.events import PINGS, START, EventStream
from infinitas.broker.keys import QueueKeys
from infinitas.core.errors import InfinitasError
from infinitas.core.event_kinds import EventKind
from infinitas.core.events import Event
from infinitas.core.schedule import Schedule
from infinitas.core.task_definition import TaskDefinition, parse_monitor
from infinitas.notifier.pings.protocols import (
    MissingSetting,
    Monitors,
    Outgoing,
    ping_request,
    schedule_request,
)
from infinitas.notifier.pings.sender import Sender
from infinitas.notifier.pings.translation import Signal, choose, tasks_of, translate
from infinitas.notifier.secrets import hide_secrets
from infinitas.runtime.config import Settings
from infinitas.runtime.logging import get_logger

_log = get_logger("pings")
ENTRIES = 200
MOST_EVENTS = 4_000
BLOCK_MS = 10_000
KEEP_MS = 1_000
HOLD_S = 22.0
"""Longer than a batch takes, and less than 30 s, after which the reader counts as behind: so another
notifier takes over from one that was killed."""
RECHECK_S = 2.0


@dataclass(frozen=True, slots=True)
class _Watched:
    """A task with a monitor."""

    task: TaskDefinition
    service: str
    monitor: str
    rule: Schedule | None


class PingReporter:
    """Reports one queue. At least once: after a kill, another one sends a batch again, with the same ids."""

    def __init__(
        self,
        connection: Connection,
        queue: str,
        positions: PingPositions,
        monitors: Monitors,
        sender: Sender | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._connection = connection
        self._keys = QueueKeys(queue)
        self._stream = EventStream(connection, queue, PINGS)
        self._positions = positions
        self._monitors = monitors
        self._sender = sender or Sender()
        self._now_ms = now_ms
        self._stored: dict[tuple[str, str], str] = {}
        """Schedules that were stored in monitors, as JSON."""
        self._missing: set[str] = set()

    async def run_once(self) -> None:
        """Wait for events and report one batch."""
        position = await self._claim()
        if position is None:
            await asyncio.sleep(RECHECK_S)
            return
        events = await self._stream.read(position, ENTRIES, BLOCK_MS, MOST_EVENTS)
        if not events:
            return
        # Waiting may have taken most of the time.
        if await self._claim() != position:
            return
        await self._report(events)
        newest = events[-1].position
        if await self._positions.move(position, newest):
            await self._stream.trim(newest, KEEP_MS)

    async def _claim(self) -> str | None:
        """The position, if this notifier may send; the first one begins with what happens from now on."""
        new = await self._connection.command("hget", self._keys["readers"], PINGS) is None
        if new:
            # A reader before the position is stored, so that nothing is dropped in between.
            await self._stream.trim(START)
        position = await self._positions.claim(await self._stream.newest(), HOLD_S)
        if new and position is not None:
            await self._stream.trim(position, KEEP_MS)
        return position

    async def _report(self, events: Sequence[Event]) -> None:
        watched = await self._watched(tasks_of(events) | _declared(events))
        definitions = {name: each.task for name, each in watched.items()}
        of_watched = [event for event in events if event.fields.get("task") in watched]
        shown = await hide_secrets(self._connection, self._stream.queue, of_watched, definitions)
        signals = [signal for event in shown if (signal := translate(event)) is not None]
        batch: dict[tuple[str, str], list[Outgoing]] = {}
        for name, each in watched.items():
            self._add_schedule(batch, name, each)
        for signal in choose(signals, self._now_ms()):
            self._add_ping(batch, watched[signal.task], signal)
        if batch:
            await self._sender.send(batch)

    def _add_schedule(self, batch: dict[tuple[str, str], list[Outgoing]], name: str, each: _Watched) -> None:
        key, text = (each.service, each.monitor), each.rule.to_json() if each.rule else ""
        if each.rule is None or self._stored.get(key) == text:
            return
        self._stored[key] = text
        try:
            found = schedule_request(self._monitors, each.service, each.monitor, each.rule)
        except MissingSetting as missing:
            self._report_missing(name, each.service, str(missing))
            return
        if found is not None:
            batch.setdefault(key, []).append(found)

    def _add_ping(self, batch: dict[tuple[str, str], list[Outgoing]], each: _Watched, signal: Signal) -> None:
        try:
            found = ping_request(self._monitors, each.service, each.monitor, signal, each.task, each.rule)
        except MissingSetting as missing:
            self._report_missing(signal.task, each.service, str(missing))
            return
        batch.setdefault((each.service, each.monitor), []).append(found)

    def _report_missing(self, task: str, service: str, setting: str) -> None:
        if setting not in self._missing:
            self._missing.add(setting)
            _log.error(
                "The task %s has a monitor of %s, but the setting %s is missing.", task, service, setting
            )

    async def _watched(self, names: Collection[str]) -> Mapping[str, _Watched]:
        """Those of these tasks that have a monitor, with their own schedules."""
        if not names:
            return {}
        listed = sorted(names)
        definitions = await self._connection.command("hmget", self._keys["tasks"], listed)
        monitored = {
            task.name: task
            for text in definitions
            if text and '"monitor":"' in text and (task := _definition(text)) is not None
        }
        if not monitored:
            return {}
        rules = await self._connection.command("hmget", self._keys["schedules"], list(monitored))
        found: dict[str, _Watched] = {}
        for (name, task), text in zip(monitored.items(), rules, strict=True):
            service, monitor = parse_monitor(task.monitor or "") or ("", "")
            if service:
                found[name] = _Watched(task, service, monitor, _rule(text) if text else None)
        return found


def make_reporter(settings: Settings, connection: Connection, queue: str, archive: Archive) -> PingReporter:
    """The reporter of one queue, in one process."""

    def text(secret: SecretStr | None) -> str | None:
        return secret.get_secret_value() if secret else None

    monitors = Monitors(
        settings.healthchecks_url,
        text(settings.healthchecks_ping_key),
        text(settings.cronitor_api_key),
        text(settings.sentry_dsn),
    )
    return PingReporter(connection, queue, PingPositions(archive, queue, uuid.uuid4().hex), monitors)


def _declared(events: Sequence[Event]) -> set[str]:
    """Tasks whose schedule may have changed."""
    kinds = (EventKind.TASK_DECLARED, EventKind.SCHEDULE_DECLARED)
    return {event.fields["task"] for event in events if event.kind in kinds and "task" in event.fields}


def _definition(text: str) -> TaskDefinition | None:
    try:
        return TaskDefinition.from_json(text)
    except InfinitasError:
        return None


def _rule(text: str) -> Schedule | None:
    try:
        return Schedule.stored(text)
    except (InfinitasError, ValueError, TypeError):
        return None
