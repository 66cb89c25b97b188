"""Paused schedules, some at a time: there may be a million."""

from dataclasses import dataclass

from infinitas.broker.connection import Connection
from infinitas.broker.keys import QueueKeys
from infinitas.broker.reading import read_pause
from infinitas.broker.stored_rules import task_of_rule
from infinitas.core.schedule_records import Pause

PAGE = 500


@dataclass(frozen=True, slots=True)
class PausedSchedule:
    schedule: str
    task: str
    pause: Pause


class PausedSchedules:
    """Reads all of one queue, again and again."""

    def __init__(self, connection: Connection, queue: str) -> None:
        self._connection = connection
        self._keys = QueueKeys(queue)
        self._cursor = 0

    async def next(self) -> list[PausedSchedule]:
        """About a page; pauses that can't be read are left out. Raises ServerUnreachable."""
        self._cursor, page = await self._connection.command(
            "hscan", self._keys["paused"], self._cursor, count=PAGE
        )
        pauses = {key: pause for key, text in page.items() if (pause := read_pause(text)) is not None}
        if not pauses:
            return []
        rules = await self._connection.command("hmget", self._keys["schedules"], list(pauses))
        return [
            PausedSchedule(key, task_of_rule(key, rule) if rule else key, pause)
            for (key, pause), rule in zip(pauses.items(), rules, strict=True)
        ]
