"""Workers that are members of some queue."""

from infinitas.broker.connection import Connection
from infinitas.broker.inspect.queues import list_queues
from infinitas.broker.keys import QueueKeys, worker
from infinitas.broker.reading import worker_info
from infinitas.core.records import WorkerInfo


async def live_workers(connection: Connection) -> list[WorkerInfo]:
    """Workers that are members of some queue and whose facts have not expired, by id."""
    members: set[str] = set()
    stopping: set[str] = set()
    for queue in await list_queues(connection):
        pipe = connection.pipeline()
        pipe.hkeys(QueueKeys(queue)["members"])
        pipe.smembers(QueueKeys(queue)["stopping"])
        known, stops = await connection.execute(pipe)
        members.update(known)
        stopping.update(stops)
    ids = sorted(members)
    pipe = connection.pipeline()
    for id in ids:
        pipe.hgetall(worker(id))
    replies = await connection.execute_each(pipe)
    return [worker_info(id, facts, id in stopping) for id, facts in zip(ids, replies, strict=True) if facts]
