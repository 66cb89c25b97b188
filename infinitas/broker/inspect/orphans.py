"""Keys of Infinitas that no queue or task explains: of a queue that is not listed, or a task that is gone."""

import asyncio
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from infinitas.broker.connection import Connection
from infinitas.broker.inspect.queues import list_queues
from infinitas.broker.inspect.rights import PROBE
from infinitas.broker.keys import QUEUE_KEYS, QueueKeys

PAGE = 2_000
"""Keys of one SCAN: Redis takes one or two milliseconds."""
LONGEST_S = 10.0
MOST = 1_000
PER_TASK = frozenset(("task", "recent", "stream", "bell", "starts", "keys", "lingering", "open"))
PER_NAME = frozenset(("job", "log", "cancels", "rid", "backfill", "filling"))
SHARED = re.compile(
    r"infinitas:(queues|tokens(:revoked)?|pings|heartbeat|processes|(login|idempotency|worker):.+)", re.DOTALL
)
_OF_QUEUE = re.compile(r"\{infinitas:([^}]*)\}:(\w+)(?::(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphans:
    """`keys`: the first few, those of an unlisted queue as one pattern; `complete`: all keys were seen."""

    keys: tuple[str, ...]
    complete: bool


async def orphan_keys(connection: Connection, longest_s: float = LONGEST_S) -> Orphans:
    """Walks over all keys of one Redis, for at most `longest_s` seconds. Raises ServerUnreachable."""
    tasks = {queue: await _tasks(connection, queue) for queue in await list_queues(connection)}
    found: set[str] = set()
    cursor, deadline = 0, time.monotonic() + longest_s
    while True:
        cursor, page = await connection.scan(QueueKeys("default"), cursor, "*infinitas:*", PAGE)
        found |= set(orphans_of(page, tasks))
        if cursor == 0 or len(found) >= MOST or time.monotonic() > deadline:
            return Orphans(keys=tuple(sorted(found)), complete=cursor == 0)
        await asyncio.sleep(0)


def orphans_of(keys: Iterable[str], tasks: Mapping[str, frozenset[str]]) -> Iterable[str]:
    """Those of `keys` without an owner; `tasks`: by queue."""
    for key in keys:
        if key == PROBE:  # of a doctor or a notifier that checks rights at this moment
            continue
        if key.startswith("infinitas:"):
            if not SHARED.fullmatch(key):
                yield key
            continue
        part = _OF_QUEUE.fullmatch(key)
        if part is None:
            continue
        queue, kind, name = part.groups()
        if queue not in tasks:
            yield f"{{infinitas:{queue}}}:*"
        elif not _is_explained(kind, name, tasks[queue]):
            yield key


def _is_explained(kind: str, name: str | None, tasks: frozenset[str]) -> bool:
    if name is None:
        return kind in QUEUE_KEYS
    return kind in PER_NAME or (kind in PER_TASK and name in tasks)


async def _tasks(connection: Connection, queue: str) -> frozenset[str]:
    """Tasks of a queue; also those that have moved on, since jobs of theirs may still run here."""
    keys = QueueKeys(queue)
    here = await connection.command("hkeys", keys["tasks"])
    return frozenset([*here, *await connection.command("hkeys", keys["moved"])])
