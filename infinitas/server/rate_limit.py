"""Limits the requests of each token, in this process."""

import math
import time
from collections import OrderedDict

from infinitas.core.errors import RateLimited

BURST_S = 2.0
MOST_TOKENS = 10_000


class RateLimit:
    """One token bucket per access token. `per_second` 0: no limit."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._burst = max(per_second * BURST_S, 1)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """By token, the longest unused first: requests left, and when they were counted."""

    def take(self, token: str) -> None:
        """Count one request. Raises RateLimited."""
        if not self._per_second:
            return
        left = self._left(token)
        self._store(token, max(left - 1, left if left < 1 else 0))
        if left < 1:
            raise RateLimited(
                f"More than {self._per_second:g} requests a second: wait.",
                math.ceil((1 - left) / self._per_second),
            )

    def owe(self, token: str, count: float) -> float:
        """Count what was sent already. Returns the seconds after which it is within the rate again."""
        if not self._per_second:
            return 0.0
        left = self._left(token) - count
        self._store(token, left)
        return max(-left / self._per_second, 0.0)

    def _left(self, token: str) -> float:
        now = time.monotonic()
        left, at = self._buckets.pop(token, (self._burst, now))
        return min(left + (now - at) * self._per_second, self._burst)

    def _store(self, token: str, left: float) -> None:
        self._buckets[token] = left, time.monotonic()
        if len(self._buckets) > MOST_TOKENS:
            self._buckets.popitem(last=False)
