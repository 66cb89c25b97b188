"""Opens and closes incidents that a part of the notifier finds itself, such as a channel that fails."""

from collections.abc import Callable
from datetime import datetime

from infinitas.archive.connection import Archive
from infinitas.archive.incidents import IncidentTable
from infinitas.core.incident import IncidentKind
from infinitas.core.incident_fold import IncidentFold, Occurrence
from infinitas.notifier.announcer import Announcer


class IncidentDesk:
    """Incidents that belong to no queue. All raise ServerUnreachable."""

    def __init__(self, archive: Archive, announcer: Announcer) -> None:
        self._archive = archive
        self._announcer = announcer

    async def report(self, what: Occurrence) -> None:
        """Something is wrong. A report that is repeated while the incident is open changes nothing."""
        await self._change(what.subject, lambda fold, _: fold.find(what))

    async def recover(self, kind: IncidentKind, subject: str) -> None:
        """What was wrong is over. Without an open incident nothing changes."""
        await self._change(subject, lambda fold, now: fold.recover((kind,), subject, now))

    async def _change(self, subject: str, change: Callable[[IncidentFold, datetime], None]) -> None:
        async with self._archive.transaction() as connection:
            table = IncidentTable(connection)
            await table.lock()
            now = await table.now()
            fold = await table.fold(None, {subject}, now)
            change(fold, now)
            await table.write(fold)
            await self._announcer.announce(table, fold, now)
