"""A scripted server that checks a client of `infinitas.v1` (docs/protocol.md, "Try your client").

The client must serve `conformance.echo` (returns its arguments as a list), `conformance.fail` (fails with
the text "as asked") and `conformance.wait` (runs until it is cancelled).
"""

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from pydantic import JsonValue
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from infinitas.core.errors import BadFrame, ConfigError, JobCancelled, ServerUnreachable
from infinitas.wire import close_codes, frames, messages
from infinitas.wire.messages import Message

BEAT_MS = 500
SLOW_BEAT_MS = 2_000
"""Where the lease matters: long enough for a machine that is late."""
HEARTBEATS_PER_LEASE = 4
LAST_FRAME_BEATS = 0.8
"""How long after the last answered beat a frame still arrives."""
NOW_MS = 1_800_000_000_000
PATIENCE_S = 5.0
QUIET_S = 2.0
CONNECT_WITHIN_S = 60.0
RECONNECT_WITHIN_S = 15.0
ECHO, FAIL, WAIT = "conformance.echo", "conformance.fail", "conformance.wait"
Report = Callable[[str, str | None], None]
"""Called with the name of a check, and its fault, or None."""


class Wrong(Exception):
    """The client broke the protocol."""


@dataclass(slots=True)
class Peer:
    """One connection of the client, after its `identify`."""

    socket: ServerConnection
    identify: frames.Identify
    received: list[frames.Frame]
    answers: bool = True
    """Answer beats; without that the connection is as good as cut."""

    async def send(self, *sent: Message | dict[str, Any]) -> None:
        """One frame, or a list of them in one message."""
        dumped = [orjson.dumps(each) if isinstance(each, dict) else messages.dump(each) for each in sent]
        await self.socket.send((dumped[0] if len(sent) == 1 else b"[%s]" % b",".join(dumped)).decode())

    async def expect(self, *kinds: type[Any], job: str | None = None, within_s: float = PATIENCE_S) -> Any:
        """The next frame of one of these kinds, about this job."""
        names = " or ".join(kind.__name__.lower() for kind in kinds)
        about = f" of job {job}" if job else ""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    for frame in self.received:
                        if isinstance(frame, kinds) and job in (None, getattr(frame, "job", None)):
                            self.received.remove(frame)
                            return frame
                    await self._read()
        except TimeoutError:
            raise Wrong(f"no {names}{about} within {within_s:g} s") from None
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else 1006
            raise Wrong(f"it closed the connection ({code}) where {names}{about} was expected") from None

    async def expect_none(self, *kinds: type[Any], job: str) -> None:
        """Raises Wrong if a frame of these kinds about this job arrives within QUIET_S."""
        try:
            frame = await self.expect(*kinds, job=job, within_s=QUIET_S)
        except Wrong:
            return
        raise Wrong(f"it sent `{frame.t}` for job {job}, which was not expected")

    async def _read(self) -> None:
        text = await self.socket.recv()
        try:
            found = frames.parse(text)
        except BadFrame as error:
            raise Wrong(f"{error} It sent: {str(text)[:200]}") from None
        self.received += found
        if self.answers and any(isinstance(frame, frames.Beat) for frame in found):
            await self.send(messages.BeatAck(t="beat_ack"))


