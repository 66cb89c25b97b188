"""Access without a token: only while none has ever been seen, and only from this machine, without a proxy."""

import re

from fastapi.requests import HTTPConnection

from infinitas.client.redis_client import RedisClient
from infinitas.core.errors import Forbidden

_THIS_MACHINE = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?", re.ASCII)
_BY_A_PROXY = ("forwarded", "via", "x-real-ip")
HINT = "`infinitas token add` makes a token."


class OpenAccess:
    """Whether requests without a token are answered.

    Args:
        local: only this machine can reach the server; others are never answered without a token.
        always: whenever there is no token, also if there have been some, or nothing can know that (`--open`).
    """

    def __init__(self, client: RedisClient, *, local: bool, always: bool = False) -> None:
        self._tokens = client.tokens
        self._local = local
        self._always = always
        self._seen = False
        """There have been tokens."""
        self._never = False
        """Postgres was asked, and knows of no token."""

    async def permits(self) -> bool:
        """Whether open access is permitted now. Raises ServerUnreachable: that is not known."""
        if not self._local or (self._seen and not self._always):
            return False
        if await self._tokens.any():
            self._seen = True
            return False
        return self._always or await self._has_never_been_one()

    @property
    def hint(self) -> str:
        """What to do where open access has ended."""
        if not self._local:
            return ""
        if self._seen:
            return " There have been tokens here; `infinitas server --open` needs none while there is none."
        return (
            " Without Postgres the server can't know whether Redis has lost its tokens: make one with "
            "`infinitas token add`, or start it with --open."
        )

    def tokens_seen(self) -> None:
        """Remember that there are tokens."""
        self._seen = True

    async def _has_never_been_one(self) -> bool:
        """Redis has no token, but may have lost them. Raises ServerUnreachable: Postgres gave no answer."""
        if self._tokens.archive is None:
            return False
        if not self._never:
            self._never = not await self._tokens.archive.tokens.any()
            self._seen = not self._never
        return self._never


def refuse_other_machines(request: HTTPConnection) -> None:
    """Refuse what may come from elsewhere: by a name that leads here (DNS rebinding), or through a proxy.

    The header is compared as it was sent: parsers disagree about odd ones. Raises Forbidden.
    """
    hosts = request.headers.getlist("host")
    if len(hosts) != 1 or not _THIS_MACHINE.fullmatch(hosts[0]):
        raise Forbidden(f"Without tokens the server answers only localhost. {HINT}")
    if any(name in _BY_A_PROXY or name.startswith("x-forwarded-") for name in request.headers):
        raise Forbidden(f"Without tokens the server answers nothing that comes through a proxy. {HINT}")
