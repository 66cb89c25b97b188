"""What is known of a worker beside its beats: where it runs, how busy it is."""

from collections.abc import Mapping

from infinitas.broker.connection import Connection
from infinitas.broker.keys import worker

_KEEP_LEASES = 3


async def tell(
    connection: Connection, worker_id: str, facts: Mapping[str, str | int], lease_s: float
) -> None:
    """Store a worker's facts; they expire three leases after the last time. Raises ServerUnreachable."""
    key = worker(worker_id)
    pipe = connection.redis.pipeline(transaction=False)
    pipe.hset(key, mapping=dict(facts))
    pipe.pexpire(key, int(lease_s * 1000) * _KEEP_LEASES)
    await connection.ask(pipe.execute())


async def owner(connection: Connection, worker_id: str) -> str | None:
    """Id of the access token that a remote worker came with; None for a worker that is not known."""
    found: str | None = await connection.ask(connection.redis.hget(worker(worker_id), "owner"))
    return found


async def forget(connection: Connection, worker_id: str) -> None:
    """Drop a worker's facts. Raises ServerUnreachable."""
    await connection.ask(connection.redis.delete(worker(worker_id)))
