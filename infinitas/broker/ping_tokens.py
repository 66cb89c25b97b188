"""Tokens of external tasks in Redis. Only a digest of each is stored."""

import secrets
from dataclasses import dataclass
from datetime import datetime

import orjson

from infinitas.broker.connection import Connection
from infinitas.broker.keys import PINGS
from infinitas.core.access import digest_of
from infinitas.core.codec import BASE32, from_ms, to_ms

CHARS = 26
"""Of five random bits each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PingToken:
    """A stored token, which permits to ping `task`; `queue`: where that was when the token was made."""

    digest: str
    task: str
    queue: str
    created: datetime


class PingTokens:
    """One hash: digest → JSON. All methods raise ServerUnreachable."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def issue(self, task: str, queue: str) -> str:
        """Make the token of a task, in place of any before. Returns its text."""
        text = "".join(secrets.choice(BASE32) for _ in range(CHARS))
        stored = {"task": task, "queue": queue, "created": to_ms(await self._connection.now())}
        former = [each.digest for each in await self.all() if each.task == task]
        await self._connection.command("hset", PINGS, digest_of(text), orjson.dumps(stored).decode())
        if former:
            await self._connection.command("hdel", PINGS, *former)
        return text

    async def find(self, text: str) -> PingToken | None:
        """The token with this text."""
        digest = digest_of(text)
        found = await self._connection.command("hget", PINGS, digest)
        return _read(digest, found) if found else None

    async def all(self) -> list[PingToken]:
        """By task."""
        found = await self._connection.command("hgetall", PINGS)
        return sorted((_read(digest, text) for digest, text in found.items()), key=lambda each: each.task)

    async def remove(self, task: str) -> bool:
        """Revoke the token of a task. False if it has none."""
        former = [each.digest for each in await self.all() if each.task == task]
        return bool(former and await self._connection.command("hdel", PINGS, *former))


def _read(digest: str, text: str) -> PingToken:
    fields = orjson.loads(text)
    return PingToken(
        digest=digest, task=fields["task"], queue=fields["queue"], created=from_ms(fields["created"])
    )
