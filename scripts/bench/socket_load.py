"""The load of `sockets`, in a process: `python socket_load.py PORT worker|page COUNT CAPACITY`."""

import asyncio
import sys

import orjson
import uvloop
from processes import accepts, wait
from websockets.asyncio.client import ClientConnection, connect

HEARTBEAT_S = 2.5


async def work(port: int, capacity: int) -> None:
    """A worker that reports each job as done at once."""
    async with connect(f"ws://127.0.0.1:{port}/api/v1/worker", compression=None, proxy=None) as socket:
        identify = {"t": "identify", "tasks": [{"name": "noop"}], "capacity": capacity}
        await socket.send(orjson.dumps(identify).decode())
        heartbeat = asyncio.create_task(_beat(socket))
        async for text in socket:
            found = orjson.loads(text)
            done = [
                {"t": "done", "id": m["job"], "job": m["job"], "attempt": m["attempt"]}
                for m in (found if isinstance(found, list) else [found])
                if m["t"] == "job"
            ]
            if done:
                await socket.send(orjson.dumps(done if len(done) > 1 else done[0]).decode())
        heartbeat.cancel()


async def _beat(socket: ClientConnection) -> None:
    while True:
        await asyncio.sleep(HEARTBEAT_S)
        await socket.send('{"t":"beat"}')


async def follow(port: int) -> None:
    """A page that receives events and ignores them."""
    async with connect(f"ws://127.0.0.1:{port}/api/v1/feed", compression=None, proxy=None) as socket:
        await socket.send('{"t":"subscribe","topics":["jobs","workers","task:noop"]}')
        async for _ in socket:
            pass


async def main(port: int, kind: str, count: int, capacity: int) -> None:
    """Open `count` connections of one kind."""
    tasks = []
    for _ in range(count):
        tasks.append(asyncio.create_task(work(port, capacity) if kind == "worker" else follow(port)))
        await asyncio.sleep(0.005)
    await asyncio.gather(*tasks)


if __name__ == "__main__":
    port, kind, count, capacity = sys.argv[1:]
    wait(lambda: accepts(int(port)), 60, 0.1)
    uvloop.run(main(int(port), kind, int(count), int(capacity)))
