"""How many more jobs this worker may take; shared by the intakes of all its queues."""

import asyncio


class Slots:
    """Counts free places. Reserve before a claim; give back what was not needed, and when a job is over.

    Args:
        total: jobs at once.
        most: jobs in all; None: without end.
    """

    def __init__(self, total: int, most: int | None = None) -> None:
        self.total = total
        self._free = total
        self._left = float("inf") if most is None else most
        self._changed = asyncio.Condition()

    @property
    def busy(self) -> int:
        return self.total - self._free

    @property
    def used_up(self) -> bool:
        """All jobs that may run have run."""
        return self._left == 0 and self.busy == 0

    async def wait_for_free(self) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._free > 0 and self._left > 0)

    def reserve(self, wanted: int) -> int:
        """Take up to `wanted` places; returns how many were free to take."""
        taken = int(max(min(wanted, self._free, self._left), 0))
        self._free -= taken
        self._left -= taken
        return taken

    async def resize(self, total: int) -> None:
        """Have so many places from now on; jobs beyond that may finish."""
        async with self._changed:
            self._free += total - self.total
            self.total = total
            self._changed.notify_all()

    async def return_unused(self, count: int) -> None:
        """Places that were reserved and for which there was no job."""
        if count:
            self._left += count
            await self.give_back(count)

    async def give_back(self, count: int = 1) -> None:
        """Places whose jobs are over."""
        async with self._changed:
            self._free += count
            self._changed.notify_all()
