"""Access without a token: only while none has ever been seen, and only from this machine, without a proxy."""

import asyncio
import re

from fastapi.requests import HTTPConnection

from infinitas.broker.tokens import Tokens
from infinitas.client.redis_client import RedisClient
from infinitas.core.errors import Forbidden, ServerUnreachable

_THIS_MACHINE = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?", re.ASCII)
_BY_A_PROXY = ("forwarded", "via", "x-real-ip")
HINT = "`infinitas token add` makes a token."


class OpenAccess:
    """Whether requests without a token are answered.

    Args:
        local: only this machine can reach the server; others are never answered without a token.
        always: also after tokens have been there, and are no more (`--open`).
    """

    def __init__(self, client: RedisClient, *, local: bool, always: bool = False) -> None:
        self._client = client
        self._local = local
        self._always = always
        self._tokens_seen = False
        self._marked = False
        self._marking: asyncio.Task[None] | None = None
        self._unmarked = False
        """Postgres was asked, and knows of no token."""

    async def permits(self) -> bool:
        """Whether open access is permitted now. Raises ServerUnreachable: that is not known."""
        if not self._local or (self._tokens_seen and not self._always):
            return False
        if await Tokens(self._client.connection).any():
            self.tokens_seen()
            return False
        return self._always or not await self._had_tokens()

    @property
    def hint(self) -> str:
        """What to do where open access has ended."""
        if not self._local or not self._tokens_seen:
            return ""
        return " There have been tokens here; `infinitas server --open` needs none while there is none."

    def tokens_seen(self) -> None:
        """Remember that there are tokens, in this process and in Postgres."""
        self._tokens_seen = True
        # In the background: a request that has a token doesn't wait for Postgres.
        if self._client.archive is None or self._marked or self._always:
            return
        self._marked = True
        self._marking = asyncio.create_task(self._mark())

    async def _mark(self) -> None:
        archive = self._client.archive
        try:
            if archive is not None:
                await archive.access.set()
        except ServerUnreachable:
            self._marked = False

    async def close(self) -> None:
        """Wait for what is being written."""
        if self._marking is not None:
            await self._marking

    async def _had_tokens(self) -> bool:
        """Redis has no token: it may have lost them. Raises ServerUnreachable: Postgres gave no answer."""
        if self._client.archive is None or self._unmarked:
            return False
        if await self._client.archive.access.is_set():
            self._tokens_seen = self._marked = True
            return True
        self._unmarked = True
        return False


def refuse_other_machines(request: HTTPConnection) -> None:
    """Refuse what may come from elsewhere: by a name that leads here (DNS rebinding), or through a proxy.

    The header is compared as it was sent: parsers disagree about odd ones. Raises Forbidden.
    """
    hosts = request.headers.getlist("host")
    if len(hosts) != 1 or not _THIS_MACHINE.fullmatch(hosts[0]):
        raise Forbidden(f"Without tokens the server answers only localhost. {HINT}")
    if any(name in _BY_A_PROXY or name.startswith("x-forwarded-") for name in request.headers):
        raise Forbidden(f"Without tokens the server answers nothing that comes through a proxy. {HINT}")
