"""What a request is about to change, until its audit entry is written: a server may end in between.

The entry itself removes it, in one step (`lua/audit.lua`, docs/decisions/038-an-entry-ends-its-intent.md).
"""

import secrets
import time
from collections.abc import Mapping

import orjson

from infinitas.broker.connection import Connection
from infinitas.broker.keys import QueueKeys

QUEUE = "default"
"""All changes through a server are recorded in the events of this queue."""
CUT_OFF_S = 120.0
"""Longer than any request takes."""


class Intents:
    """One hash: id → JSON. All methods raise ServerUnreachable."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._key = QueueKeys(QUEUE)["intents"]

    async def add(self, facts: Mapping[str, str]) -> str:
        """Note what is about to happen. Returns its id."""
        id = secrets.token_hex(8)
        text = orjson.dumps({**facts, "at": time.time()}).decode()
        await self._connection.command("hset", self._key, id, text)
        return id

    async def drop(self, id: str) -> None:
        """Nothing has happened."""
        await self._connection.command("hdel", self._key, id)

    async def cut_off(self) -> list[tuple[str, dict[str, str]]]:
        """Ids and facts of requests that were cut off. Other servers find them too."""
        found = []
        for id, text in (await self._connection.command("hgetall", self._key)).items():
            facts = orjson.loads(text)
            if time.time() - facts.pop("at") > CUT_OFF_S:
                found.append((id, facts))
        return found
