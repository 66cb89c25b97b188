"""The composer: makes messages of what waits for channels, and puts them into the outbox."""

import asyncio
from dataclasses import replace
from datetime import datetime

from infinitas.archive.announcements import AnnouncementTable
from infinitas.archive.connection import Archive
from infinitas.archive.incidents import IncidentTable
from infinitas.core.errors import ServerUnreachable
from infinitas.core.notice_groups import (
    FIRST_WAIT,
    MOST_TROUBLES,
    Limit,
    group,
    is_due,
    make_notice,
    refill,
)
from infinitas.notifier.troubles import Troubles
from infinitas.runtime.logging import get_logger

_log = get_logger("notifier")
CHECK_EVERY_S = 1.0
MOST_TAKEN = 5_000
"""Incidents of one digest; further ones wait for the next message."""


class Composer:
    """Several may run: each message is made by one."""

    def __init__(self, archive: Archive, troubles: Troubles, limit: Limit, woken: asyncio.Event) -> None:
        self._archive = archive
        self._troubles = troubles
        self._limit = limit
        self._woken = woken

    async def run_once(self) -> None:
        """Rest until something may wait, then make what is due."""
        try:
            async with asyncio.timeout(CHECK_EVERY_S):
                await self._woken.wait()
            await asyncio.sleep(FIRST_WAIT.total_seconds())
        except TimeoutError:
            pass
        self._woken.clear()
        await self.compose()

    async def compose(self) -> int:
        """Make the messages that are due. Returns how many."""
        async with self._archive.transaction() as connection:
            now = await IncidentTable(connection).now()
            waiting = await AnnouncementTable(connection).waiting_channels()
        made = 0
        for channel, since in waiting.items():
            try:
                made += await self._compose(channel, since, now)
            except ServerUnreachable:
                raise
            except Exception:  # noqa: BLE001 - what is wrong with one channel's rows holds up no other
                _log.exception("No message can be made for channel %s.", channel)
        return made

    async def _compose(self, channel: str, since: datetime, now: datetime) -> int:
        async with self._archive.transaction() as connection:
            table = AnnouncementTable(connection)
            rate = await table.lock_rate(channel, self._limit.burst)
            if rate is None or not is_due(rate, self._limit, since, now):
                return 0
            tokens = refill(rate, self._limit, now)
            if tokens < 1:
                if not rate.held:
                    _log.warning("Channel %s has had its messages: what follows is summed up.", channel)
                    await table.keep_rate(channel, replace(rate, held=True))
                return 0
            groups = group(await table.take(channel, MOST_TAKEN), int(tokens), held=rate.held)
            shown = [each.incident for _, members in groups for each in members[:MOST_TROUBLES]]
            described = await self._troubles.describe(shown)
            notices = [
                make_notice(channel, reason, members, now, lambda incident: described[incident.id])
                for reason, members in groups
            ]
            await table.send(notices)
            if notices:
                left = tokens - len(notices)
                await table.keep_rate(
                    channel, replace(rate, tokens=left, filled_at=now, made_at=now, held=False)
                )
        return len(notices)
