"""Sheds load before Redis is full: log lines first, then progress, then new jobs; never the ends of jobs."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from infinitas.broker.health import Health
from infinitas.broker.pressure import Level, Pressure
from infinitas.core.event_kinds import EventKind
from infinitas.core.plural import counted
from infinitas.monitor.redis_checks import memory_share
from infinitas.runtime.config import Settings
from infinitas.runtime.logging import get_logger

_log = get_logger("scheduler")
CHECK_EVERY_S = 2.0
REST_FACTOR = 20.0
"""Between two checks, as a multiple of the duration of one: counting many tasks takes Redis' time."""
MEMORY = {Level.LOGS: 0.7, Level.PROGRESS: 0.8, Level.FULL: 0.9}
"""Shares of `maxmemory`, or of the machine's memory."""
EVENTS = {Level.LOGS: 0.6, Level.PROGRESS: 0.8}
"""Shares of `events_max`: beyond it all but the ends of jobs are dropped."""
BACKLOG = {Level.FULL: 1.0}
EASED = 0.9
"""A level ends at this part of the share at which it began."""
FAULTS = {
    "pressure:logs": (Level.LOGS, "log lines of jobs are not archived"),
    "pressure:full": (Level.FULL, "no new jobs are accepted (backlog_full)"),
}


@dataclass(frozen=True, slots=True)
class Measure:
    """A share of a limit, the shares at which levels begin, and a sentence about it."""

    share: float
    begins: Mapping[Level, float]
    why: str


class PressureMonitor:
    """Monitor of one queue. Any number may run: each begins with the level that is stored."""

    def __init__(self, pressure: Pressure, health: Health, settings: Settings) -> None:
        self._pressure = pressure
        self._health = health
        self._settings = settings

    async def run_once(self) -> None:
        """Check, then rest."""
        began = time.monotonic()
        await self.check()
        await asyncio.sleep(max(CHECK_EVERY_S, REST_FACTOR * (time.monotonic() - began)))

    async def check(self) -> Level:
        """Measure, and store the level."""
        before = await self._pressure.level()
        level, why = level_of(await self._measure(), before)
        await self._pressure.store(level, why)
        if level is not before:
            _log.warning("Queue %s: %s", self._pressure.queue, why or "there is enough room again.")
        for what, (least, meaning) in FAULTS.items():
            over = level < least
            facts = {} if over else {"text": f"{why} Until there is room, {meaning}."}
            kind = EventKind.SYSTEM_WELL if over else EventKind.SYSTEM_AMISS
            await self._health.amiss(what, kind, facts, over=over)
        return level

    async def _measure(self) -> list[Measure]:
        found = []
        if memory := await self._health.memory():
            share = memory_share(memory)
            found.append(Measure(share, MEMORY, f"{share:.0%} of the memory of Redis is used."))
        entries, lags = await self._health.lag()
        if lags:
            share = entries / self._settings.events_max
            found.append(Measure(share, EVENTS, f"{entries:,} events have not been read by all readers."))
        return [*found, *await self._backlog()]

    async def _backlog(self) -> Iterable[Measure]:
        most, most_mb = self._settings.backlog_jobs, self._settings.backlog_mb
        if most is None and most_mb is None:
            return ()
        backlog = await self._pressure.backlog(with_bytes=most_mb is not None)
        why = f"{counted(backlog.jobs, 'job')} wait in the queue {self._pressure.queue}"
        found = []
        if most is not None:
            text = f"{why}; backlog_jobs is {most:,}."
            found.append(Measure(backlog.jobs / most, BACKLOG, text))
        if most_mb is not None:
            size = backlog.bytes / 1_000_000
            text = f"{why} with about {size:.1f} MB; backlog_mb is {most_mb:g}."
            found.append(Measure(size / most_mb, BACKLOG, text))
        return found


def level_of(measures: Iterable[Measure], before: Level) -> tuple[Level, str]:
    """The highest level that a measure asks for, and its reason."""
    found = Level.NONE, ""
    for measure in measures:
        for level, share in measure.begins.items():
            limit = share * EASED if level <= before else share
            if measure.share >= limit and level > found[0]:
                found = level, measure.why
    return found
