"""Incidents as the notifier writes them: with the position of the events, in one transaction."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import orjson
from psycopg import AsyncConnection

from infinitas.archive.statements import fetch, statement, statement_with_columns, values_of
from infinitas.core.errors import Refused
from infinitas.core.incident import Incident, IncidentKind
from infinitas.core.incident_fold import FLAPPING_WINDOW, FailureCount, IncidentFold, Key, Threshold
from infinitas.core.notice import NoticeReason
from infinitas.core.notify_rules import MOST_RULES, Announcement, Mute, NotifyRule, read_rule
from infinitas.core.text import clean
from infinitas.runtime.logging import get_logger

_log = get_logger("notifier")
MOST_MUTES = 1_000
MOST_CHECKED = 10_000
"""Open incidents of checks, of one queue."""


@dataclass(frozen=True, slots=True)
class _CountRow:
    task: str
    in_a_row: int
    since: datetime
    times: Sequence[datetime]


class IncidentTable:
    """Incidents, in one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def lock(self) -> None:
        """Before incidents are read to be changed: no other changes them until this transaction ends."""
        await self._connection.execute(statement("lock_incidents"))

    async def now(self) -> datetime:
        """When this transaction began, by the clock of Postgres."""
        row = await (await self._connection.execute(statement("select_now"))).fetchone()
        assert row is not None
        found = row[0]
        assert isinstance(found, datetime)
        return found

    async def position(self, queue: str) -> str | None:
        """The position of the last event whose incidents are written; None before the first notifier."""
        found = await self._connection.execute(statement("select_notifier_position"), {"queue": queue})
        row = await found.fetchone()
        return row[0] if row else None

    async def begin(self, queue: str, position: str) -> None:
        """Begin behind this position, unless another notifier has begun."""
        values = {"queue": queue, "position": position}
        await self._connection.execute(statement("begin_notifier_position"), values)

    async def move_position(self, queue: str, before: str, after: str) -> bool:
        """False: another notifier has applied these events meanwhile."""
        values = {"queue": queue, "before": before, "after": after}
        moved = await self._connection.execute(statement("move_notifier_position"), values)
        return await moved.fetchone() is not None

    async def claim_checks(self, queue: str, checker: str, silent_s: float) -> bool:
        """Whether this checker checks now; another one may after it was silent for so long."""
        values = {"queue": queue, "checker": checker, "silent_s": silent_s}
        found = await self._connection.execute(statement("claim_checks"), values)
        return await found.fetchone() is not None

    async def durations(self, tasks: Sequence[str], last: int, fewest: int) -> dict[str, float]:
        """The 95th percentile of the last durations in seconds; of tasks that have enough of them."""
        values = {"tasks": list(tasks), "last": last}
        rows = await (await self._connection.execute(statement("select_durations"), values)).fetchall()
        return {task: seconds for task, count, seconds in rows if count >= fewest}

    async def fold(
        self,
        queue: str | None,
        subjects: Collection[str],
        at: datetime,
        thresholds: Mapping[str, Threshold] | None = None,
    ) -> IncidentFold:
        """What is open of these subjects, to be changed."""
        values = {"subjects": list(subjects)}
        known = await self._fetch("select_open_incidents", values)
        counts = await fetch(
            self._connection, statement("select_failure_counts"), {"tasks": list(subjects)}, _CountRow
        )
        return IncidentFold(
            queue,
            known,
            await self._openings(subjects, at),
            {row.task: FailureCount(row.in_a_row, row.since, tuple(row.times)) for row in counts},
            thresholds,
        )

    async def open_of_queue(self, queue: str | None, kinds: Iterable[IncidentKind]) -> list[Incident]:
        values = {"queue": queue, "kinds": [str(kind) for kind in kinds], "limit": MOST_CHECKED}
        return await self._fetch("select_open_of_queue", values)

    async def write(self, fold: IncidentFold) -> None:
        """Write what the fold has changed."""
        rows = [_row(incident) for incident in fold.changed.values()]
        await self._each("upsert_incident", rows)
        ended = [task for task, count in fold.counts.items() if count is None]
        kept = [
            {"task": task, "in_a_row": count.in_a_row, "since": count.since, "times": list(count.times)}
            for task, count in fold.counts.items()
            if count is not None
        ]
        await self._each("upsert_failure_count", kept)
        if ended:
            await self._connection.execute(statement("delete_failure_counts"), {"tasks": ended})

    async def announce(self, announcements_of: Iterable[Announcement], reason: NoticeReason) -> None:
        """Have these channels notified, with the next message that is made for them."""
        await self._each(
            "insert_announcement", [{**values_of(each), "reason": reason} for each in announcements_of]
        )

    async def announce_recovery(self, incidents: Sequence[str]) -> None:
        """Have the channels notified that were notified of these incidents before."""
        if incidents:
            await self._connection.execute(statement("announce_recovery"), {"incidents": list(incidents)})

    async def delay(self, incidents: Sequence[str], rule: str, not_before: datetime) -> None:
        """Have what this rule's channels are to be notified of wait until then."""
        values = {"incidents": list(incidents), "rule": rule, "not_before": not_before}
        await self._connection.execute(statement("delay_announcements"), values)

    async def silence(self, incidents: Sequence[str]) -> None:
        """Have no channel notified of these incidents any more."""
        if incidents:
            await self._connection.execute(statement("silence_announcements"), {"incidents": list(incidents)})

    async def mutes(self) -> list[Mute]:
        """Those that are in force."""
        query = statement_with_columns("select_mutes", Mute)
        return await fetch(self._connection, query, {"ended": False, "limit": MOST_MUTES}, Mute)

    async def channels(self) -> list[str]:
        """Names of all channels, those of files included."""
        rows = await self._connection.execute(statement("select_channel_names"), {"limit": MOST_RULES})
        return [name for (name,) in await rows.fetchall()]

    async def rules(self) -> list[NotifyRule]:
        """Those that were made at run time; one that can't be read is left out, and logged."""
        rows = await self._connection.execute(statement("select_notify_rules"), {"limit": MOST_RULES})
        found = []
        for name, text in await rows.fetchall():
            try:
                found.append(read_rule(name, orjson.loads(text)))
            except (Refused, ValueError, TypeError, AttributeError) as error:
                _log.error("The stored rule %r can't be read: %s", name, error)
        return found

    async def _openings(self, subjects: Collection[str], at: datetime) -> dict[Key, int]:
        values = {"subjects": list(subjects), "since": at - FLAPPING_WINDOW}
        rows = await (await self._connection.execute(statement("select_openings"), values)).fetchall()
        return {(kind, subject): count for kind, subject, count in rows}

    async def _fetch(self, name: str, values: Mapping[str, object]) -> list[Incident]:
        rows = await fetch(self._connection, statement_with_columns(name, Incident), values, Incident)
        return with_kinds(rows)

    async def _each(self, name: str, rows: Sequence[Mapping[str, object]]) -> None:
        if rows:
            async with self._connection.cursor() as cursor:
                await cursor.executemany(statement(name), rows)


def with_kinds(rows: Iterable[Incident]) -> list[Incident]:
    """Incidents as Postgres returns them; without those of a kind that only a newer version knows."""
    known = set(IncidentKind)
    return [replace(row, kind=IncidentKind(row.kind)) for row in rows if row.kind in known]


def _row(incident: Incident) -> dict[str, object]:
    row = values_of(incident)
    for name in ("job", "worker", "error", "task", "subject"):
        value = row[name]
        row[name] = clean(value) if isinstance(value, str) else value
    return row
