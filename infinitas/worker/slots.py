"""How many more jobs this worker may take; shared by the intakes of all its queues."""

import asyncio


class Slots:
    """Counts free places. Reserve before a claim, give back when the job is over or was not there."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = total
        self._changed = asyncio.Condition()

    @property
    def busy(self) -> int:
        return self.total - self._free

    async def wait_for_free(self) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._free > 0)

    async def wait_for_idle(self) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._free == self.total)

    def reserve(self, wanted: int) -> int:
        """Take up to `wanted` places; returns how many were free to take."""
        taken = min(wanted, self._free)
        self._free -= taken
        return taken

    async def give_back(self, count: int = 1) -> None:
        async with self._changed:
            self._free += count
            self._changed.notify_all()
