"""Authentication and scopes: each request presents a token, or the cookie of a login."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.requests import HTTPConnection

from infinitas.broker.logins import Logins
from infinitas.client.redis_client import RedisClient
from infinitas.core.access import AccessToken, Scope, digest_of, split_token
from infinitas.core.errors import Forbidden, Unauthorized
from infinitas.server.audit_trail import Trail, note_refusal, origin_of, reason_of
from infinitas.server.dependencies import ClientOf
from infinitas.server.login_cookie import cookie_name
from infinitas.server.open_access import OpenAccess, refuse_other_machines
from infinitas.server.refusals import Refusals

NO_TOKEN = "Send a valid token: `Authorization: Bearer inf_…` (`infinitas token add`)."
NO_TOKEN_NEEDED: dict[str, Any] = {"security": []}
"""`openapi_extra` of a route without such a dependency."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_SAME_SITE = frozenset({"same-origin", "none"})


THIS_MACHINE = AccessToken(
    id="", name="this machine", digest="", scopes=(Scope.ADMIN,), created=datetime.min.replace(tzinfo=UTC)
)
"""The token of every request while none is stored and only this machine can reach the server."""


class RequireScope:
    """A dependency: refuses a request whose token lacks `scope`."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(self, request: Request, client: ClientOf) -> AsyncIterator[AccessToken]:
        """Yield the request's token. A request that may change things is audited after it has succeeded.

        Raises:
            Unauthorized, Forbidden, ServerUnreachable.
        """
        if request.method not in _SAFE:
            refuse_other_sites(request)
        token = await authenticated(request, client)
        request.app.state.rate_limit.take(token.id)
        if not token.allows(self.scope):
            target = str(next(iter(request.path_params.values()), ""))
            await note_refusal(request, client, token, request.scope["route"].name, target)
            raise Forbidden(f"The token {token.name!r} lacks the scope {self.scope.value!r}.")
        if self.scope is Scope.READ or request.method in _SAFE:
            yield token
            return
        # Read before the response: the body can't be read after it.
        trail = Trail(client, request, token, await reason_of(request))
        await trail.begin()
        try:
            yield token
        except Exception as error:
            await trail.end(error)
            raise
        await trail.end()


async def authenticated(request: Request, client: ClientOf) -> AccessToken:
    """The token of a request; it may lack any scope. A refusal is logged and counted.

    Raises:
        Unauthorized, Forbidden, ServerUnreachable.
    """
    try:
        return await authenticate(request, client, request.headers.get("authorization", ""))
    except (Unauthorized, Forbidden) as error:
        refusals: Refusals = request.app.state.refusals
        refusals.count(error.code, origin_of(request))
        raise


async def authenticate(connection: HTTPConnection, client: RedisClient, credentials: str) -> AccessToken:
    """The token of an `Authorization` header, or else of the login cookie.

    Raises:
        Unauthorized, Forbidden, ServerUnreachable.
    """
    cookie = connection.cookies.get(cookie_name(connection))
    if not credentials and cookie:
        return await _of_login(connection, client, cookie)
    open_access: OpenAccess = connection.app.state.open_access
    if not credentials and await open_access.permits():
        refuse_other_machines(connection)
        return THIS_MACHINE
    if not credentials:
        raise Unauthorized(NO_TOKEN + open_access.hint)
    kind, _, text = credentials.partition(" ")
    token = await find_token(client, text.strip() if kind.lower() == "bearer" else "")
    open_access.tokens_seen()
    return token


async def _of_login(connection: HTTPConnection, client: RedisClient, cookie: str) -> AccessToken:
    login = await Logins(client.connection).find(digest_of(cookie))
    if login is not None and login.token is not None:
        if (token := await client.tokens.find(login.token)) is not None:
            return await _still_valid(client, token)
    elif login is not None and login.person is not None and connection.app.state.provider is not None:
        return AccessToken(
            id=f"person:{digest_of(login.person.subject)[:32]}",
            name=login.name,
            digest="",
            scopes=login.person.scopes,
            created=login.created,
            expires=login.expires,
        )
    raise Unauthorized("The login has ended: log in again.")


async def find_token(client: RedisClient, text: str) -> AccessToken:
    """The stored token for the text `inf_…`. Raises Unauthorized, ServerUnreachable."""
    parts = split_token(text)
    if parts is None:
        raise Unauthorized(NO_TOKEN)
    token = await client.tokens.find(parts[0])
    if token is None or not token.matches(parts[1]):
        raise Unauthorized("This token was revoked or is unknown here; `infinitas token add` makes another.")
    return await _still_valid(client, token)


async def _still_valid(client: RedisClient, token: AccessToken) -> AccessToken:
    if token.expires is not None and token.expires <= await client.connection.now():
        raise Unauthorized(f"The token {token.name!r} has expired.")
    return token


def refuse_other_sites(request: HTTPConnection) -> None:
    """Refuse requests that a browser sends for a page of another site. Raises Forbidden."""
    origin = request.headers.get("origin")
    foreign = origin is not None and _host_of(origin) != request.headers.get("host")
    if foreign or request.headers.get("sec-fetch-site", "none") not in _SAME_SITE:
        raise Forbidden("Pages of other sites can't write here.")


def _host_of(origin: str) -> str | None:
    """Host and port of an `Origin`; None if it can't be parsed."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


MayRead = Annotated[AccessToken, Depends(RequireScope(Scope.READ))]
MayRunJobs = Annotated[AccessToken, Depends(RequireScope(Scope.JOBS))]
MayAdminister = Annotated[AccessToken, Depends(RequireScope(Scope.ADMIN))]
MayChangeTasks = Annotated[AccessToken, Depends(RequireScope(Scope.TASKS))]
Authenticated = Annotated[AccessToken, Depends(authenticated)]
"""Any valid token."""
