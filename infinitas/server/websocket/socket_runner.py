"""Runs jobs on a remote worker: sends each job as a frame, and returns the outcome that comes back."""

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import cast

from infinitas.core.verdict import Failed, Outcome
from infinitas.server.websocket.channel_capacity import ChannelCapacity
from infinitas.server.websocket.frame_budget import FrameBudget
from infinitas.server.websocket.socket import Socket
from infinitas.wire import frames, messages
from infinitas.worker.attempt import Attempt
from infinitas.worker.runners.interface import Call

ACCEPT_WITHIN_S = 5.0
Key = tuple[str, int]
"""Job and attempt."""
_STOPPED = Failed(error="the worker has stopped it")
"""Ends the wait for code whose job has ended by something else; never stored."""


@dataclass(slots=True)
class RemoteAttempt:
    """One attempt that a remote worker runs."""

    attempt: Attempt
    ended: "asyncio.Future[Outcome]"
    accepted: bool
    task: "asyncio.Task[None] | None"
    """The asyncio task that executes the attempt in this server, until its end."""
    sent_at: float = field(default_factory=time.monotonic)
    last_line: int = -1


class SocketRunner:
    """The runner of one session.

    Args:
        known: attempts that the worker runs already.
        capacity: counts what waits to be sent.
        budget: each job pays for some frames about it.
    """

    def __init__(
        self, socket: Socket, known: Collection[Key], capacity: ChannelCapacity, budget: FrameBudget
    ) -> None:
        self._socket = socket
        self._capacity = capacity
        self._budget = budget
        self._known = frozenset(known)
        self._remotes: dict[Key, RemoteAttempt] = {}

    async def run(self, attempt: Attempt, call: Call) -> Outcome:
        claimed = attempt.claimed
        key = claimed.id, claimed.attempt
        ended = attempt.loop.create_future()
        remote = RemoteAttempt(attempt, ended, key in self._known, asyncio.current_task())
        self._remotes[key] = remote
        attempt.notify_remote = lambda kind, seconds: self._send_limit(key, kind, seconds)
        self._budget.grant()
        if not remote.accepted:
            message = messages.dump(_job_message(attempt))
            self._socket.send(message)
            self._capacity.note_sent(len(message))
        return await remote.ended

    def ran_s(self, attempt: Attempt) -> float:
        known = (attempt.claimed.id, attempt.claimed.attempt) in self._known
        return attempt.claimed.running_s if known else 0.0

    def stop(self, attempt: Attempt) -> None:
        """Send a cancel. The capacity is free again when the worker has reported that the code stopped."""
        claimed = attempt.claimed
        if (claimed.id, claimed.attempt) not in self._remotes:
            return
        why = attempt.interruption.why if attempt.interruption else None
        self._socket.send(
            messages.dump(
                messages.Cancel(
                    t="cancel",
                    job=claimed.id,
                    attempt=claimed.attempt,
                    code=cast(messages.CancelCode, attempt.end_code),
                    reason=why or "",
                )
            )
        )

    def find(self, job: str, attempt: int) -> RemoteAttempt | None:
        """The attempt that a frame names. Any frame about a job accepts it."""
        remote = self._remotes.get((job, attempt))
        if remote is not None:
            remote.accepted = True
        return remote

    def end(self, remote: RemoteAttempt, outcome: Outcome = _STOPPED) -> None:
        """The code has stopped, with this outcome; `run` returns it."""
        claimed = remote.attempt.claimed
        self._remotes.pop((claimed.id, claimed.attempt), None)
        if not remote.ended.done():
            remote.ended.set_result(outcome)

    def end_all(self) -> None:
        """End all attempts: this session takes no more reports about them."""
        for remote in list(self._remotes.values()):
            self.end(remote)

    def overdue(self, heard_at: float) -> list[RemoteAttempt]:
        """Attempts that the worker has not accepted in time, though it has sent something at `heard_at`."""
        since = heard_at - ACCEPT_WITHIN_S
        return [r for r in self._remotes.values() if not r.accepted and r.sent_at <= since]

    def forgive(self, late_s: float) -> None:
        """The server itself was late by so much: the worker has as much more time to accept."""
        for remote in self._remotes.values():
            remote.sent_at += late_s

    def _send_limit(self, key: Key, kind: str, seconds: float) -> None:
        limit = messages.Limit(t="limit", job=key[0], attempt=key[1], kind=kind, seconds=seconds)
        self._socket.send(messages.dump(limit))


def _job_message(attempt: Attempt) -> messages.JobMessage:
    claimed, task = attempt.claimed, attempt.task.definition
    return messages.JobMessage(
        t="job",
        job=claimed.id,
        task=claimed.task,
        attempt=claimed.attempt,
        args=cast(messages.Call, frames.embed(claimed.args)),
        due=claimed.due_ms,
        schedule=claimed.schedule,
        headers=dict(claimed.headers),
        checkpoint=frames.embed(claimed.checkpoint or None),
        timeout=task.timeout,
        soft_timeout=task.soft_timeout,
        uncharged=claimed.uncharged,
        lost=claimed.was_lost,
        age=claimed.age_s,
    )
