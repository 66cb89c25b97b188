"""Reports channels whose messages don't arrive, so that an incident is sent through other channels."""

import asyncio
from collections.abc import Awaitable, Callable

from infinitas.archive.channels import Channels
from infinitas.core.channel_records import ChannelFault
from infinitas.runtime.logging import get_logger

_log = get_logger("notifier")
CHECK_EVERY_S = 5.0


class ChannelMonitor:
    """Several may run: each reports what changes, and a report that is repeated changes nothing more.

    Args:
        report: called with the fault of a channel that begins to fail.
        recover: called with the name of a channel that delivers again, or is gone; at the start with each
            that does not fail.
    """

    def __init__(
        self,
        channels: Channels,
        report: Callable[[ChannelFault], Awaitable[None]],
        recover: Callable[[str], Awaitable[None]],
    ) -> None:
        self._channels = channels
        self._report = report
        self._recover = recover
        self._failing: set[str] = set()
        self._begun = False

    async def run_once(self) -> None:
        """Compare, report, then rest."""
        await self.check()
        await asyncio.sleep(CHECK_EVERY_S)

    async def check(self) -> None:
        """Report what has changed since the last check."""
        faults = {fault.channel: fault for fault in await self._channels.failing()}
        if not self._begun:
            # An incident of before this start may be open.
            well = {channel.name for channel in await self._channels.all()} - faults.keys()
        else:
            well = self._failing - faults.keys()
        for name in sorted(well):
            await self._recover(name)
            self._failing.discard(name)
        self._begun = True
        for name, fault in faults.items():
            if name not in self._failing:
                _log.error("Channel %s does not deliver: %s", name, fault.error)
                await self._report(fault)
                self._failing.add(name)
