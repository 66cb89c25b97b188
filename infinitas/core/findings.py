"""What `infinitas doctor` can find: a stable code for each fault, and how to mend it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

SHOWN = 3
"""Names that a sentence has."""
MOST_NAMES = 20
"""Names that a finding keeps."""


class FindingCode(StrEnum):
    """A fault of the installation."""

    REDIS_UNREACHABLE = "redis_unreachable"
    REDIS_VERSION = "redis_version"
    REDIS_EVICTION = "redis_eviction"
    REDIS_PERSISTENCE = "redis_persistence"
    REDIS_DISK = "redis_disk"
    REDIS_MEMORY = "redis_memory"
    REDIS_COMMANDS = "redis_commands"
    CLOCK_SKEW = "clock_skew"
    POSTGRES_CLOCK = "postgres_clock"
    NO_SCHEDULER = "no_scheduler"
    NO_ARCHIVER = "no_archiver"
    NO_NOTIFIER = "no_notifier"
    BACKLOG = "backlog"
    NO_WORKER = "no_worker"
    PENDING_WITHOUT_WORKER = "pending_without_worker"
    SLOTS_OVERDUE = "slots_overdue"
    UNREADABLE_SCHEDULES = "unreadable_schedules"
    ARCHIVE_LAG = "archive_lag"
    ARCHIVE_GAP = "archive_gap"
    ORPHAN_KEYS = "orphan_keys"
    POSTGRES_UNREACHABLE = "postgres_unreachable"
    POSTGRES_TABLES = "postgres_tables"
    POSTGRES_SIZE = "postgres_size"
    REFUSED_RECORDS = "refused_records"
    OPEN_ROWS = "open_rows"
    CHECK_BROKE_OFF = "check_broke_off"


REMEDIES: Mapping[FindingCode, str] = {
    FindingCode.REDIS_UNREACHABLE: "Start Redis, or set INFINITAS_REDIS_URL to the one that runs.",
    FindingCode.REDIS_VERSION: "Upgrade Redis to 7.0 or later, or use Valkey.",
    FindingCode.REDIS_EVICTION: "Run: redis-cli config set maxmemory-policy noeviction",
    FindingCode.REDIS_PERSISTENCE: "Run: redis-cli config set appendonly yes (and set it in redis.conf)",
    FindingCode.REDIS_DISK: "Free space on the disk of Redis, and read its log for the cause.",
    FindingCode.REDIS_MEMORY: (
        "Raise maxmemory, shorten job_ttl, or find what fills it: redis-cli --bigkeys"
    ),
    FindingCode.REDIS_COMMANDS: (
        "Allow them to the user of redis_url (docs/settings.md has the ACL line); remove any rename-command."
    ),
    FindingCode.CLOCK_SKEW: "Synchronise this host's clock and that of Redis by NTP.",
    FindingCode.POSTGRES_CLOCK: "Synchronise the clocks of Redis and Postgres by NTP.",
    FindingCode.NO_SCHEDULER: "Start one: infinitas scheduler",
    FindingCode.NO_ARCHIVER: (
        "Start one: infinitas archiver; or, if it is not needed any more: infinitas archiver --forget"
    ),
    FindingCode.NO_NOTIFIER: (
        "Start one: infinitas notifier; or, if it is not needed any more: infinitas notifier --forget"
    ),
    FindingCode.BACKLOG: "Start more workers, or raise their concurrency; slow jobs: infinitas job ls",
    FindingCode.NO_WORKER: (
        "Start a worker that has the code: infinitas worker MODULE:APP; or remove the task: infinitas task rm"
    ),
    FindingCode.PENDING_WITHOUT_WORKER: (
        "A scheduler moves them on within a minute: check that one runs, and read its log."
    ),
    FindingCode.SLOTS_OVERDUE: "Check that a scheduler runs, that it reaches Redis, and what its log has.",
    FindingCode.UNREADABLE_SCHEDULES: (
        "Upgrade the schedulers (also their tzdata), store the schedule anew, or: infinitas schedule rm"
    ),
    FindingCode.ARCHIVE_LAG: "Start it, or find out in its log what stops it: most often Postgres.",
    FindingCode.ARCHIVE_GAP: (
        "Their rows can't be completed; to keep more events while a reader is away, raise events_max."
    ),
    FindingCode.ORPHAN_KEYS: (
        "If no program needs them, delete them: redis-cli --scan --pattern PATTERN | xargs redis-cli del"
    ),
    FindingCode.POSTGRES_UNREACHABLE: "Start Postgres, or correct postgres_url; Redis keeps the events.",
    FindingCode.POSTGRES_TABLES: "Run: infinitas migrate",
    FindingCode.POSTGRES_SIZE: (
        "Drop partitions of old months (docs/postgres.md), enlarge the disk, or raise archive_max_gb."
    ),
    FindingCode.REFUSED_RECORDS: (
        "Read the table infinitas_refused, correct what made them, and delete the rows (docs/postgres.md)."
    ),
    FindingCode.OPEN_ROWS: (
        "Restore them: infinitas restore (--dry-run only counts); or send again those that are needed: "
        "infinitas job rerun ID"
    ),
    FindingCode.CHECK_BROKE_OFF: (
        "After WRONGTYPE: another program has written a key of that queue. MONITOR shows the command that "
        "fails; delete its key, or give that program a Redis of its own."
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fault. `where`: the server, or the queue if it is of one; `text`: one sentence; `names`: the first
    few it is about."""

    code: FindingCode
    where: str
    text: str
    remedy: str
    count: int = 1
    names: tuple[str, ...] = ()
    queue: str | None = None


def finding(
    code: FindingCode,
    where: str,
    text: str,
    *,
    count: int = 1,
    names: Sequence[str] = (),
    queue: str | None = None,
) -> Finding:
    return Finding(
        code=code,
        where=where,
        text=text,
        remedy=REMEDIES[code],
        count=count,
        names=tuple(names[:MOST_NAMES]),
        queue=queue,
    )


def listed(names: Sequence[str], count: int | None = None) -> str:
    """The first of `count` names, for a sentence."""
    total = len(names) if count is None else count
    more = ", …" if total > min(len(names), SHOWN) else ""
    return ", ".join(names[:SHOWN]) + more
