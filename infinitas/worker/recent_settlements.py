"""What this worker settled in the last seconds, kept to be sent again.

A Redis that lost its last second (a restart, a failover) hands out jobs that had ended.
"""

import time
from typing import NamedTuple

from infinitas.broker.messages import Settlement

KEPT_S = 10.0
MOST_KEPT = 10_000
MOST_KEPT_CHARS = 16_000_000


class Recent(NamedTuple):
    """A settlement that Redis accepted at `at_s` on the monotonic clock."""

    at_s: float
    queue: str
    settlement: Settlement


class RecentSettlements:
    """Settlements by job and attempt, the oldest first, bounded in age, number and size."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, int], Recent] = {}
        self._chars = 0

    def keep(self, queue: str, settlement: Settlement, now_s: float) -> None:
        """Keep a settlement, in place of an older one of the same attempt."""
        key = settlement.job, settlement.attempt
        if before := self._kept.pop(key, None):
            self._chars -= before.settlement.chars
        self._kept[key] = Recent(now_s, queue, settlement)
        self._chars += settlement.chars

    def find(self, job: str, attempt: int, due_ms: int) -> Recent | None:
        """The settlement of this attempt, unless it is too old or belongs to another job under that id."""
        found = self._kept.get((job, attempt))
        if found is None or found.settlement.due_ms != due_ms:
            return None
        age_s = time.monotonic() - found.at_s
        return found if age_s <= min(KEPT_S, found.settlement.ttl_s) else None

    def drop_old(self, now_s: float) -> None:
        """Drop what is too old, then the oldest while there is too much."""
        while self._kept:
            oldest = next(iter(self._kept))
            recent = self._kept[oldest]
            fits = len(self._kept) <= MOST_KEPT and self._chars <= MOST_KEPT_CHARS
            if fits and now_s - recent.at_s <= KEPT_S:
                return
            del self._kept[oldest]
            self._chars -= recent.settlement.chars
