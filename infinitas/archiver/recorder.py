"""Records: reads events from the position in Postgres, writes rows and position together, trims."""

from infinitas.archive.writer import Writer
from infinitas.broker.events import START, EventStream
from infinitas.core.events import fold

BATCH = 2_000
BLOCK_MS = 10_000


class Recorder:
    """One queue's recorder. It may be killed between any two lines, or run twice at once."""

    def __init__(self, stream: EventStream, writer: Writer) -> None:
        self._stream = stream
        self._writer = writer
        self._known = False
        self._position: str | None = None

    async def run_once(self) -> None:
        """Wait for events and archive one batch."""
        if not self._known:
            self._position = await self._writer.position()
            await self._stream.register(self._position or START)
            self._known = True
        # After any error the truth is in Postgres: a commit whose reply was lost did happen.
        self._known = False
        events = await self._stream.read(self._position or START, BATCH, BLOCK_MS)
        if events:
            batch = fold(self._stream.queue, events)
            newest = events[-1].position
            if not await self._writer.write(batch, self._position, newest):
                return
            self._position = newest
            await self._stream.trim(newest)
        self._known = True
