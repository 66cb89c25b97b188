"""Opens and closes incidents that a part of the notifier finds itself, such as a channel that fails."""

from collections.abc import Collection

from infinitas.archive.connection import Archive
from infinitas.archive.incidents import IncidentTable
from infinitas.core.incident import IncidentKind
from infinitas.core.incident_fold import Occurrence
from infinitas.notifier.announcer import Announcer


class IncidentDesk:
    """Incidents that belong to no queue. All raise ServerUnreachable."""

    def __init__(self, archive: Archive, announcer: Announcer) -> None:
        self._archive = archive
        self._announcer = announcer

    async def occur(self, what: Occurrence) -> None:
        """Something went wrong: opens an incident, or counts in the open one."""
        async with self._archive.transaction() as connection:
            table = IncidentTable(connection)
            await table.lock()
            now = await table.now()
            fold = await table.fold(None, {what.subject}, now)
            fold.occur(what)
            await table.write(fold)
            await self._announcer.announce(table, fold, now)

    async def recover(self, kinds: Collection[IncidentKind], subject: str) -> None:
        """What was wrong is over. Without an open incident nothing is written."""
        async with self._archive.transaction() as connection:
            table = IncidentTable(connection)
            await table.lock()
            now = await table.now()
            fold = await table.fold(None, {subject}, now)
            fold.recover(kinds, subject, now)
            await table.write(fold)
            await self._announcer.announce(table, fold, now)