class Kit:
    """The checks, one after another; `connections` are those that the client opens."""

    def __init__(self, connections: "asyncio.Queue[ServerConnection]") -> None:
        self._connections = connections
        self._numbers = itertools.count(1)
        self._session = "kit-1"

    async def run(self, report: Report) -> bool:
        """Whether all checks passed."""
        passed = True
        for check in (
            self.identifies_first,
            self.beats,
            self.runs_a_job,
            self.takes_a_list_of_messages,
            self.ignores_unknown_frames_and_fields,
            self.runs_a_job_once_that_arrives_twice,
            self.fails_with_the_error,
            self.stops_a_cancelled_job,
            self.sends_again_when_redis_was_away,
            self.repeats_frames_without_an_answer,
            self.lists_running_jobs_when_it_reconnects,
            self.drops_jobs_that_it_has_lost,
            self.reconnects_when_the_server_falls_silent,
            self.stays_disconnected_when_it_is_refused,
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
        async with self._connect(CONNECT_WITHIN_S) as peer:
            served = {entry.name for entry in peer.identify.tasks}
            if missing := {ECHO, FAIL, WAIT} - served:
                raise Wrong(f"it does not serve {', '.join(sorted(missing))}")
            if peer.socket.subprotocol != frames.PROTOCOL:
                raise Wrong(f"it does not offer the subprotocol {frames.PROTOCOL}")

    async def beats(self) -> None:
        async with self._connect() as peer:
            for _ in range(3):
                await peer.expect(frames.Beat, within_s=BEAT_MS / 1000 * 2)

    async def runs_a_job(self) -> None:
        async with self._connect() as peer:
            job = self._job(ECHO, [1, "two", {"three": None}])
            await peer.send(job)
            done = await peer.expect(frames.Done, job=job.job)
            if done.result != [1, "two", {"three": None}]:
                raise Wrong(f"the result is {done.result!r:.100}")
            await peer.send(messages.Ack(t="ack", re=done.id))
            await peer.expect_none(frames.Done, frames.Fail, job=job.job)

    async def takes_a_list_of_messages(self) -> None:
        async with self._connect() as peer:
            jobs = [self._job(ECHO, [n]) for n in range(2)]
            await peer.send(*jobs)
            for job in jobs:
                await self._finish(peer, job)

    async def ignores_unknown_frames_and_fields(self) -> None:
        async with self._connect() as peer:
            await peer.send({"t": "of-the-future", "what": 1})
            job = self._job(ECHO, [])
            await peer.send({**asdict(job), "what": "a field of the future"})
            await self._finish(peer, job)

    async def runs_a_job_once_that_arrives_twice(self) -> None:
        async with self._connect() as peer:
            job = self._job(WAIT, [])
            await peer.send(job)
            await peer.expect(frames.Accept, job=job.job)
            await peer.send(job)
            await self._cancel(peer, job)
            await peer.expect_none(frames.Done, frames.Fail, job=job.job)

    async def fails_with_the_error(self) -> None:
        async with self._connect() as peer:
            job = self._job(FAIL, [])
            await peer.send(job)
            fail = await peer.expect(frames.Fail, job=job.job)
            await peer.send(messages.Ack(t="ack", re=fail.id))
            if "as asked" not in fail.error:
                raise Wrong(f"the error is {fail.error!r:.100}")

    async def stops_a_cancelled_job(self) -> None:
        async with self._connect() as peer:
            job = self._job(WAIT, [])
            await peer.send(job)
            await peer.expect(frames.Accept, job=job.job)
            await self._cancel(peer, job)

    async def sends_again_when_redis_was_away(self) -> None:
        async with self._connect() as peer:
            job = self._job(ECHO, [])
            await peer.send(job)
            done = await peer.expect(frames.Done, job=job.job)
            await peer.send(_refusal(job, done.id, ServerUnreachable.code))
            await self._finish(peer, job)

    async def repeats_frames_without_an_answer(self) -> None:
        job = self._job(ECHO, [])
        async with self._connect() as peer:
            await peer.send(job)
            await peer.expect(frames.Done, job=job.job)
        async with self._connect() as peer:
            await self._finish(peer, job)

    async def lists_running_jobs_when_it_reconnects(self) -> None:
        job = self._job(WAIT, [])
        async with self._connect() as peer:
            await peer.send(job)
            await peer.expect(frames.Accept, job=job.job)
        async with self._connect() as peer:
            if peer.identify.session != self._session:
                raise Wrong(f"it reconnected with session={peer.identify.session!r}, not {self._session!r}")
            if job.job not in [each.job for each in peer.identify.in_flight]:
                raise Wrong("the running job is not in its `in_flight`")
            await self._cancel(peer, job)

    async def drops_jobs_that_it_has_lost(self) -> None:
        job = self._job(WAIT, [])
        async with self._connect() as peer:
            await peer.send(job)
            await peer.expect(frames.Accept, job=job.job)
        async with self._connect(lost=True):
            await asyncio.sleep(QUIET_S)
        async with self._connect() as peer:
            if job.job in [each.job for each in peer.identify.in_flight]:
                raise Wrong("a lost job is still in its `in_flight`")

    async def reconnects_when_the_server_falls_silent(self) -> None:
        """Nothing is read or closed, as behind a cut cable; shortly before, there was still a frame."""
        job = self._job(WAIT, [])
        async with self._greet(await self._next(RECONNECT_WITHIN_S), beat_ms=SLOW_BEAT_MS) as peer:
            await peer.send(job)
            await peer.expect(frames.Accept, job=job.job)
            await peer.expect(frames.Beat, within_s=SLOW_BEAT_MS / 1000 * 2)
            answered_at, peer.answers = time.monotonic(), False
            await asyncio.sleep(SLOW_BEAT_MS / 1000 * LAST_FRAME_BEATS)
            await peer.send({"t": "of-the-future"})
            lease_s = SLOW_BEAT_MS / 1000 * HEARTBEATS_PER_LEASE
            socket = await self._next(answered_at + lease_s - time.monotonic())
            async with self._greet(socket) as again:
                if job.job not in [each.job for each in again.identify.in_flight]:
                    raise Wrong("the running job is not in its `in_flight`")
                await self._cancel(again, job)

    async def stays_disconnected_when_it_is_refused(self) -> None:
        socket = await self._next(RECONNECT_WITHIN_S)
        await socket.close(close_codes.UNAUTHORIZED, "unauthorized")
        try:
            await self._next(QUIET_S * 2)
        except Wrong:
            return
        raise Wrong(f"it reconnected after close code {close_codes.UNAUTHORIZED}")

    async def _finish(self, peer: Peer, job: messages.JobMessage) -> None:
        done = await peer.expect(frames.Done, job=job.job)
        await peer.send(messages.Ack(t="ack", re=done.id))

    async def _cancel(self, peer: Peer, job: messages.JobMessage) -> None:
        await peer.send(
            messages.Cancel(
                t="cancel", job=job.job, attempt=job.attempt, code="job_cancelled", reason="enough"
            )
        )
        end = await peer.expect(frames.Done, frames.Fail, frames.Release, job=job.job)
        await peer.send(_refusal(job, end.id, JobCancelled.code))

    def _job(self, task: str, args: list[JsonValue]) -> messages.JobMessage:
        return messages.JobMessage(
            t="job",
            job=f"kit-{next(self._numbers)}",
            task=task,
            attempt=1,
            args=(args, {}),
            due=NOW_MS,
            schedule=None,
            headers={},
            checkpoint=None,
            timeout=60,
            soft_timeout=None,
            uncharged=0,
            lost=False,
            age=0.0,
        )

    async def _next(self, within_s: float) -> ServerConnection:
        try:
            async with asyncio.timeout(within_s):
                return await self._connections.get()
        except TimeoutError:
            raise Wrong(f"it did not connect within {within_s:g} s") from None

    @asynccontextmanager
    async def _connect(self, within_s: float = RECONNECT_WITHIN_S, lost: bool = False) -> AsyncIterator[Peer]:
        """Greet the next connection; at the end close it like a server that restarts."""
        async with self._greet(await self._next(within_s), lost) as peer:
            yield peer

    @asynccontextmanager
    async def _greet(
        self, socket: ServerConnection, lost: bool = False, beat_ms: int = BEAT_MS
    ) -> AsyncIterator[Peer]:
        peer = Peer(socket, None, [])  # type: ignore[arg-type]
        await peer.send(_hello(beat_ms))
        try:
            peer.identify = await peer.expect(frames.Identify)
            resumed = [
                messages.Verdict(job=held.job, attempt=held.attempt, verdict="lost" if lost else "keep")
                for held in peer.identify.in_flight
            ]
            await peer.send(messages.Welcome(t="welcome", session=self._session, now=NOW_MS, resumed=resumed))
            yield peer
        finally:
            await socket.close(close_codes.RESTART, "the server restarts: reconnect")


def _hello(beat_ms: int) -> messages.Hello:
    return messages.Hello(
        t="hello",
        protocol=frames.PROTOCOL,
        lease_ms=beat_ms * HEARTBEATS_PER_LEASE,
        beat_ms=beat_ms,
        accept_ms=5_000,
        max_frame=frames.MAX_FRAME_BYTES,
    )


def _refusal(job: messages.JobMessage, re: str, code: str) -> messages.Err:
    return messages.Err(t="err", re=re, job=job.job, attempt=job.attempt, code=code, detail="as scripted")


async def try_client(host: str, port: int, listening: Callable[[int], None], report: Report) -> bool:
    """Check the client that connects to `port` (0: a free one). `listening` is called with the port.

    Raises:
        ConfigError: the port can't be used.
    """
    connections: asyncio.Queue[ServerConnection] = asyncio.Queue()

    async def accept(socket: ServerConnection) -> None:
        await connections.put(socket)
        await socket.wait_closed()

    try:
        server = await serve(
            accept, host, port, subprotocols=[Subprotocol(frames.PROTOCOL)], compression=None
        )
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise ConfigError(
            f"The kit can't listen on {host}:{port}: {why}. Choose another with --port."
        ) from None
    async with server:
        listening(next(iter(server.sockets)).getsockname()[1])
        return await Kit(connections).run(report)
