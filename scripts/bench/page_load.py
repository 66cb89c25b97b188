"""Open pages without a browser, in a process: `python page_load.py PORT COUNT`.

Each follows the events of the view Now, and after them loads what that view loads, as often as it does.
"""

import asyncio
import sys
import time

import orjson
import uvloop
from processes import accepts, wait
from websockets.asyncio.client import connect

LOADS = {
    "/tasks": 1.0,
    "/jobs?state=running&limit=200": 1.0,
    "/queues": 2.0,
    "/incidents?open=true&limit=200": 2.0,
    "/schedules?limit=500": 2.0,
    "/timeline?bucket=300": 5.0,
    "/statistics?runs=false": 10.0,
    "/workers": 1.0,
}
"""Paths, and how many seconds at least lie between two loads."""
TOPICS = ["tasks", "jobs", "schedules", "workers"]


class OpenPage:
    """One page: a WebSocket, and a connection for its requests, from an address of its own as people have."""

    def __init__(self, port: int, number: int) -> None:
        self._port = port
        self._own = (f"127.0.1.{number % 250 + 1}", 0)
        self._events = asyncio.Event()

    async def run(self) -> None:
        await asyncio.gather(self._follow(), self._load())

    async def _follow(self) -> None:
        address = f"ws://127.0.0.1:{self._port}/api/v1/feed"
        async with connect(address, compression=None, proxy=None, local_addr=self._own) as socket:
            await socket.send(orjson.dumps({"t": "subscribe", "topics": TOPICS}).decode())
            async for text in socket:
                found = orjson.loads(text)
                frames = found if isinstance(found, list) else [found]
                if any(frame["t"] in ("events", "resync") for frame in frames):
                    self._events.set()

    async def _load(self) -> None:
        """After events load what is old enough, one path after another."""
        last = dict.fromkeys(LOADS, 0.0)
        while True:
            await self._events.wait()
            self._events.clear()
            # The server closes connections that were idle for some seconds.
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port, local_addr=self._own)
            while due := [path for path, every in LOADS.items() if time.monotonic() - last[path] >= every]:
                for path in due:
                    writer.write(f"GET /api/v1{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
                    await _read_answer(reader)
                    last[path] = time.monotonic()
            writer.close()
            await asyncio.sleep(min(LOADS.values()))


async def _read_answer(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))


async def main(port: int, count: int) -> None:
    async with asyncio.TaskGroup() as pages:
        for number in range(count):
            pages.create_task(OpenPage(port, number).run())
            await asyncio.sleep(0.005)


if __name__ == "__main__":
    port, count = map(int, sys.argv[1:])
    wait(lambda: accepts(port), 60, 0.1)
    uvloop.run(main(port, count))
