"""Requests one address each minute while slots are fired: a dead scheduler can't report itself."""

import asyncio
import time
from collections.abc import Callable, Sequence

from infinitas.broker.connection import Connection
from infinitas.broker.keys import HEARTBEAT
from infinitas.runtime.http_request import RequestFailed, request
from infinitas.runtime.logging import get_logger
from infinitas.scheduler.ticker import Ticker

_log = get_logger("heartbeat")
EVERY_MS = 57_000
CHECK_EVERY_S = 3.0
STUCK_AFTER_S = 30.0
"""An idle ticker makes a pass each ten seconds."""


class HeartbeatPing:
    """Any number may run: a key in Redis that expires lets one of them send about once a minute.

    Args:
        url: the address, which may be secret.
        tickers: those of this scheduler. While one of them is stuck, this one sends nothing.
    """

    def __init__(
        self,
        connection: Connection,
        url: str,
        tickers: Sequence[Ticker],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._url = url
        self._tickers = tickers
        self._clock = clock
        self._failing = False

    async def run_once(self) -> None:
        """Send if it is time, then rest."""
        await self.beat()
        await asyncio.sleep(CHECK_EVERY_S)

    async def beat(self) -> bool:
        """Send if it is time. Returns whether the address has answered."""
        if not self.fires or not await self._connection.command("set", HEARTBEAT, "1", nx=True, px=EVERY_MS):
            return False
        why = await self._send()
        if why is not None:
            # Another scheduler may reach it; else this one tries again soon.
            await self._connection.command("delete", HEARTBEAT)
        if (why is not None) is not self._failing:
            self._failing = why is not None
            if why is not None:
                _log.warning("The heartbeat_url does not answer: %s. Trying again until it does.", why)
            else:
                _log.info("The heartbeat_url answers again.")
        return why is None

    @property
    def fires(self) -> bool:
        """Whether every ticker has made a pass lately."""
        oldest = min((ticker.passed_at for ticker in self._tickers), default=None)
        return oldest is not None and self._clock() - oldest < STUCK_AFTER_S

    async def _send(self) -> str | None:
        """Why it failed; None: the address has answered."""
        try:
            status = await request("GET", self._url)
        except RequestFailed as error:
            return str(error)
        return None if 200 <= status < 300 else f"it answered {status}"
