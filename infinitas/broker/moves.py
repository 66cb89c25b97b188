"""Moves a task out of one queue: into another one, or to another name in the same one.

Two queues may be two shards, so no script touches both: `move_task` closes the task, `depart` packs what
waits, `arrive` unpacks it in the other queue, then the package is deleted. Each step may run twice, by any
number of processes at once, and the next call goes on where one was cut off.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson

from infinitas.broker.answers import RuleAnswer
from infinitas.broker.connection import Connection
from infinitas.broker.keys import QUEUES, QueueKeys
from infinitas.core.codec import json_text
from infinitas.core.errors import BadSchedule
from infinitas.core.schedule import Schedule

PAGE = 200
START = "0"
KEPT_LOG_S = 3600
"""How long the log of earlier attempts stays in Redis for a job that has moved."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a task lives now: its queue and its name there.

    `at_ms` and `worker`: when it was moved, and by the worker of which code.
    """

    queue: str
    task: str
    at_ms: int = 0
    worker: str = ""

    def to_json(self) -> str:
        return json_text({"queue": self.queue, "task": self.task, "at": self.at_ms, "worker": self.worker})


def read_target(text: str | None) -> Target | None:
    """A stored target; None if it can't be read."""
    try:
        found = orjson.loads(text or "")
        return Target(str(found["queue"]), str(found["task"]), int(found["at"]), str(found["worker"]))
    except (ValueError, KeyError, TypeError):
        return None


@dataclass(frozen=True, slots=True)
class Swept:
    """How much was packed in a pass, and how many schedules stay until their current job has ended."""

    packed: int = 0
    stayed: int = 0


@dataclass(frozen=True, slots=True)
class Page(Swept):
    """One page of a pass; `following`: the cursor of the next one; `has_rest`: more of this one is left."""

    following: str = START
    has_rest: bool = False


class Moves:
    """What has moved out of one queue. All raise ServerUnreachable."""

    def __init__(self, connection: Connection, queue: str) -> None:
        self._connection = connection
        self._keys = QueueKeys(queue)

    async def move_task(self, task: str, seen: str, target: Target) -> bool:
        """Close a task here. False if its definition is no longer the one with the digest `seen`."""
        await self._connection.command("sadd", QUEUES, target.queue)
        answer = await self._connection.run_script(
            "move_task", self._keys, task=task, seen=seen, target=target.to_json()
        )
        return RuleAnswer(answer) is RuleAnswer.STORED

    async def targets(self) -> dict[str, Target]:
        """Tasks that have moved out of this queue, and where to."""
        found = await self._connection.command("hgetall", self._keys["moved"])
        return {task: target for task, text in found.items() if (target := read_target(text))}

    async def sweep(self, *, whole: bool) -> Swept:
        """Move on what waits here of all tasks that have moved out.

        `whole`: also jobs that wait for their time, and schedules; else only jobs that are ready.
        """
        await self.carry()
        pages = [("schedules", ""), ("later", "")] if whole else []
        found = Swept()
        for kind, task in [*pages, *(("ready", task) for task in await self.targets())]:
            swept = await self._sweep(kind, task)
            found = Swept(found.packed + swept.packed, found.stayed + swept.stayed)
        # What was not found in its place may be in a package of another process: it has arrived too, then.
        await self.carry()
        return found

    async def _sweep(self, kind: str, task: str) -> Swept:
        cursor, found = START, Swept()
        while True:
            page = await self.depart(kind, cursor, PAGE, task)
            found = Swept(found.packed + page.packed, found.stayed + page.stayed)
            if page.packed:
                await self.carry()
            if not page.has_rest:
                cursor = page.following
                if cursor == START:
                    return found

    async def depart(self, kind: str, cursor: str, most: int, task: str = "") -> Page:
        """Pack one page of `schedules`, of `later`, or of what is `ready` of a task."""
        following, packed, stayed, rest = await self._connection.run_script(
            "depart", self._keys, kind=kind, task=task, cursor=cursor, most=most, job_ttl=KEPT_LOG_S * 1000
        )
        return Page(int(packed), int(stayed), str(following), bool(rest))

    async def carry(self) -> int:
        """Take packages to their queues, the oldest first. Returns how many there were."""
        packages = await self._connection.raw_command("HGETALL", self._keys["departures"])
        for field in sorted(packages, key=_number):
            number, _, to = field.decode().partition(" ")
            await self.arrive(to, number, _renamed(packages[field]))
            await self._connection.command("hdel", self._keys["departures"], field)
        return len(packages)

    async def arrive(self, to: str, number: str, package: bytes) -> bool:
        """Unpack a package in another queue. False if it was unpacked before."""
        source = self._keys.queue
        arrived = await self._connection.run_script(
            "arrive", QueueKeys(to), source=source, number=number, package=package
        )
        return bool(arrived)


def _number(field: bytes) -> int:
    return int(field.partition(b" ")[0])


def _renamed(package: bytes) -> bytes:
    """The package with the new names of tasks that have another one. Always the same for the same package."""
    if b'"as":' not in package:
        return package
    # Bytes that are no text are in records that can't be read anyway; the others must not wait for them.
    found = orjson.loads(package.decode(errors="replace"))
    for item in found["jobs"]:
        if name := item.get("as"):
            fields = item["fields"]
            if fields.get("schedule") == fields["task"]:
                fields["schedule"] = name
            fields["task"] = name
    for item in found["schedules"]:
        if item.get("as"):
            _rename_schedule(item)
    for item in found["summaries"]:
        item["task"] = item.get("as", item["task"])
    return orjson.dumps(found)


def _rename_schedule(item: dict[str, Any]) -> None:
    """A task's own schedule has the task's name; the others keep their keys."""
    name, former = item["as"], item["task"]
    key = name if item["key"] == former else item["key"]
    # One that can't be read stays so; the code's own rule replaces it.
    with suppress(BadSchedule):
        item["definition"] = Schedule.stored(item["definition"]).renamed(key, name).to_json()
    with suppress(KeyError, ValueError, TypeError):
        item["plan"] = json_text({**orjson.loads(item["plan"]), "task": name})
    item["key"], item["task"] = key, name
