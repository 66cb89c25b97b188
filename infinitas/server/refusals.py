"""Counts refused requests, and logs them: at most one line in a while."""

import time
from collections import Counter, OrderedDict

from infinitas.core.plural import counted
from infinitas.runtime.logging import get_logger

LOG_EVERY_S = 10.0
AUDIT_AGAIN_S = 600.0
"""A token that is refused the same thing again and again is in the audit so often."""
MOST_AUDITED = 100
"""And so many tokens and actions at most in that time: a flood does not fill Postgres."""
_log = get_logger("server")


class Refusals:
    """The refused requests of one server, by error code."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._logged_at = float("-inf")
        self._logged = 0
        self._audited: OrderedDict[tuple[str, str], float] = OrderedDict()
        """Token and action, the oldest first: when that was recorded."""

    def count(self, code: str, origin: str) -> None:
        self.counts[code] += 1
        now = time.monotonic()
        if now - self._logged_at < LOG_EVERY_S:
            return
        refused = counted(self.counts.total() - self._logged, "request")
        self._logged_at, self._logged = now, self.counts.total()
        _log.warning("Refused %s; the last (%s) came from %s.", refused, code, origin or "?")

    def is_news(self, token: str, action: str) -> bool:
        """Whether the audit shall have this refusal of a valid token."""
        now = time.monotonic()
        while self._audited and now - next(iter(self._audited.values())) > AUDIT_AGAIN_S:
            self._audited.popitem(last=False)
        if (token, action) in self._audited or len(self._audited) >= MOST_AUDITED:
            return False
        self._audited[token, action] = now
        return True
