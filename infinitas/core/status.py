"""The state of a whole installation, in one record. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from infinitas.core.interval import describe_ms
from infinitas.core.plural import counted
from infinitas.core.records import QueueInfo

ARCHIVER, NOTIFIER, SCHEDULER, SERVER = "archiver", "notifier", "scheduler", "server"
"""Kinds of processes beside the workers."""
LATE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessInfo:
    """One process, as it last wrote itself.

    Attributes:
        kind: `scheduler`, `archiver`, `notifier` or `server`.
        at: when it was written, by the clock of Redis.
        status: a line of counts, for people.
        troubles: what is wrong with its loops, for people.
        address: of a server, where this machine reaches it; else empty.
    """

    kind: str
    host: str
    pid: int
    version: str
    started: datetime
    at: datetime
    status: str
    troubles: tuple[str, ...] = ()
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerCounts:
    """Live workers: how many, how many jobs they may run at once, and how many they run."""

    live: int
    capacity: int
    busy: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """Jobs of the last 24 h that have ended; `missed`: slots that became no job in time."""

    succeeded: int
    failed: int
    missed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What runs, what waits, what is missing.

    Attributes:
        late_s: how late the most overdue slot is, in seconds; 0 without one.
        archive_lag_s: the age of the oldest event that is not recorded; None: there was never an archiver.
        day: None without an archive, or while it is away.
        missing: what does not run although something waits for it, each a sentence.
    """

    now: datetime
    processes: tuple[ProcessInfo, ...]
    workers: WorkerCounts
    queues: tuple[QueueInfo, ...]
    late_s: float
    archive_lag_s: float | None
    day: Day | None
    missing: tuple[str, ...] = ()


def missing_parts(
    kinds: set[str],
    *,
    schedules: int,
    later: int,
    late_s: float,
    unserved: Sequence[tuple[str, int]],
    archive_lag_s: float | None,
    archives: bool,
) -> tuple[str, ...]:
    """Sentences about what does not run although something waits for it.

    Args:
        kinds: of the processes that run.
        schedules: whether there are any, as a number.
        later: jobs that wait for their time.
        unserved: tasks without a live worker, each with its ready jobs.
        archives: an archive is configured.
    """
    found = []
    if SCHEDULER not in kinds and (schedules or later):
        since = f", the first since {describe_ms(round(late_s) * 1000)}" if late_s > LATE_S else ""
        what = "slots are not fired" if schedules else f"{counted(later, 'job')} not promoted"
        found.append(f"No scheduler runs: {what}{since}. Start `infinitas scheduler`.")
    if unserved:
        names = ", ".join(name for name, _ in unserved[:5]) + (" …" if len(unserved) > 5 else "")
        ready = sum(count for _, count in unserved)
        waits = f"; ready: {counted(ready, 'job')}" if ready else ""
        found.append(f"No worker serves {counted(len(unserved), 'task')}: {names}{waits}.")
    if ARCHIVER not in kinds and (archives or archive_lag_s is not None):
        lag = f", and events wait since {describe_ms(round(archive_lag_s) * 1000)}" if archive_lag_s else ""
        found.append(f"No archiver runs: history is not recorded{lag}. Start `infinitas archiver`.")
    return tuple(found)
