"""Each request shows its token here, before anything else looks at it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.requests import HTTPConnection

from infinitas.broker.logins import Sessions
from infinitas.broker.tokens import Tokens
from infinitas.client.redis_client import RedisClient
from infinitas.core.access import AccessToken, Scope, digest_of, split_token
from infinitas.core.errors import Forbidden, Unauthorized
from infinitas.server.audit_trail import reason_of, record
from infinitas.server.dependencies import ClientOf

COOKIE = "infinitas_session"
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN = frozenset({"same-origin", "none"})


THIS_MACHINE = AccessToken(
    id="", name="this machine", digest="", scopes=(Scope.ADMIN,), created=datetime.min.replace(tzinfo=UTC)
)
"""Who asks where no token exists and nobody else can ask."""


class Guard:
    """A dependency: the request may do what `scope` allows, or it is refused."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(self, request: Request, client: ClientOf) -> AsyncIterator[AccessToken]:
        """Yields whose request it is; one that was carried out and may change things is audited.

        Raises:
            Unauthorized, Forbidden, ServerUnreachable.
        """
        if request.method not in _SAFE:
            refuse_other_sites(request)
        token = await identify(request, client, request.headers.get("authorization", ""))
        request.app.state.rates.take(token.id)
        if not token.allows(self.scope):
            raise Forbidden(f"The token {token.name!r} lacks the scope {self.scope.value!r}.")
        if self.scope is Scope.READ:
            yield token
            return
        # Before the answer: after it nobody can read the request any more.
        why = await reason_of(request)
        yield token
        await record(client, request, token, why)


async def identify(connection: HTTPConnection, client: RedisClient, credentials: str) -> AccessToken:
    """Whose `Authorization`, or else whose cookie, that is.

    Raises:
        Unauthorized, Forbidden, ServerUnreachable.
    """
    cookie = connection.cookies.get(COOKIE)
    if not credentials and cookie:
        token_id = await Sessions(client.connection).find(digest_of(cookie))
        token = await Tokens(client.connection).find(token_id) if token_id else None
        if token is None:
            raise Unauthorized("The session is over: sign in again.")
        return await _still_valid(client, token)
    if not credentials and connection.app.state.local and not await Tokens(client.connection).any():
        _refuse_strange_hosts(connection)
        return THIS_MACHINE
    kind, _, text = credentials.partition(" ")
    return await find_token(client, text.strip() if kind.lower() == "bearer" else "")


async def find_token(client: RedisClient, text: str) -> AccessToken:
    """The token that `text` is. Raises Unauthorized, ServerUnreachable."""
    parts = split_token(text)
    token = await Tokens(client.connection).find(parts[0]) if parts else None
    if parts is None or token is None or not token.matches(parts[1]):
        raise Unauthorized("Send a valid token: `Authorization: Bearer inf_…` (`infinitas token add`).")
    return await _still_valid(client, token)


async def _still_valid(client: RedisClient, token: AccessToken) -> AccessToken:
    if token.expires is not None and token.expires <= await client.connection.now():
        raise Unauthorized(f"The token {token.name!r} has expired.")
    return token


def refuse_other_sites(request: HTTPConnection) -> None:
    """A page of another site must not act with the help of somebody's browser. Raises Forbidden."""
    origin = request.headers.get("origin")
    foreign = origin is not None and _host_of(origin) != request.headers.get("host")
    if foreign or request.headers.get("sec-fetch-site", "none") not in _OWN:
        raise Forbidden("Pages of other sites can't write here.")


def _host_of(origin: str) -> str | None:
    """Host and port of an `Origin`; None if it is none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _refuse_strange_hosts(request: HTTPConnection) -> None:
    """Without tokens only this machine is served; another name that leads here is a trick (rebinding)."""
    try:
        known = request.url.hostname in LOCAL_HOSTS
    except ValueError:
        known = False
    if not known:
        raise Forbidden("Without tokens only localhost is answered; `infinitas token add` makes one.")


MayRead = Annotated[AccessToken, Depends(Guard(Scope.READ))]
MayRunJobs = Annotated[AccessToken, Depends(Guard(Scope.JOBS))]
MayChangeTasks = Annotated[AccessToken, Depends(Guard(Scope.TASKS))]
