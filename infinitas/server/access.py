"""Each request shows its token here, before anything else looks at it."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request

from infinitas.broker.tokens import Tokens
from infinitas.core.access import Scope, split_token
from infinitas.core.errors import Forbidden, Unauthorized
from infinitas.server.state import ClientOf

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN = frozenset({"same-origin", "none"})


class Guard:
    """A dependency: the request may do what `scope` allows, or it is refused."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(self, request: Request, client: ClientOf) -> None:
        """Raises Unauthorized, Forbidden, ServerUnreachable."""
        _refuse_other_sites(request)
        tokens = Tokens(client.connection)
        text = request.headers.get("authorization", "")
        if not text and request.app.state.local and not await tokens.any():
            _refuse_strange_hosts(request)
            return
        kind, _, secret_text = text.partition(" ")
        parts = split_token(secret_text.strip()) if kind.lower() == "bearer" else None
        token = await tokens.find(parts[0]) if parts else None
        if parts is None or token is None or not token.matches(parts[1]):
            raise Unauthorized("Send a valid token: `Authorization: Bearer inf_…` (`infinitas token add`).")
        if token.expires is not None and token.expires <= await client.connection.now():
            raise Unauthorized(f"The token {token.name!r} has expired.")
        if not token.allows(self.scope):
            raise Forbidden(f"The token {token.name!r} lacks the scope {self.scope.value!r}.")


def _refuse_other_sites(request: Request) -> None:
    """A page of another site must not write with the help of somebody's browser."""
    if request.method in _SAFE:
        return
    origin = request.headers.get("origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    if foreign or request.headers.get("sec-fetch-site", "none") not in _OWN:
        raise Forbidden("Pages of other sites can't write here.")


def _refuse_strange_hosts(request: Request) -> None:
    """Without tokens only this machine is served; another name that leads here is a trick (rebinding)."""
    if request.url.hostname not in LOCAL_HOSTS:
        raise Forbidden("Without tokens only localhost is answered; `infinitas token add` makes one.")


MayRead = Annotated[None, Depends(Guard(Scope.READ))]
MayRunJobs = Annotated[None, Depends(Guard(Scope.JOBS))]
MayChangeTasks = Annotated[None, Depends(Guard(Scope.TASKS))]
