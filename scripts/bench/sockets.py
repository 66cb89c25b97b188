"""Remote workers and page feeds on one server process: how many jobs a second go through sockets."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable

import orjson
from jobs import app
from stand import P, cpu_seconds, free_port, rss_mb, stand
from websockets.asyncio.client import connect

from infinitas.broker.connection import Connection
from infinitas.broker.messages import NewJob
from infinitas.broker.queue import QueueBroker
from infinitas.client.job_ids import fresh_id

IDLE_S = 10.0
BATCH = 500


def sockets(workers: int, feeds: int, jobs: int, capacity: int) -> None:
    """`jobs` wait; `workers` sockets drain them, while `feeds` pages listen."""
    with stand() as on:
        port = free_port()
        server = on.start("server", "--port", str(port))
        asyncio.run(_declare(on.url))
        load = [_start(port, "page", feeds, 0), _start(port, "worker", workers, capacity)]
        try:
            _wait(lambda: on.redis.hlen(f"{P}members") == workers)
            cpu = cpu_seconds(server.pid)
            time.sleep(IDLE_S)
            idle = (cpu_seconds(server.pid) - cpu) / IDLE_S * 100
            print(
                f"{workers} workers and {feeds} pages, idle: {idle:.1f} % of a core, "
                f"{rss_mb(server.pid):.0f} MB"
            )
            cpu, redis = cpu_seconds(server.pid), cpu_seconds(on.redis_pid)
            began = time.monotonic()
            asyncio.run(_send(on.url, jobs))
            sent_s = time.monotonic() - began
            _wait(lambda: on.redis.xlen(f"{P}stream:noop") == 0)
            took = time.monotonic() - began
            cpu, redis = cpu_seconds(server.pid) - cpu, cpu_seconds(on.redis_pid) - redis
            print(
                f"{jobs:,} jobs (sent within {sent_s:.1f} s) done in {took:.1f} s: {jobs / took:,.0f}/s; "
                f"CPU per 1,000 jobs: server {cpu / jobs * 1e6:.0f} ms, Redis {redis / jobs * 1e6:.0f} ms; "
                f"server {rss_mb(server.pid):.0f} MB"
            )
        finally:
            for each in load:
                each.kill()
                each.wait()


async def _declare(url: str) -> None:
    connection = Connection(url, "bench")
    await QueueBroker(connection, "default").declarations.declare([app.tasks["noop"].definition], [])
    await connection.close()


async def _send(url: str, count: int) -> None:
    connection = Connection(url, "bench")
    broker = QueueBroker(connection, "default")
    for _ in range(0, count, BATCH):
        await broker.jobs.enqueue([NewJob(id=fresh_id(), task="noop", args="[[],{}]") for _ in range(BATCH)])
    await connection.close()


def _wait(condition: Callable[[], bool], patience_s: float = 300) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("It did not come to an end.")
        time.sleep(0.02)


def _start(port: int, kind: str, count: int, capacity: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, __file__, str(port), kind, str(count), str(capacity)])


async def _work(port: int, capacity: int) -> None:
    """A worker that is done with each job at once."""
    async with connect(f"ws://127.0.0.1:{port}/api/v1/worker", compression=None, proxy=None) as socket:
        entry = {"name": "noop"}
        who = {"t": "identify", "tasks": [entry], "capacity": capacity}
        await socket.send(orjson.dumps(who).decode())
        beating = asyncio.create_task(_beat(socket))
        async for text in socket:
            found = orjson.loads(text)
            done = [
                {"t": "done", "id": m["job"], "job": m["job"], "attempt": m["attempt"]}
                for m in (found if isinstance(found, list) else [found])
                if m["t"] == "job"
            ]
            if done:
                await socket.send(orjson.dumps(done if len(done) > 1 else done[0]).decode())
        beating.cancel()


async def _beat(socket: object) -> None:
    while True:
        await asyncio.sleep(2.5)
        await socket.send('{"t":"beat"}')  # type: ignore[attr-defined]


async def _listen(port: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}/api/v1/feed", compression=None, proxy=None) as socket:
        await socket.send('{"t":"subscribe","topics":["jobs","workers","task:noop"]}')
        async for _ in socket:
            pass


async def _main(port: int, kind: str, count: int, capacity: int) -> None:
    """`count` connections of one kind, in this process."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            break
        except OSError:
            await asyncio.sleep(0.1)
    tasks = []
    for _ in range(count):
        tasks.append(asyncio.create_task(_work(port, capacity) if kind == "worker" else _listen(port)))
        await asyncio.sleep(0.005)
    await asyncio.gather(*tasks)


if __name__ == "__main__":
    import uvloop

    port, kind, count, capacity = sys.argv[1:]
    uvloop.run(_main(int(port), kind, int(count), int(capacity)))
