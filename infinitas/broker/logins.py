"""Logins of people: cookie digest → what it stands for, for 12 h."""

from datetime import timedelta

import orjson

from infinitas.broker.connection import Connection
from infinitas.broker.keys import LOGINS, login
from infinitas.core.access import AccessToken
from infinitas.core.codec import from_ms, to_ms
from infinitas.core.login import Login
from infinitas.core.roles import Person

KEEP_S = 12 * 3600
ID_CHARS = 16


class Logins:
    """One key per login, and an index of them. All methods raise ServerUnreachable."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, digest: str, made_by: AccessToken | Person, origin: str = "") -> Login:
        """Store a login.

        Args:
            digest: SHA-256 of the cookie, in hexadecimal.
        """
        now = await self._connection.now()
        person = made_by if isinstance(made_by, Person) else None
        login_ = Login(
            id=digest[:ID_CHARS],
            name=made_by.name,
            created=now,
            expires=now + timedelta(seconds=KEEP_S),
            origin=origin,
            token=None if isinstance(made_by, Person) else made_by.id,
            person=person,
        )
        await self._forget_ended(to_ms(now))
        await self._connection.command("zadd", LOGINS, {digest: to_ms(login_.expires)})
        await self._connection.command("set", login(digest), _to_json(login_), ex=KEEP_S)
        return login_

    async def find(self, digest: str) -> Login | None:
        text = await self._connection.command("get", login(digest))
        return _from_json(digest, text) if text else None

    async def all(self) -> list[Login]:
        """Those that have not ended, newest first."""
        now = to_ms(await self._connection.now())
        digests = await self._connection.command("zrangebyscore", LOGINS, now, "+inf")
        found = [await self.find(digest) for digest in reversed(digests)]
        return [each for each in found if each is not None]

    async def remove(self, digest: str) -> None:
        await self._connection.command("delete", login(digest))
        await self._connection.command("zrem", LOGINS, digest)

    async def end(self, id: str) -> Login | None:
        """End a login. Returns it; None if there is none with this id."""
        for digest in await self._connection.command("zrangebyscore", LOGINS, "-inf", "+inf"):
            if digest[:ID_CHARS] == id:
                found = await self.find(digest)
                await self.remove(digest)
                return found
        return None

    async def _forget_ended(self, now_ms: int) -> None:
        if ended := await self._connection.command("zrangebyscore", LOGINS, "-inf", now_ms):
            await self._connection.command("zrem", LOGINS, *ended)


def _to_json(found: Login) -> str:
    fields: dict[str, object] = {
        "name": found.name,
        "created": to_ms(found.created),
        "expires": to_ms(found.expires),
        "origin": found.origin,
    }
    if found.person is None:
        fields["token"] = found.token
    else:
        fields |= {"subject": found.person.subject, "scopes": found.person.scopes}
    return orjson.dumps(fields).decode()


def _from_json(digest: str, text: str) -> Login:
    fields = orjson.loads(text)
    token = fields.get("token")
    return Login(
        id=digest[:ID_CHARS],
        name=fields["name"],
        created=from_ms(fields["created"]),
        expires=from_ms(fields["expires"]),
        origin=fields["origin"],
        token=token,
        person=None
        if token is not None
        else Person(subject=fields["subject"], name=fields["name"], scopes=tuple(fields["scopes"])),
    )
