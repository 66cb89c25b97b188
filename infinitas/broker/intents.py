"""What a request is about to change, until its audit entry is written: a server may end in between."""

import secrets
import time
from collections.abc import Mapping

import orjson

from infinitas.broker.connection import Connection
from infinitas.broker.keys import INTENTS

CUT_OFF_S = 120.0
"""Longer than any request takes."""


class Intents:
    """One hash: id → JSON. All methods raise ServerUnreachable."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, facts: Mapping[str, str]) -> str:
        id = secrets.token_hex(8)
        text = orjson.dumps({**facts, "at": time.time()}).decode()
        await self._connection.command("hset", INTENTS, id, text)
        return id

    async def drop(self, id: str) -> bool:
        """Whether it was still there."""
        return bool(await self._connection.command("hdel", INTENTS, id))

    async def take_cut_off(self) -> list[dict[str, str]]:
        """Take those whose request was cut off: each server gets others."""
        found = []
        for id, text in (await self._connection.command("hgetall", INTENTS)).items():
            facts = orjson.loads(text)
            if time.time() - facts.pop("at") > CUT_OFF_S and await self.drop(id):
                found.append(facts)
        return found
