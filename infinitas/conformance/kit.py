"""A scripted server that tries a client of `infinitas.v1` (docs/protocol.md, "Try your client").

The client must serve `conformance.echo` (returns its arguments as a list), `conformance.fail` (fails with
the text "as asked") and `conformance.wait` (runs until it is cancelled).
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from infinitas.core.errors import BadFrame
from infinitas.wire import close_codes, frames

BEAT_MS = 500
PATIENCE_S = 5.0
QUIET_S = 2.0
CONNECT_WITHIN_S = 60.0
COME_BACK_WITHIN_S = 15.0
ECHO, FAIL, WAIT = "conformance.echo", "conformance.fail", "conformance.wait"
Report = Callable[[str, str | None], None]
"""Gets the name of a check, and what was wrong, or None."""


class Wrong(Exception):
    """The client did not do as the protocol says."""


@dataclass(slots=True)
class Talk:
    """One connection of the client, after its `identify`."""

    socket: ServerConnection
    who: frames.Identify
    kept: list[frames.Frame]

    async def send(self, *messages: dict[str, Any]) -> None:
        data = messages[0] if len(messages) == 1 else messages
        await self.socket.send(orjson.dumps(data).decode())

    async def expect(self, *kinds: type[Any], job: str | None = None, within_s: float = PATIENCE_S) -> Any:
        """The next frame of one of these kinds, about this job."""
        names = " or ".join(kind.__name__.lower() for kind in kinds)
        about = f" of job {job}" if job else ""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    for frame in self.kept:
                        if isinstance(frame, kinds) and job in (None, getattr(frame, "job", None)):
                            self.kept.remove(frame)
                            return frame
                    await self._read()
        except TimeoutError:
            raise Wrong(f"no {names}{about} within {within_s:g} s") from None
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else 1006
            raise Wrong(f"it closed the connection ({code}) where {names}{about} was to come") from None

    async def expect_none(self, *kinds: type[Any], job: str) -> None:
        """Nothing of these kinds about this job for a while."""
        try:
            frame = await self.expect(*kinds, job=job, within_s=QUIET_S)
        except Wrong:
            return
        raise Wrong(f"it sent `{frame.t}` for job {job}, which nobody had asked for")

    async def _read(self) -> None:
        text = await self.socket.recv()
        try:
            found = frames.parse(text)
        except BadFrame as error:
            raise Wrong(f"{error} It sent: {str(text)[:200]}") from None
        self.kept += found
        if any(isinstance(frame, frames.Beat) for frame in found):
            await self.send({"t": "beat_ack"})


class Kit:
    """The checks, one after another; `connections` are those that the client opens."""

    def __init__(self, connections: "asyncio.Queue[ServerConnection]") -> None:
        self._connections = connections
        self._numbers = itertools.count(1)
        self._session = "kit-1"

    async def run(self, report: Report) -> bool:
        """Whether all went well. A client that does not connect ends it."""
        passed = True
        for check in (
            self.identifies_first,
            self.beats,
            self.runs_a_job,
            self.takes_a_list_of_messages,
            self.ignores_what_it_does_not_know,
            self.runs_a_job_once_that_it_was_told_twice,
            self.fails_with_the_error,
            self.stops_a_cancelled_job,
            self.says_it_again_when_redis_was_away,
            self.repeats_what_was_not_answered,
            self.names_what_it_runs_when_it_comes_back,
            self.forgets_what_it_has_lost,
            self.stays_away_when_it_is_refused,
        ):
            name = check.__name__.replace("_", " ")
            try:
                await check()
            except Wrong as wrong:
                report(name, str(wrong))
                passed = False
            else:
                report(name, None)
        return passed

    async def identifies_first(self) -> None:
        async with self._talk(CONNECT_WITHIN_S) as talk:
            served = {entry.name for entry in talk.who.tasks}
            if missing := {ECHO, FAIL, WAIT} - served:
                raise Wrong(f"it does not serve {', '.join(sorted(missing))}")
            if talk.socket.subprotocol != frames.PROTOCOL:
                raise Wrong(f"it does not offer the subprotocol {frames.PROTOCOL}")

    async def beats(self) -> None:
        async with self._talk() as talk:
            for _ in range(3):
                await talk.expect(frames.Beat, within_s=BEAT_MS / 1000 * 2)

    async def runs_a_job(self) -> None:
        async with self._talk() as talk:
            job = self._job(ECHO, [1, "two", {"three": None}])
            await talk.send(job)
            done = await talk.expect(frames.Done, job=job["job"])
            if done.result != [1, "two", {"three": None}]:
                raise Wrong(f"the result is {done.result!r:.100}")
            await talk.send({"t": "ack", "re": done.id})
            await talk.expect_none(frames.Done, frames.Fail, job=job["job"])

    async def takes_a_list_of_messages(self) -> None:
        async with self._talk() as talk:
            jobs = [self._job(ECHO, [n]) for n in range(2)]
            await talk.send(*jobs)
            for job in jobs:
                await self._finish(talk, job)

    async def ignores_what_it_does_not_know(self) -> None:
        async with self._talk() as talk:
            await talk.send({"t": "of-the-future", "what": 1})
            job = self._job(ECHO, []) | {"what": "a field of the future"}
            await talk.send(job)
            await self._finish(talk, job)

    async def runs_a_job_once_that_it_was_told_twice(self) -> None:
        async with self._talk() as talk:
            job = self._job(WAIT, [])
            await talk.send(job)
            await talk.expect(frames.Accept, job=job["job"])
            await talk.send(job)
            await self._cancel(talk, job)
            await talk.expect_none(frames.Done, frames.Fail, job=job["job"])

    async def fails_with_the_error(self) -> None:
        async with self._talk() as talk:
            job = self._job(FAIL, [])
            await talk.send(job)
            fail = await talk.expect(frames.Fail, job=job["job"])
            await talk.send({"t": "ack", "re": fail.id})
            if "as asked" not in fail.error:
                raise Wrong(f"the error is {fail.error!r:.100}")

    async def stops_a_cancelled_job(self) -> None:
        async with self._talk() as talk:
            job = self._job(WAIT, [])
            await talk.send(job)
            await talk.expect(frames.Accept, job=job["job"])
            await self._cancel(talk, job)

    async def says_it_again_when_redis_was_away(self) -> None:
        async with self._talk() as talk:
            job = self._job(ECHO, [])
            await talk.send(job)
            done = await talk.expect(frames.Done, job=job["job"])
            about = {"job": job["job"], "attempt": job["attempt"], "detail": "Redis is away"}
            await talk.send({"t": "err", "re": done.id, "code": "server_unreachable", **about})
            await self._finish(talk, job)

    async def repeats_what_was_not_answered(self) -> None:
        job = self._job(ECHO, [])
        async with self._talk() as talk:
            await talk.send(job)
            await talk.expect(frames.Done, job=job["job"])
        async with self._talk() as talk:
            await self._finish(talk, job)

    async def names_what_it_runs_when_it_comes_back(self) -> None:
        job = self._job(WAIT, [])
        async with self._talk() as talk:
            await talk.send(job)
            await talk.expect(frames.Accept, job=job["job"])
        async with self._talk() as talk:
            if talk.who.session != self._session:
                raise Wrong(f"it came back with session={talk.who.session!r}, not {self._session!r}")
            if job["job"] not in [each.job for each in talk.who.in_flight]:
                raise Wrong("it did not name the running job in `in_flight`")
            await self._cancel(talk, job)

    async def forgets_what_it_has_lost(self) -> None:
        job = self._job(WAIT, [])
        async with self._talk() as talk:
            await talk.send(job)
            await talk.expect(frames.Accept, job=job["job"])
        async with self._talk(lost=True):
            await asyncio.sleep(QUIET_S)
        async with self._talk() as talk:
            if job["job"] in [each.job for each in talk.who.in_flight]:
                raise Wrong("it still names a job that it was told to be lost")

    async def stays_away_when_it_is_refused(self) -> None:
        socket = await self._next(COME_BACK_WITHIN_S)
        await socket.close(close_codes.UNAUTHORIZED, "unauthorized")
        try:
            await self._next(QUIET_S * 2)
        except Wrong:
            return
        raise Wrong(f"it came back after close code {close_codes.UNAUTHORIZED}")

    async def _finish(self, talk: Talk, job: dict[str, Any]) -> None:
        done = await talk.expect(frames.Done, job=job["job"])
        await talk.send({"t": "ack", "re": done.id})

    async def _cancel(self, talk: Talk, job: dict[str, Any]) -> None:
        about = {"job": job["job"], "attempt": job["attempt"]}
        await talk.send({"t": "cancel", **about, "code": "job_cancelled", "reason": "enough"})
        end = await talk.expect(frames.Done, frames.Fail, frames.Release, job=job["job"])
        await talk.send({"t": "err", "re": end.id, **about, "code": "job_cancelled", "detail": "cancelled"})

    def _job(self, task: str, args: list[Any]) -> dict[str, Any]:
        return {
            "t": "job",
            "job": f"kit-{next(self._numbers)}",
            "task": task,
            "attempt": 1,
            "args": [args, {}],
            "due": 1_800_000_000_000,
            "schedule": None,
            "headers": {},
            "checkpoint": None,
            "timeout": 60,
            "soft_timeout": None,
            "uncharged": 0,
            "lost": False,
            "age": 0.0,
        }

    async def _next(self, within_s: float) -> ServerConnection:
        try:
            async with asyncio.timeout(within_s):
                return await self._connections.get()
        except TimeoutError:
            raise Wrong(f"it did not connect within {within_s:g} s") from None

    @asynccontextmanager
    async def _talk(self, within_s: float = COME_BACK_WITHIN_S, lost: bool = False) -> AsyncIterator[Talk]:
        """Greet the next connection; at the end close it as a server does that restarts."""
        socket = await self._next(within_s)
        await socket.send(orjson.dumps(_HELLO).decode())
        talk = Talk(socket, None, [])  # type: ignore[arg-type]
        try:
            talk.who = await talk.expect(frames.Identify)
            resumed = [
                {"job": each.job, "attempt": each.attempt, "verdict": "lost" if lost else "keep"}
                for each in talk.who.in_flight
            ]
            welcome = {"t": "welcome", "session": self._session, "now": 1_800_000_000_000}
            await talk.send({**welcome, "resumed": resumed})
            yield talk
        finally:
            await socket.close(close_codes.RESTART, "the server restarts: come back")


_HELLO = {
    "t": "hello",
    "protocol": frames.PROTOCOL,
    "lease_ms": BEAT_MS * 4,
    "beat_ms": BEAT_MS,
    "accept_ms": 5_000,
    "max_frame": frames.MAX_FRAME_BYTES,
}


async def try_client(host: str, port: int, listening: Callable[[int], None], report: Report) -> bool:
    """Wait for a client on `port` (0: a free one, which `listening` hears of) and try it."""
    connections: asyncio.Queue[ServerConnection] = asyncio.Queue()

    async def keep(socket: ServerConnection) -> None:
        await connections.put(socket)
        await socket.wait_closed()

    async with serve(
        keep, host, port, subprotocols=[Subprotocol(frames.PROTOCOL)], compression=None
    ) as server:
        listening(next(iter(server.sockets)).getsockname()[1])
        return await Kit(connections).run(report)
