"""Counts requests without a valid token, and logs them: at most one line in a while."""

import time
from collections import Counter

from infinitas.runtime.logging import get_logger

LOG_EVERY_S = 10.0
_log = get_logger("server")


class Refusals:
    """The refused requests of one server, by error code."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._logged_at = float("-inf")
        self._logged = 0

    def count(self, code: str, origin: str) -> None:
        self.counts[code] += 1
        now = time.monotonic()
        if now - self._logged_at < LOG_EVERY_S:
            return
        refused = self.counts.total() - self._logged
        self._logged_at, self._logged = now, self.counts.total()
        _log.warning("Refused %d requests; the last (%s) came from %s.", refused, code, origin or "?")
