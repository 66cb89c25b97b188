"""Runs jobs at the other end of a socket: a job goes out as a frame, its outcome comes back as one."""

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass, field

import orjson

from infinitas.core.verdict import Failed, Outcome
from infinitas.server.websocket.socket import Channel
from infinitas.worker.attempt import Attempt
from infinitas.worker.runners.interface import Call

Key = tuple[str, int]
"""Job and attempt."""
_OVER = Failed(error="the worker has stopped it")
"""Only ends the wait for code whose job has ended otherwise."""


@dataclass(slots=True)
class Remote:
    """One attempt that runs elsewhere."""

    attempt: Attempt
    ended: "asyncio.Future[Outcome]"
    accepted: bool
    task: "asyncio.Task[None] | None"
    """Sees the job through to its end here."""
    sent_at: float = field(default_factory=time.monotonic)
    last_line: int = -1


class SocketRunner:
    """The runner of one connection.

    Args:
        known: what the other end said that it runs already.
    """

    def __init__(self, channel: Channel, known: Collection[Key]) -> None:
        self._channel = channel
        self._known = frozenset(known)
        self._remotes: dict[Key, Remote] = {}

    async def run(self, attempt: Attempt, call: Call) -> Outcome:
        claimed = attempt.claimed
        key = claimed.id, claimed.attempt
        ended = attempt.loop.create_future()
        remote = Remote(attempt, ended, key in self._known, asyncio.current_task())
        self._remotes[key] = remote
        attempt.notify_remote = lambda kind, seconds: self._tell(key, kind, seconds)
        if not remote.accepted:
            self._channel.send(_job(attempt))
        return await remote.ended

    def ran_s(self, attempt: Attempt) -> float:
        known = (attempt.claimed.id, attempt.claimed.attempt) in self._known
        return attempt.claimed.running_s if known else 0.0

    def stop(self, attempt: Attempt) -> None:
        """Ask; the place is free again once the other end says that the code has stopped."""
        claimed = attempt.claimed
        if (claimed.id, claimed.attempt) not in self._remotes:
            return
        why = attempt.interruption.why if attempt.interruption else None
        self._channel.send(
            {
                "t": "cancel",
                "job": claimed.id,
                "attempt": claimed.attempt,
                "code": attempt.end_code,
                "reason": why or "",
            }
        )

    def find(self, job: str, attempt: int) -> Remote | None:
        remote = self._remotes.get((job, attempt))
        if remote is not None:
            # Whatever is said of a job also says that it has arrived.
            remote.accepted = True
        return remote

    def over(self, remote: Remote, outcome: Outcome = _OVER) -> None:
        """The code has stopped, with this outcome; its place is free once that is settled."""
        claimed = remote.attempt.claimed
        self._remotes.pop((claimed.id, claimed.attempt), None)
        if not remote.ended.done():
            remote.ended.set_result(outcome)

    def forget_all(self) -> None:
        """The worker is not who it was: nobody waits for what it says of these jobs any more."""
        for remote in list(self._remotes.values()):
            self.over(remote)

    def unaccepted(self, for_s: float) -> list[Remote]:
        """Those that were sent so long ago, and nothing was heard of them."""
        since = time.monotonic() - for_s
        return [r for r in self._remotes.values() if not r.accepted and r.sent_at <= since]

    def _tell(self, key: Key, kind: str, seconds: float) -> None:
        self._channel.send({"t": "limit", "job": key[0], "attempt": key[1], "kind": kind, "seconds": seconds})


def _job(attempt: Attempt) -> dict[str, object]:
    claimed, task = attempt.claimed, attempt.task.definition
    return {
        "t": "job",
        "job": claimed.id,
        "task": claimed.task,
        "attempt": claimed.attempt,
        "args": orjson.Fragment(claimed.args),
        "due": claimed.due_ms,
        "schedule": claimed.schedule,
        "headers": claimed.headers,
        "checkpoint": orjson.Fragment(claimed.checkpoint) if claimed.checkpoint else None,
        "timeout": task.timeout,
        "soft_timeout": task.soft_timeout,
        "uncharged": claimed.uncharged,
        "lost": claimed.was_lost,
        "age": claimed.age_s,
    }
