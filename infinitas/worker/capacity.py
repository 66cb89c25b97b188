"""How many more jobs this worker may take; shared by the intakes of all its queues."""

import asyncio


class Capacity:
    """Counts free places. Reserve before a claim; give back what was not needed, and when a job is over.

    Args:
        total: jobs at once.
        most: jobs in all; None: without end.
        changing: `total` may change.
    """

    def __init__(self, total: int, most: int | None = None, *, changing: bool = False) -> None:
        self.total = total
        self.changing = changing
        self._free = total
        self._left = float("inf") if most is None else most
        self._room = asyncio.Event()
        self._change(0)

    @property
    def busy(self) -> int:
        return self.total - self._free

    @property
    def used_up(self) -> bool:
        """All jobs that may run have run."""
        return self._left == 0 and self.busy == 0

    async def wait_for_free(self) -> None:
        await self._room.wait()

    def wake(self) -> None:
        """End all waits for a free place, though there may be none: `reserve` shows."""
        self._room.set()

    def reserve(self, wanted: int) -> int:
        """Take up to `wanted` places; returns how many were free to take."""
        taken = int(max(min(wanted, self._free, self._left), 0))
        self._left -= taken
        self._change(-taken)
        return taken

    def occupy(self) -> None:
        """Take a place for a job that runs already, free or not."""
        self._change(-1)

    def return_unused(self, count: int) -> None:
        """Places that were reserved and for which there was no job."""
        self._left += count
        self._change(count)

    def give_back(self) -> None:
        """The place of a job that is over."""
        self._change(1)

    def resize(self, total: int) -> None:
        """Have so many places from now on; jobs beyond that may finish."""
        assert self.changing
        change, self.total = total - self.total, total
        self._change(change)

    def _change(self, free: int) -> None:
        self._free += free
        if self._free > 0 and self._left > 0:
            self._room.set()
        else:
            self._room.clear()
