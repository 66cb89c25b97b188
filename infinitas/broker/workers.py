"""Who is alive: the beat of a worker, and its leaving."""

from collections.abc import Mapping, Sequence

import orjson

from infinitas.broker.connection import Connection
from infinitas.broker.keys import WORKERS, QueueKeys, worker

_KEEP_LEASES = 3


async def beat(
    connection: Connection,
    worker_id: str,
    tasks: Mapping[str, Sequence[str]],
    facts: Mapping[str, object],
    lease_s: float,
) -> None:
    """Count one beat up and refresh what is known of the worker; `tasks` maps queue → names."""
    lease_ms = int(lease_s * 1000)
    now = 0
    for queue, names in tasks.items():
        text = orjson.dumps(names).decode()
        now = await connection.call("beat", QueueKeys(queue), lease=lease_ms, tasks=text)
    key = worker(worker_id)
    pipe = connection.redis.pipeline(transaction=False)
    pipe.hset(key, mapping={**facts, "last_beat": now})
    pipe.pexpire(key, lease_ms * _KEEP_LEASES)
    pipe.zincrby(WORKERS, 1, worker_id)
    await connection.ask(pipe.execute())


async def leave(connection: Connection, worker_id: str, tasks: Mapping[str, Sequence[str]]) -> None:
    """Take a stopping worker off the list, with its empty consumers."""
    for queue, names in tasks.items():
        text = orjson.dumps(names).decode()
        await connection.call("leave", QueueKeys(queue), worker=worker_id, tasks=text)
    pipe = connection.redis.pipeline(transaction=False)
    pipe.delete(worker(worker_id))
    pipe.zrem(WORKERS, worker_id)
    await connection.ask(pipe.execute())
