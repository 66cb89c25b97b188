"""Restores one queue from what the archive has: each step checks and changes one page, and may run twice."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from infinitas.broker.connection import RAW, Connection
from infinitas.broker.declarations import new_definition
from infinitas.broker.keys import QUEUES, QueueKeys
from infinitas.broker.stored_rules import digest, read_mark
from infinitas.core.codec import json_text
from infinitas.core.restoration import RestoredSchedule, StoredJob, StoredSchedule
from infinitas.core.task_definition import TaskDefinition

STEP_TTL_S = 10.0
"""How long slots and claims are held back after the last step of a restore that was killed."""

IN_DOUBT = "0"
"""In place of an epoch: claim.lua has found that this Redis has started anew or is another server."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a Redis knows of the archive.

    Attributes:
        position: up to which the archive has the events, or is about to have them; '' for none.
        in_doubt: claims wait until a process has compared this Redis with the archive.
        is_restored: a restore goes on.
    """

    position: str
    in_doubt: bool
    is_restored: bool


class Began(StrEnum):
    """Whether a restore has begun."""

    BEGUN = "begun"
    BUSY = "busy"
    """Another process restores this queue."""
    NEWER = "newer"
    """Redis lacks nothing."""


class Superseded(Exception):
    """Another restore of this queue has begun meanwhile; this one must stop."""


class Restoring:
    """The edges of one queue. All raise ServerUnreachable."""

    def __init__(self, connection: Connection, queue: str, ttl_s: float = STEP_TTL_S) -> None:
        self._connection = connection
        self._keys = QueueKeys(queue)
        self._ttl_ms = round(ttl_s * 1000)
        self._position = ""

    async def mark(self) -> Mark:
        """What this Redis knows of the archive."""
        pipe = self._connection.pipeline()
        pipe.get(self._keys["archived"])
        pipe.get(self._keys["restoring"])
        position, restoring = await self._connection.execute(pipe)
        return Mark(position or "", restoring == IN_DOUBT, restoring not in (None, IN_DOUBT))

    async def mark_archived(self, before: str, after: str) -> bool:
        """Note that the archive is about to have events up to `after`, and has them up to `before`.

        False: this Redis must be restored first.
        """
        return bool(await self._run("mark_archived", before=before, after=after))

    async def begin_restore(self, position: str, epoch: int) -> Began:
        """Hold slots and claims back, for a restore of what the archive has up to `position`."""
        self._position = position
        await self._connection.command("sadd", QUEUES, self._keys.queue)
        return Began(await self._run("begin_restore", position=position, epoch=epoch, ttl=self._ttl_ms))

    async def end_restore(self, position: str, epoch: int, counts: Mapping[str, int]) -> bool:
        """Let slots and claims go on. False: another restore has begun."""
        return bool(await self._run("end_restore", position=position, epoch=epoch, counts=json_text(counts)))

    async def lacking_tasks(self, names: Sequence[str]) -> list[str]:
        """Those of these tasks that Redis has no definition of."""
        found = await self._connection.command("hmget", self._keys["tasks"], list(names))
        return [name for name, text in zip(names, found, strict=True) if text is None]

    async def put_tasks(self, definitions: Iterable[TaskDefinition]) -> None:
        """Store definitions of tasks that Redis lacks."""
        pipe = self._connection.pipeline()
        for task in definitions:
            # The limits first: with its definition a task is there.
            if limits := new_definition(task, None).get("limits"):
                pipe.hsetnx(self._keys["limits"], task.name, limits)
            pipe.hsetnx(self._keys["tasks"], task.name, task.to_json())
        await self._connection.execute(pipe)

    async def schedules(self, keys: Sequence[str]) -> dict[str, tuple[StoredSchedule | None, dict[str, str]]]:
        """What Redis has of these schedules, and what `restore_schedules` compares it with."""
        pipe = self._connection.pipeline()
        pipe.execute_command("HMGET", self._keys["schedules"], *keys, **RAW)
        pipe.zmscore(self._keys["due"], list(keys))
        pipe.hmget(self._keys["marks"], list(keys))
        texts, scores, marks = await self._connection.execute(pipe)
        found: dict[str, tuple[StoredSchedule | None, dict[str, str]]] = {}
        for key, text, score, mark in zip(keys, texts, scores, marks, strict=True):
            slot = "" if score is None else f"{score:.0f}"
            stored = StoredSchedule(
                text=text.decode(errors="replace") if text else "",
                slot_ms=int(slot) if slot.isdecimal() else None,
                mark_ms=read_mark(mark),
            )
            seen = {"key": key, "seen": digest(text), "slot": slot, "mark": mark or ""}
            found[key] = (stored if text else None, seen)
        return found

    async def restore_schedules(
        self, epoch: int, rules: Sequence[tuple[RestoredSchedule | None, dict[str, str]]]
    ) -> list[bool]:
        """Store schedules, or (None) remove them. False where Redis has another one than was read.

        Raises:
            Superseded: another restore has begun.
        """
        items = [_encode(rule, seen) for rule, seen in rules]
        answers = await self._step("restore_schedules", epoch, rules=json_text(items))
        return [answer == "ok" for answer in answers]

    async def jobs(self, ids: Sequence[str]) -> dict[str, StoredJob]:
        """Those of these jobs that Redis has."""
        pipe = self._connection.pipeline()
        for id in ids:
            pipe.hmget(self._keys.of("job", id), ("state", "attempt"))
        found = await self._connection.execute_each(pipe)
        jobs: dict[str, StoredJob] = {}
        for id, reply in zip(ids, found, strict=True):
            if not isinstance(reply, Exception) and reply[0] is not None:
                attempt = reply[1] or "0"
                jobs[id] = StoredJob(reply[0], int(attempt) if attempt.isdecimal() else 0)
        return jobs

    async def restore_jobs(
        self, epoch: int, jobs: Sequence[Mapping[str, object]], job_ttl_s: int
    ) -> list[str]:
        """Put jobs back. Returns for each `restored`, `lost`, `known`, or why it could not be.

        Raises:
            Superseded: another restore has begun.
        """
        return await self._step("restore_jobs", epoch, jobs=json_text(jobs), job_ttl=job_ttl_s * 1000)

    async def correct_jobs(
        self, epoch: int, jobs: Sequence[Mapping[str, object]], job_ttl_s: int
    ) -> list[str]:
        """Bring jobs in line with the archive. Returns for each what became of it, as the script.

        Raises:
            Superseded: another restore has begun.
        """
        return await self._step("correct_jobs", epoch, jobs=json_text(jobs), job_ttl=job_ttl_s * 1000)

    async def _step(self, script: str, epoch: int, **arguments: object) -> list[str]:
        answers = await self._run(script, position=self._position, epoch=epoch, ttl=self._ttl_ms, **arguments)
        if "over" in answers:
            raise Superseded
        return list(answers)

    async def _run(self, script: str, **arguments: object) -> Any:
        return await self._connection.run_script(script, self._keys, **arguments)


def _encode(rule: RestoredSchedule | None, seen: dict[str, str]) -> dict[str, object]:
    if rule is None:
        return {**seen, "gone": True}
    item: dict[str, object] = {
        **seen,
        "task": rule.task,
        "definition": rule.definition,
        "fired": rule.mark_ms,
        "runs": rule.runs,
    }
    optional = {"next": rule.next_ms, "pause": rule.pause, "skips": rule.skips}
    return item | {name: value for name, value in optional.items() if value is not None}
