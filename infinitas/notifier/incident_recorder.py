"""Reads events after its position in Postgres, and writes incidents and position in one transaction."""

from collections.abc import Collection, Mapping, Sequence

from infinitas.archive.connection import Archive
from infinitas.archive.incidents import IncidentTable
from infinitas.broker.connection import Connection
from infinitas.broker.events import NOTIFIER, START, EventStream, count_entries
from infinitas.broker.keys import QueueKeys
from infinitas.broker.stored_rules import task_of_rule
from infinitas.core.events import Event
from infinitas.core.incident_events import EventFold, relevant, schedules_of, subjects_of, tasks_of
from infinitas.notifier.announcer import Announcer
from infinitas.notifier.secrets import hide_secrets
from infinitas.notifier.task_options import TaskOptions
from infinitas.runtime.logging import get_logger

_log = get_logger("notifier")
BATCH = 4_000
"""Events per transaction, roughly, as in the archiver's recorder."""
FEWEST_ENTRIES = BATCH // 100
BLOCK_MS = 10_000
KEEP_MS = 1_000
"""How long events stay for live pages."""


class IncidentRecorder:
    """Follows one queue. It may be killed between any two lines, or run twice at once."""

    def __init__(
        self, connection: Connection, queue: str, archive: Archive, announcer: Announcer, options: TaskOptions
    ) -> None:
        self._connection = connection
        self._queue = queue
        self._stream = EventStream(connection, queue, NOTIFIER)
        self._archive = archive
        self._announcer = announcer
        self._options = options
        self._position: str | None = None
        self._kept = True
        """Passed events may still be in the stream."""
        self._entries = FEWEST_ENTRIES

    async def run_once(self) -> bool:
        """Wait for events and apply one batch. Returns whether there are news for channels."""
        # After an error, read the position from Postgres: a commit whose reply was lost did happen.
        position, self._position = self._position or await self._begin(), None
        events = await self._stream.read(position, self._entries, KEEP_MS if self._kept else BLOCK_MS, BATCH)
        news = False
        if events:
            self._entries = min(max(BATCH * count_entries(events) // len(events), FEWEST_ENTRIES), BATCH)
            newest = events[-1].position
            applied = await self._apply(relevant(events), position, newest)
            if applied is None:
                return False
            await self._stream.trim(newest, KEEP_MS)
            position, news = newest, applied
        elif self._kept:
            await self._stream.trim(position)
        self._kept, self._position = bool(events), position
        return news

    async def _begin(self) -> str:
        """The position in Postgres. The first notifier of a queue begins with what happens from now on."""
        async with self._archive.transaction() as connection:
            known = await IncidentTable(connection).position(self._queue)
        if known is None:
            # A reader from here on, so that nothing is dropped between this and the first read.
            await self._stream.trim(START)
            start = await self._stream.newest()
            async with self._archive.transaction() as connection:
                table = IncidentTable(connection)
                await table.begin(self._queue, start)
                known = await table.position(self._queue) or start
            _log.info("Queue %s: incidents are opened for what happens from now on.", self._queue)
        await self._stream.trim(known, KEEP_MS)
        return known

    async def _apply(self, events: Sequence[Event], before: str, after: str) -> bool | None:
        """None: another notifier has applied these events. Else whether there are news."""
        owners = await self._owners(schedules_of(events))
        definitions = await self._options.of(tasks_of(events))
        thresholds = {name: each.threshold for name, each in definitions.items()}
        events = await hide_secrets(self._connection, self._queue, events, definitions)
        async with self._archive.transaction() as connection:
            table = IncidentTable(connection)
            if not await table.move_position(self._queue, before, after):
                return None
            if not events:
                return False
            await table.lock()
            subjects = subjects_of(events, self._queue, owners)
            now = await table.now()
            fold = await table.fold(self._queue, subjects, now, thresholds)
            EventFold(fold, self._queue, owners).take(events)
            await table.write(fold)
            await self._announcer.announce(table, fold, now)
        return bool(fold.news)

    async def _owners(self, schedules: Collection[str]) -> Mapping[str, str]:
        """The tasks of schedules."""
        if not schedules:
            return {}
        keys = list(schedules)
        rules = await self._connection.command("hmget", QueueKeys(self._queue)["schedules"], keys)
        return {key: task_of_rule(key, rule) if rule else key for key, rule in zip(keys, rules, strict=True)}
