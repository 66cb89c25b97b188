"""Access tokens: in Redis, which each request asks, and in Postgres, since Redis may lose them."""

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from infinitas.broker.connection import Connection
from infinitas.broker.tokens import Tokens
from infinitas.core.access import AccessToken
from infinitas.core.errors import ServerUnreachable
from infinitas.runtime.logging import get_logger

if TYPE_CHECKING:
    from infinitas.archive.reader import Reader

LOOK_EVERY_S = 1.0
"""How often at most unknown tokens have Postgres asked."""
COMPARE_EVERY_S = 60.0
"""How often both are compared although Redis is as it was: Postgres may have lost something."""
_log = get_logger("tokens")


class AccessTokens:
    """The tokens of one Redis and its archive, if there is one.

    Postgres has a digest of each token, and keeps what was revoked: after a lost Redis, tokens come back from
    there and revoked ones do not. All methods raise ServerUnreachable if Redis gives no answer.
    """

    def __init__(self, connection: Connection, archive: "Reader | None") -> None:
        self.connection = connection
        self.archive = archive
        self._live = Tokens(connection)
        self._one_at_a_time = asyncio.Lock()
        self._compared: tuple[set[str], set[str]] | None = None
        """Ids in Redis, valid and revoked, when Postgres last had the same; None: compare them anew."""
        self._compared_at = self._looked_at = float("-inf")
        self._fault: ServerUnreachable | None = None
        """Why the last comparison failed."""

    async def issue(
        self, name: str, scopes: Sequence[str], expires_s: float | None
    ) -> tuple[AccessToken, str]:
        """As `Tokens.issue`. Where Postgres gives no answer, a server stores the token there later."""
        token, text = await self._live.issue(name, scopes, expires_s)
        await self._keep(token, revoked=False)
        return token, text

    async def revoke(self, id: str) -> bool:
        """Revoke a token. Returns whether Postgres has that stored, or there is none.

        Raises:
            UnknownToken.
        """
        token = await self.find(id)
        # First where it stays: a Redis that is lost in between gives the token back as revoked.
        stored = token is None or await self._keep(token, revoked=True)
        await self._live.revoke(id)
        return stored

    async def find(self, id: str) -> AccessToken | None:
        """The token; None if it is unknown or revoked.

        Raises:
            ServerUnreachable: also where Redis does not have it, and Postgres can't be asked.
        """
        token = await self._live.find(id)
        if token is not None or self.archive is None:
            return token
        await self._look()
        token = await self._live.find(id)
        if token is None and self._fault is not None:
            raise ServerUnreachable(f"Redis does not have this token, and may have lost it: {self._fault}")
        return token

    async def all(self) -> list[AccessToken]:
        """Oldest first."""
        return await self._live.all()

    async def any(self) -> bool:
        """Whether Redis has any token, expired ones included."""
        return await self._live.any()

    async def synchronize(self) -> None:
        """Have Redis and Postgres hold the same: tokens come back, what either has revoked is revoked.

        Cheap while nothing has changed. Raises ServerUnreachable: Postgres gave no answer.
        """
        if self.archive is None:
            return
        async with self._one_at_a_time:
            try:
                if await self._has_changed():
                    await self._compare(self.archive)
                self._fault = None
            except ServerUnreachable as error:
                self._fault = error
                raise

    async def _has_changed(self) -> bool:
        live, revoked = await asyncio.gather(self._live.all(), self._live.revoked())
        now = ({token.id for token in live}, set(revoked))
        return now != self._compared or time.monotonic() - self._compared_at > COMPARE_EVERY_S

    async def _compare(self, archive: "Reader") -> None:
        # Locked: nothing is revoked between reading what to bring back and doing so.
        async with archive.tokens.locked() as kept:
            valid, revoked = await kept.all()
            live = {token.id: token for token in await self._live.all()}
            revoked_here = await self._live.revoked()
            for id, token in revoked_here.items():
                if id not in revoked:
                    await kept.keep(token, revoked=True)
            for id, token in live.items():
                if id not in valid and id not in revoked and id not in revoked_here:
                    await kept.keep(token)
            for id, token in revoked.items():
                if id not in revoked_here or id in live:
                    await self._live.mark_revoked(token)
            lost = [token for id, token in valid.items() if id not in live and id not in revoked_here]
            for token in lost:
                await self._live.add(token)
        if lost:
            _log.warning("Redis had lost %d access tokens; they are back from Postgres.", len(lost))
        all_revoked = revoked_here.keys() | revoked
        self._compared = ((live.keys() | valid.keys()) - all_revoked, set(all_revoked))
        self._compared_at = time.monotonic()

    async def _look(self) -> None:
        """Have Redis get back what it has lost; not for each of many unknown tokens."""
        if time.monotonic() - self._looked_at < LOOK_EVERY_S:
            async with self._one_at_a_time:  # One that has begun may bring it.
                return
        self._looked_at = time.monotonic()
        self._compared = None
        try:
            await self.synchronize()
        except ServerUnreachable:
            return

    async def _keep(self, token: AccessToken, *, revoked: bool) -> bool:
        if self.archive is None:
            return True
        self._compared = None
        try:
            await self.archive.tokens.keep(token, revoked=revoked)
        except ServerUnreachable:
            return False
        return True
