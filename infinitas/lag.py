"""Watches how far the archive is behind, by what waits in Redis: whether an archiver lives or not.

It runs in the scheduler and in the archiver, as `watch` does.
"""

import asyncio

from infinitas.broker.events import EventStream
from infinitas.core.interval import describe_ms
from infinitas.runtime.logging import get_logger

_log = get_logger("lag")
ARCHIVER = "archiver"
"""The archive's name among the readers of events."""
LOOK_EVERY_S = 5.0
LATE_S = 55.0
"""With the pause between two looks: told of within a minute."""
CAUGHT_UP_S = 10.0


class LagWatch:
    """One queue's. Tells once that its archive lags, and once that it has caught up."""

    def __init__(
        self, stream: EventStream, late_s: float = LATE_S, look_every_s: float = LOOK_EVERY_S
    ) -> None:
        self._stream = stream
        self._late_s = late_s
        self._look_every_s = look_every_s
        self._lags = False

    async def run_once(self) -> None:
        """One look."""
        lag = await self._stream.lag()
        if lag is not None and lag >= self._late_s and not self._lags:
            self._lags = True
            _log.warning(
                "The archive of queue %s lags %s behind: events wait in Redis, which grows until an archiver "
                "records them. Look at the archiver's log and at Postgres.",
                self._stream.queue,
                describe_ms(round(lag) * 1000),
            )
        elif self._lags and (lag is None or lag < min(CAUGHT_UP_S, self._late_s)):
            self._lags = False
            _log.info("The archive of queue %s has caught up.", self._stream.queue)
        await asyncio.sleep(self._look_every_s)
