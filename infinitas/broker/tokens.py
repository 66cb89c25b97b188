"""Access tokens in Redis. Only a digest of each secret is stored."""

import secrets
from collections.abc import Sequence
from datetime import timedelta

import orjson

from infinitas.broker.connection import Connection
from infinitas.broker.keys import TOKENS
from infinitas.core.access import PREFIX, AccessToken, check_scopes, digest_of
from infinitas.core.codec import BASE32, from_ms, to_ms
from infinitas.core.errors import BadArgs, UnknownToken
from infinitas.core.names import check_name

LONGEST_S = 3660 * 86_400
"""Ten years: a token for longer is one without an end."""
_ID_CHARS = 8
_SECRET_BYTES = 32


class Tokens:
    """One hash: id → JSON. All methods raise ServerUnreachable."""

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
        await self._connection.command("hset", TOKENS, token.id, _to_json(token))

    async def find(self, id: str) -> AccessToken | None:
        text = await self._connection.command("hget", TOKENS, id)
        return _from_json(id, text) if text else None

    async def all(self) -> list[AccessToken]:
        """Oldest first."""
        found = await self._connection.command("hgetall", TOKENS)
        return sorted((_from_json(id, text) for id, text in found.items()), key=lambda token: token.created)

    async def remove(self, id: str) -> None:
        """Revoke a token, and with it its logins. Raises UnknownToken."""
        if not await self._connection.command("hdel", TOKENS, id):
            raise UnknownToken(f"There is no token {id[:40]!r}. `infinitas token ls` lists them.")

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
