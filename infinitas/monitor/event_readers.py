"""Checks that each reader of a queue's events follows, and that unread events never fill Redis.

Redis keeps what a reader has not read: up to `events_max` entries, and up to half of the memory that Redis
may use. Beyond that the oldest entries are dropped, and the loss is reported.
It runs in the scheduler and in the archiver: either of them may be down.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from infinitas.broker.health import Health, Lag
from infinitas.core.event_kinds import EventKind
from infinitas.core.interval import describe_ms
from infinitas.core.plural import counted
from infinitas.runtime.logging import get_logger

_log = get_logger("events")
CHECK_EVERY_S = 10.0
LATE_S = 5.0
"""A reader that follows reads an event within a second."""
BEHIND_AFTER_S = 25.0
"""Late for so long, checked every ten seconds: reported within a minute."""
SHARE_OF_MEMORY = 0.5
FEWEST_KEPT = 10_000
"""Entries, some 5 MB, whatever the memory limit: a reader that follows must not lose any."""
KEPT_OF_MOST = 0.9
"""Dropped in portions, so that a long outage logs few lines and not one for each check."""


@dataclass(slots=True)
class _Seen:
    """What the checks so far have found of one reader; `gap` is the position of the last reported gap."""

    position: str = ""
    late_since: float | None = None
    behind: bool = False
    gap: str = ""


class EventReaderMonitor:
    """Checks one queue. If several run, each logs what it finds, and one writes the event."""

    def __init__(self, health: Health, events_max: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._health = health
        self._events_max = events_max
        self._clock = clock
        self._seen: dict[str, _Seen] = {}

    async def run_once(self) -> None:
        """Check, then rest."""
        await self.check()
        await asyncio.sleep(CHECK_EVERY_S)

    async def check(self) -> None:
        """Bound the events, then judge how far each reader is."""
        entries, lags = await self._health.lag()
        if lags:
            await self._bound(entries)
        known, self._seen = self._seen, {}
        for lag in lags:
            before = known.get(lag.reader)
            self._seen[lag.reader] = seen = before or _Seen()
            await self._judge(lag, seen, entries)
        for reader in known.keys() - self._seen.keys():
            # The reader was forgotten: no events wait for it.
            await self._report_caught_up(reader)
            await self._report_gap_passed(reader)

    async def _bound(self, entries: int) -> None:
        most, memory = self._events_max, await self._health.memory()
        if memory and memory.limit and entries and (size := await self._health.events_bytes()):
            share = int(memory.limit * SHARE_OF_MEMORY * entries / size)
            most = min(most, max(share, FEWEST_KEPT))
        if entries <= most:
            return
        dropped, kept = await self._health.drop_events(int(most * KEPT_OF_MOST))
        if dropped:
            _log.error(
                "Dropped the oldest %d entries of the events of queue %s, which were not read: its history "
                "will lack them, but not the ends of jobs (%d entries). Redis keeps %d others at most "
                "(events_max, or half of its memory).",
                dropped,
                self._health.queue,
                kept,
                most,
            )

    async def _judge(self, lag: Lag, seen: _Seen, entries: int) -> None:
        await self._judge_gap(lag, seen)
        seen.position = lag.position
        now = self._clock()
        if not lag.waiting_s or lag.waiting_s < LATE_S:
            if seen.behind:
                _log.info("The %s has caught up with the events of queue %s.", lag.reader, self._health.queue)
            seen.late_since, seen.behind = None, False
            await self._report_caught_up(lag.reader)
        elif seen.late_since is None:
            seen.late_since = now
        elif not seen.behind and now - seen.late_since >= BEHIND_AFTER_S:
            seen.behind = True
            await self._report_behind(lag, entries)

    async def _judge_gap(self, lag: Lag, seen: _Seen) -> None:
        if not lag.has_gap:
            await self._report_gap_passed(lag.reader)
        elif lag.waiting_s and lag.position == seen.position and lag.position != seen.gap:
            # Its position is the same as at the last check: a reader that moves may have read them.
            seen.gap = lag.position
            _log.error(
                "Events of queue %s after %s were dropped unread by the %s: what it stores has a gap.",
                self._health.queue,
                lag.position,
                lag.reader,
            )
            await self._health.amiss(f"gap:{lag.reader}", EventKind.ARCHIVE_GAP, {"after": lag.position})

    async def _report_behind(self, lag: Lag, entries: int) -> None:
        _log.error(
            "The %s is behind: events of queue %s have waited for it for %.0f s, and Redis keeps %d entries. "
            "Start `infinitas %s`, or find out what stops it. At %d entries, or half of Redis' "
            "memory, the oldest are dropped. If you need none any more: `infinitas %s --forget`.",
            lag.reader,
            self._health.queue,
            lag.waiting_s,
            entries,
            lag.reader,
            self._events_max,
            lag.reader,
        )
        waits = (
            f"{counted(entries, 'entry')} wait, the oldest for {describe_ms(round(lag.waiting_s) * 1000)}."
        )
        facts = {
            "position": lag.position,
            "waiting_s": round(lag.waiting_s),
            "entries": entries,
            "text": f"{waits} Start `infinitas {lag.reader}`, or find out what stops it.",
        }
        await self._health.amiss(f"reader:{lag.reader}", EventKind.ARCHIVE_BEHIND, facts)

    async def _report_caught_up(self, reader: str) -> None:
        await self._health.amiss(f"reader:{reader}", EventKind.ARCHIVE_CAUGHT_UP, {}, over=True)

    async def _report_gap_passed(self, reader: str) -> None:
        await self._health.amiss(f"gap:{reader}", EventKind.ARCHIVE_GAP_PASSED, {}, over=True)
