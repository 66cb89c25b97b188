"""A worker written from docs/protocol.md and docs/asyncapi.json alone: no import of Infinitas.

It appends to LEDGER a line for each code that begins and ends:

    python -m tests.server.independent.worker URL NAME LEDGER

Every frame that it sends or receives is checked against the published schema; a deviation ends the worker.
"""

import asyncio
import itertools
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from tests.server.independent.schemas import DOCUMENT, SCHEMAS, NotAsPublished, check

Frame = dict[str, Any]
Key = tuple[str, int]
KINDS = {
    SCHEMAS[name]["properties"]["t"]["const"]: name for name in DOCUMENT["channels"]["worker"]["messages"]
}
FINAL = {4400, 4401, 4403, 4409, 4426}
UNANSWERED_BEATS, QUIET_BEATS = 1.5, 1.0
LINES = 3


class Worker:
    def __init__(self, url: str, name: str, ledger: Path) -> None:
        self._url, self._name, self._ledger = url, name, ledger
        self._socket: ClientConnection | None = None
        self._session: str | None = None
        self._held: dict[Key, asyncio.Task[None]] = {}
        self._lines: dict[Key, list[Frame]] = {}
        """Lines that no `ack` has named."""
        self._ends: dict[str, Frame] = {}
        """Ends without an answer, by id."""
        self._beat_s, self._lease_s, self._received_at = 2.5, 10.0, time.monotonic()
        self._unanswered_at: float | None = None
        """When `identify`, or the first beat without an answer, was sent."""
        self._gave_up = False

    async def run(self) -> None:
        pause_s = 0.5
        while True:
            try:
                async with asyncio.timeout(self._lease_s / 2):
                    socket = await connect(
                        self._url,
                        subprotocols=["infinitas.v1"],  # type: ignore[list-item]
                        proxy=None,
                        ping_interval=None,
                    )
                await self._converse(socket)
            except ConnectionClosed as closed:
                if closed.rcvd is not None and closed.rcvd.code in FINAL:
                    raise SystemExit(f"refused: {closed}") from None
                pause_s = 0.5 if self._socket else pause_s
            except (OSError, TimeoutError, WebSocketException):
                pause_s = min(pause_s * 2, 30)
            self._socket = None
            if self._gave_up:
                self._gave_up = False
                continue
            longest = self._lease_s / 4 if self._held else 30.0
            await asyncio.sleep(min(pause_s * random.uniform(0.5, 1), longest))

    async def _converse(self, socket: ClientConnection) -> None:
        await self._send(
            socket,
            {
                "t": "identify",
                "tasks": [{"name": "sum", "options": {"retries": 2}}],
                "capacity": 5,
                "name": self._name,
                **({"session": self._session} if self._session else {}),
                "in_flight": [{"job": job, "attempt": attempt} for job, attempt in self._held],
            },
        )
        self._received_at = self._unanswered_at = time.monotonic()
        beating = asyncio.create_task(self._beat(socket))
        try:
            async for text in socket:
                self._received_at = time.monotonic()
                message = json.loads(text)
                for frame in message if isinstance(message, list) else [message]:
                    self._check(frame)
                    await self._receive(socket, frame)
        finally:
            beating.cancel()
        raise ConnectionClosed(None, None)

    async def _beat(self, socket: ClientConnection) -> None:
        for tick in itertools.count(1):
            await asyncio.sleep(self._beat_s / 8)
            if self._is_dead(time.monotonic()):
                self._gave_up = True
                socket.transport.abort()
                return
            if tick % 8 == 0 and self._socket is socket:
                self._unanswered_at = self._unanswered_at or time.monotonic()
                await self._send(socket, {"t": "beat"})

    def _is_dead(self, now: float) -> bool:
        unanswered_s = now - (self._unanswered_at or now)
        quiet_s = now - self._received_at
        return unanswered_s > UNANSWERED_BEATS * self._beat_s and quiet_s > QUIET_BEATS * self._beat_s

    async def _receive(self, socket: ClientConnection, frame: Frame) -> None:
        kind = frame["t"]
        if kind == "hello":
            self._beat_s, self._lease_s = frame["beat_ms"] / 1000, frame["lease_ms"] / 1000
        elif kind == "welcome":
            if self._session not in (None, frame["session"]):
                for key in list(self._held):
                    self._forget(key)
                self._ends.clear()
            self._session, self._socket, self._unanswered_at = frame["session"], socket, None
            for each in frame["resumed"]:
                key = each["job"], each["attempt"]
                if each["verdict"] == "lost" and not any(_key(end) == key for end in self._ends.values()):
                    self._forget(key)
            for key in list(self._lines):
                await self._send_lines(key)
            for end in list(self._ends.values()):
                await self._send_now(end)
        elif kind == "beat_ack":
            self._unanswered_at = None
        elif kind == "job":
            await self._send_now({"t": "accept", "job": frame["job"], "attempt": frame["attempt"]})
            if _key(frame) not in self._held:
                self._held[_key(frame)] = asyncio.create_task(self._work(frame))
        elif kind == "cancel":
            self._forget(_key(frame))
            await self._end(_key(frame), {"t": "fail", "error": frame["code"]})
        elif kind == "ack" and "log" in frame:
            kept = self._lines.get(_key(frame), [])
            self._lines[_key(frame)] = [line for line in kept if line["seq"] > frame["log"]]
        elif kind in ("ack", "err") and "re" in frame:
            if frame.get("code") == "server_unreachable":
                asyncio.get_running_loop().call_later(0.3, self._repeat, frame["re"])
            elif frame["re"] in self._ends:
                self._forget(_key(self._ends.pop(frame["re"])))
        elif kind == "err" and "job" in frame:
            if frame["code"] == "server_unreachable":
                await self._send_lines(_key(frame))
            else:
                self._lines.pop(_key(frame), None)

    async def _work(self, job: Frame) -> None:
        key = _key(job)
        self._note("begin", key)
        for seq in range(LINES):
            line = {"seq": seq, "at": int(time.time() * 1000), "text": f"line {seq}"}
            self._lines.setdefault(key, []).append(line)
            await self._send_lines(key)
            await asyncio.sleep(random.uniform(0, 0.06))
        await self._send_now({"t": "progress", **_about(key), "value": 0.5})
        self._note("end", key)
        await self._end(key, {"t": "done", "result": sum(job["args"][0])})

    async def _end(self, key: Key, frame: Frame) -> None:
        id = f"{frame['t']} {key[0]} {key[1]}"
        self._ends[id] = {**frame, "id": id, **_about(key)}
        await self._send_now(self._ends[id])

    def _repeat(self, id: str) -> None:
        if id in self._ends:
            self._repeating = asyncio.create_task(self._send_now(self._ends[id]))

    async def _send_lines(self, key: Key) -> None:
        if lines := self._lines.get(key):
            await self._send_now({"t": "log", **_about(key), "lines": lines})

    def _forget(self, key: Key) -> None:
        task = self._held.pop(key, None)
        self._lines.pop(key, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    async def _send_now(self, frame: Frame) -> None:
        if self._socket is not None:
            await self._send(self._socket, frame)

    async def _send(self, socket: ClientConnection, frame: Frame) -> None:
        self._check(frame)
        try:
            await socket.send(json.dumps(frame))
        except ConnectionClosed:
            return

    def _check(self, frame: Frame) -> None:
        try:
            check(frame, SCHEMAS[KINDS[frame["t"]]])
        except (KeyError, NotAsPublished) as error:
            print(f"not as published: {frame}: {error!r:.500}", file=sys.stderr, flush=True)
            os._exit(3)

    def _note(self, what: str, key: Key) -> None:
        with self._ledger.open("a") as file:
            file.write(f"{what} {key[0]} {key[1]} {os.getpid()}\n")


def _key(frame: Frame) -> Key:
    return frame["job"], frame["attempt"]


def _about(key: Key) -> Frame:
    return {"job": key[0], "attempt": key[1]}


if __name__ == "__main__":
    asyncio.run(Worker(sys.argv[1], sys.argv[2], Path(sys.argv[3])).run())
