"""The recorder: reads events after the position in Postgres, writes rows and position, trims the stream.

Before each commit it marks Redis with the position. A mark that is too low shows that Redis has lost data:
then the recorder restores it first.
"""

import asyncio

from infinitas.archive.writer import Writer
from infinitas.broker.events import START, EventStream, count_entries
from infinitas.core.errors import ServerUnreachable
from infinitas.core.events import Event
from infinitas.core.history_rows import Refusal
from infinitas.monitor.restorer import Restorer
from infinitas.runtime.logging import get_logger

_log = get_logger("archiver")
BATCH = 4_000
"""Events per transaction, roughly: an entry is never divided, and may be a hundred events."""
FEWEST_ENTRIES = BATCH // 100
MAX_NAME_CHARS = 200
BLOCK_MS = 10_000
RESTORE_AGAIN_S = 0.2
KEEP_MS = 1_000
"""How long archived events stay for live pages, which read several times a second."""


class Recorder:
    """Records one queue. It may be killed between any two lines, or run twice at once."""

    def __init__(self, stream: EventStream, writer: Writer, restorer: Restorer) -> None:
        self._stream = stream
        self._writer = writer
        self._restorer = restorer
        self._known = False
        self._position: str | None = None
        self._kept = True
        """Archived events may still be in the stream; at the start, those of an archiver that was killed."""
        self._entries = FEWEST_ENTRIES
        self.recorded = 0
        """Events written by this recorder."""
        self._most = BATCH
        """Events per batch; halved after one that Postgres did not take in time."""

    async def run_once(self) -> None:
        """Wait for events and archive one batch."""
        if not self._known:
            self._position = await self._writer.position()
            if not await self._mark(self._position or START):
                return
            await self._stream.trim(self._position or START, KEEP_MS)
            self._known = True
        # After an error, read the position from Postgres: a commit whose reply was lost did happen.
        self._known = False
        block_ms = KEEP_MS if self._kept else BLOCK_MS
        entries = min(self._entries, self._most)
        events = await self._stream.read(self._position or START, entries, block_ms, self._most)
        if self._kept and not events:
            await self._stream.trim(self._position or START)
            self._kept = False
        if events:
            self._entries = max(BATCH * count_entries(events) // len(events), FEWEST_ENTRIES)
            newest = events[-1].position
            if not await self._mark(newest) or not await self._write(events, newest):
                return
            self._position = newest
            self.recorded += len(events)
            await self._stream.trim(newest, KEEP_MS)
            self._kept = True
        self._known = True

    async def _mark(self, after: str) -> bool:
        """Mark Redis before a commit of what comes up to `after`. False: Redis had to be restored first."""
        if await self._restorer.edges.mark_archived(self._position or START, after):
            return True
        if await self._restorer.restore() is None:
            await asyncio.sleep(RESTORE_AGAIN_S)  # Another process restores it.
        return False

    async def _write(self, events: list[Event], newest: str) -> bool:
        """Returns False if another archiver has written them."""
        try:
            refused = await self._writer.write(events, self._position, newest)
        except ServerUnreachable:
            self._most = max(self._most // 2, 1)
            raise
        self._most = min(self._most * 2, BATCH)
        for each in refused or ():
            _log_refusal(self._stream.queue, each)
        return refused is not None


def _log_refusal(queue: str, refused: Refusal) -> None:
    fields = refused.event.fields
    about = fields.get("job") or fields.get("schedule") or fields.get("task") or "?"
    _log.error(
        "The archive can't hold event %s of queue %s (%r, of %r): %s. infinitas_refused keeps it.",
        refused.event.position,
        queue,
        refused.kind[:MAX_NAME_CHARS],
        about[:MAX_NAME_CHARS],
        refused.error,
    )
