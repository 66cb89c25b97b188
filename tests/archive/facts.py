"""Events as read from Redis, and rows of Postgres."""

from typing import Any

from infinitas.archive.connection import Archive
from infinitas.core.events import Event

DUE = 1_767_225_600_000


def event(number: int, kind: str, **fields: object) -> Event:
    """An event of job `j`, of task `t`, `number` ms after its due time."""
    return other(number, f"job.{kind}", **{"job": "j", "task": "t", "due": DUE, **fields})


def other(number: int, kind: str, **fields: object) -> Event:
    """Any event."""
    text = {name: str(value) for name, value in fields.items()}
    return Event(position=f"{DUE + number}-0", kind=kind, at_ms=DUE + number, fields=text)


async def row(archive: Archive, sql: Any) -> Any:
    """The first row of a query, None without one."""
    async with archive.transaction() as connection:
        cursor = await connection.execute(sql)
        return await cursor.fetchone() if cursor.description else None
