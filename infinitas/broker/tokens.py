"""Access tokens in Redis. Only a digest of each secret is stored."""

import asyncio
import secrets
from collections.abc import Sequence
from datetime import timedelta

import orjson

from infinitas.broker.connection import Connection
from infinitas.broker.keys import REVOKED_TOKENS, TOKENS
from infinitas.core.access import PREFIX, AccessToken, check_scopes, digest_of
from infinitas.core.codec import BASE32, from_ms, to_ms
from infinitas.core.errors import BadArgs, UnknownToken
from infinitas.core.names import check_name

LONGEST_S = 3660 * 86_400
"""Ten years: a token for longer is one without an end."""
_ID_CHARS = 8
_SECRET_BYTES = 32


class Tokens:
    """Two hashes, id → JSON: tokens, and those that were revoked. All methods raise ServerUnreachable."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def issue(
        self, name: str, scopes: Sequence[str], expires_s: float | None
    ) -> tuple[AccessToken, str]:
        """Make and store a token. Returns it with its text, of which only a digest is stored.

        Args:
            expires_s: seconds from now, by Redis' clock, up to ten years; None: it does not expire.

        Raises:
            BadName, BadArgs: the name, a scope or the time is wrong, and nothing is stored.
        """
        check_name(name, "token")
        checked = check_scopes(scopes)
        if expires_s is not None and not 0 < expires_s <= LONGEST_S:
            raise BadArgs("A token expires after up to ten years, or not at all.")
        id = "".join(secrets.choice(BASE32) for _ in range(_ID_CHARS))
        secret = secrets.token_hex(_SECRET_BYTES)
        now = await self._connection.now()
        token = AccessToken(
            id=id,
            name=name,
            digest=digest_of(secret),
            scopes=checked,
            created=now,
            expires=None if expires_s is None else now + timedelta(seconds=expires_s),
        )
        await self.add(token)
        return token, f"{PREFIX}_{id}_{secret}"

    async def add(self, token: AccessToken) -> None:
        """Store a token, unless there is one with its id."""
        await self._connection.command("hsetnx", TOKENS, token.id, _to_json(token))

    async def find(self, id: str) -> AccessToken | None:
        """None: it is unknown, or revoked."""
        text, revoked = await asyncio.gather(
            self._connection.command("hget", TOKENS, id),
            self._connection.command("hexists", REVOKED_TOKENS, id),
        )
        return _from_json(id, text) if text and not revoked else None

    async def all(self) -> list[AccessToken]:
        """Oldest first."""
        return sorted((await self._in(TOKENS)).values(), key=lambda token: token.created)

    async def revoked(self) -> dict[str, AccessToken]:
        """Those that were revoked, by id."""
        return await self._in(REVOKED_TOKENS)

    async def revoke(self, id: str) -> AccessToken:
        """Revoke a token, and with it its logins. Returns it as it was. Raises UnknownToken."""
        token = await self.find(id)
        if token is None:
            raise UnknownToken(f"There is no token {id[:40]!r}. `infinitas token ls` lists them.")
        await self.mark_revoked(token)
        return token

    async def mark_revoked(self, token: AccessToken) -> None:
        # In this order: once it is marked it is refused, also where the second command is lost.
        await self._connection.command("hset", REVOKED_TOKENS, token.id, _to_json(token))
        await self._connection.command("hdel", TOKENS, token.id)

    async def any(self) -> bool:
        """Whether any token is stored, expired ones included."""
        return bool(await self._connection.command("exists", TOKENS))

    async def _in(self, key: str) -> dict[str, AccessToken]:
        found = await self._connection.command("hgetall", key)
        return {id: _from_json(id, text) for id, text in found.items()}


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
