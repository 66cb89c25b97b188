"""Access tokens in Redis. Only a digest of each secret is stored."""

import orjson

from infinitas.broker.connection import Connection
from infinitas.broker.keys import TOKENS
from infinitas.core.access import AccessToken
from infinitas.core.codec import from_ms, to_ms


class Tokens:
    """One hash: id → JSON. All methods raise ServerUnreachable."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, token: AccessToken) -> None:
        await self._connection.command("hset", TOKENS, token.id, _to_json(token))

    async def find(self, id: str) -> AccessToken | None:
        text = await self._connection.command("hget", TOKENS, id)
        return _from_json(id, text) if text else None

    async def all(self) -> list[AccessToken]:
        """Oldest first."""
        found = await self._connection.command("hgetall", TOKENS)
        return sorted((_from_json(id, text) for id, text in found.items()), key=lambda token: token.created)

    async def remove(self, id: str) -> bool:
        return bool(await self._connection.command("hdel", TOKENS, id))

    async def any(self) -> bool:
        """Whether any token is stored, expired ones included."""
        return bool(await self._connection.command("exists", TOKENS))


def _to_json(token: AccessToken) -> str:
    fields: dict[str, object] = {
        "name": token.name,
        "digest": token.digest,
        "scopes": token.scopes,
        "created": to_ms(token.created),
    }
    if token.expires is not None:
        fields["expires"] = to_ms(token.expires)
    return orjson.dumps(fields).decode()


def _from_json(id: str, text: str) -> AccessToken:
    fields = orjson.loads(text)
    return AccessToken(
        id=id,
        name=fields["name"],
        digest=fields["digest"],
        scopes=tuple(fields["scopes"]),
        created=from_ms(fields["created"]),
        expires=from_ms(fields["expires"]) if "expires" in fields else None,
    )
