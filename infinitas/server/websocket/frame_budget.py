"""What frames cost: those beyond a connection's own share count against the rate of its token.

A connection that spends more is read more slowly, and closed when that lasts.
"""

import asyncio
import time

from infinitas.core.errors import RateLimited
from infinitas.server.rate_limit import RateLimit

PER_S, BURST = 2, 100
"""Free frames of each connection: beats, and some progress."""
PER_JOB = 10
"""Free frames for each job that was sent: what an ordinary job needs."""
BYTES_A_FRAME = 16 * 1024
"""A larger frame counts as several."""
LONGEST_S = 30.0
"""For how long a connection may spend too much."""


class FrameBudget:
    """Of one connection."""

    def __init__(self, rate: RateLimit) -> None:
        self.paused = False
        """Nothing is read now: the other side's silence means nothing."""
        self._rate = rate
        self._token = ""
        self._free = float(BURST)
        self._counted_at = time.monotonic()
        self._over_since: float | None = None

    def begin(self, token: str) -> None:
        """From now on this token pays."""
        self._token = token

    def grant(self) -> None:
        """A job was sent."""
        self._free += PER_JOB

    async def spend(self, frames: int, size: int) -> None:
        """Count frames of `size` bytes in all; waits if there are too many.

        Raises:
            RateLimited: there are too many for LONGEST_S.
        """
        now = time.monotonic()
        if self._free < BURST:
            self._free = min(self._free + (now - self._counted_at) * PER_S, BURST)
        self._counted_at = now
        cost = frames + size // BYTES_A_FRAME
        free = min(self._free, cost)
        self._free -= free
        wait_s = self._rate.owe(self._token, cost - free) if cost > free else 0.0
        if not wait_s:
            self._over_since = None
            return
        self._over_since = self._over_since or now
        if now - self._over_since > LONGEST_S:
            raise RateLimited("Too many frames for too long.", round(wait_s) + 1)
        self.paused = True
        try:
            await asyncio.sleep(wait_s)
        finally:
            self.paused = False
