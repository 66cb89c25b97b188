"""Our bare scripts, driven by hand: claim a batch, settle it, nothing else; two batches at once."""

import asyncio
import time

from environment import Environment, environment
from rounds import Figures
from systems.tables import OURS

from infinitas.broker.connection import Connection
from infinitas.broker.messages import ClaimRequest, Settlement
from infinitas.broker.queue import QueueBroker
from infinitas.core.verdict import SUCCEEDED


def measure(jobs: int, aof: bool) -> Figures:
    with environment(aof=aof) as on:
        on.send(OURS, "bulk", jobs)
        return asyncio.run(_drain(on))


async def _drain(on: Environment) -> Figures:
    connections = [Connection(on.url, "floor") for _ in range(2)]
    await QueueBroker(connections[0], "default").workers.join("floor", ["noop"], 60)
    server, own, began = on.server_cpu(), time.process_time(), time.monotonic()
    traffic = on.traffic()

    async def lane(connection: Connection) -> int:
        broker, done = QueueBroker(connection, "default"), 0
        while jobs := (await broker.jobs.claim(ClaimRequest("floor", [["noop"]], 50, 3600))).jobs:
            ends = [Settlement(job=j.id, attempt=j.attempt, verdict=SUCCEEDED, ttl_s=3600) for j in jobs]
            await broker.jobs.settle("floor", ends)
            done += len(jobs)
        return done

    done = sum(await asyncio.gather(*map(lane, connections)))
    took, own = time.monotonic() - began, time.process_time() - own
    commands, size = (after - before for after, before in zip(on.traffic(), traffic, strict=True))
    for connection in connections:
        await connection.close()
    return {
        "jobs/s": done / took,
        "worker ms": own / done * 1e6,
        "server ms": (on.server_cpu() - server) / done * 1e6,
        "commands": commands / done,
        "bytes sent": size / done,
    }
