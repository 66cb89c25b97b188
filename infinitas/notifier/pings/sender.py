"""Sends pings to monitors outside: a few at once, those of one monitor in order, none for ever."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from infinitas.notifier.pings.protocols import Outgoing
from infinitas.runtime.http_request import RequestFailed, request
from infinitas.runtime.logging import get_logger

_log = get_logger("pings")
AT_ONCE = 16
PAUSES_S = (0.5, 1.5)
"""Before the second and the third try."""
WITHIN_S = 5.0
BATCH_WITHIN_S = 18.0
GIVE_UP_AFTER = 5
"""Failures of one service in a row after which the rest of a batch is not sent to it."""
_AGAIN = frozenset({408, 425, 429})


@dataclass(slots=True)
class _Service:
    """What one service has answered in this batch."""

    failures: int = 0
    unsent: Counter[str] = field(default_factory=Counter)


class Sender:
    """Sends batches. A ping that fails is dropped after three tries: the next run pings again."""

    def __init__(
        self,
        pauses_s: Sequence[float] = PAUSES_S,
        within_s: float = WITHIN_S,
        batch_within_s: float = BATCH_WITHIN_S,
    ) -> None:
        self._pauses_s = pauses_s
        self._within_s = within_s
        self._batch_within_s = batch_within_s
        self._free = asyncio.Semaphore(AT_ONCE)

    async def send(self, batch: Mapping[tuple[str, str], Sequence[Outgoing]]) -> int:
        """Send the requests for each (service, monitor). Returns how many were accepted."""
        services = {service: _Service() for service, _ in batch}
        sent = [0]
        work = [
            self._send_all(service, services[service], items, sent) for (service, _), items in batch.items()
        ]
        try:
            async with asyncio.timeout(self._batch_within_s):
                await asyncio.gather(*work)
        except TimeoutError:
            for service in services.values():
                service.unsent["no time was left"] += 1
        for name, service in services.items():
            if service.unsent:
                reasons = ", ".join(f"{count} × {why}" for why, count in service.unsent.most_common(3))
                _log.warning("Pings to %s failed and are not sent again: %s.", name, reasons)
        return sent[0]

    async def _send_all(
        self, name: str, service: _Service, items: Sequence[Outgoing], sent: list[int]
    ) -> None:
        for item in items:
            async with self._free:
                why = await self._send(service, item)
            if why is None:
                service.failures = 0
                sent[0] += 1
            else:
                service.unsent[why] += 1

    async def _send(self, service: _Service, item: Outgoing) -> str | None:
        """Why it failed; None: it was accepted."""
        why: str | None = None
        for pause in (0.0, *self._pauses_s):
            if service.failures >= GIVE_UP_AFTER:
                return why or "the service failed before"
            await asyncio.sleep(pause)
            try:
                status = await request(item.method, item.url, item.headers, item.body, self._within_s)
            except RequestFailed as error:
                why = str(error)
                service.failures += 1
                continue
            if 200 <= status < 300:
                return None
            why = f"answered {status}"
            if status < 500 and status not in _AGAIN:
                return why  # A wrong key or monitor is not a fault of the service.
            service.failures += 1
        return why
