"""Calls `on_incident` and `on_recovery` of plugins, at least once for each incident."""

import asyncio

from infinitas.archive.announcements import AnnouncementTable
from infinitas.archive.connection import Archive
from infinitas.core.incident import Incident
from infinitas.core.notice import NoticeReason
from infinitas.runtime.logging import get_logger
from infinitas.tasks.plugins import Plugins

_log = get_logger("notifier")
CHECK_EVERY_S = 1.0
PATIENCE_S = 10.0
"""A hook that takes longer is left to its thread, and counts as called."""


class Hooks:
    """Hooks run in a thread, one after the other."""

    def __init__(self, archive: Archive, plugins: Plugins) -> None:
        self._archive = archive
        self._plugins = plugins

    async def run_once(self) -> None:
        """Call all hooks that wait, then rest."""
        while await self.call_next():
            pass
        await asyncio.sleep(CHECK_EVERY_S)

    async def call_next(self) -> bool:
        """Call the hooks for one incident. False: there is none."""
        async with self._archive.transaction() as connection:
            table = AnnouncementTable(connection)
            found = await table.hook()
            if found is None:
                return False
            incident, reason, new = found
            if new:
                await self._call("on_incident", incident)
            if reason is NoticeReason.RECOVERED:
                await self._call("on_recovery", incident)
            await table.end_hook(incident.id)
        return True

    async def _call(self, hook: str, incident: Incident) -> None:
        call = asyncio.to_thread(self._plugins.call, hook, incident)
        try:
            await asyncio.wait_for(call, PATIENCE_S)
        except TimeoutError:
            _log.error("A plugin's %s for %s takes longer than %g s.", hook, incident.id, PATIENCE_S)
