"""How many more jobs this worker may take; all claimers of a worker share it."""

import asyncio

LONGEST_WAIT_S = 60.0
"""A claimer waits in portions, so that it can be distinguished from one that hangs."""


class Capacity:
    """Counts free capacity: reserve before a claim, then return what the claim did not use.

    Args:
        total: how many jobs may run at once.
        most: how many jobs may run in all; None: no limit.
        changing: `total` may change.
    """

    def __init__(self, total: int, most: int | None = None, *, changing: bool = False) -> None:
        self.total = total
        self.changing = changing
        self._free = total
        self._left = float("inf") if most is None else most
        self.given_back = 0
        """How many jobs have ended."""
        self._room = asyncio.Event()
        self._shut: set[str] = set()
        """Why nothing may be reserved now."""
        self._change(0)

    @property
    def busy(self) -> int:
        """Capacity in use: reserved for claims, or taken by running jobs."""
        return self.total - self._free

    @property
    def used_up(self) -> bool:
        """All `most` jobs have run."""
        return self._left == 0 and self.busy == 0

    async def wait_for_free(self) -> bool:
        """Wait until capacity is free, or until `wake`; False after LONGEST_WAIT_S without either."""
        if self._room.is_set():
            return True
        try:
            async with asyncio.timeout(LONGEST_WAIT_S):
                return await self._room.wait()
        except TimeoutError:
            return False

    def wake(self) -> None:
        """End all waits for free capacity, even if there is none; `reserve` then returns 0."""
        self._room.set()

    def reserve(self, wanted: int) -> int:
        """Reserve up to `wanted`. Returns how much was free."""
        taken = 0 if self._shut else int(max(min(wanted, self._free, self._left), 0))
        self._left -= taken
        self._change(-taken)
        return taken

    def occupy(self) -> None:
        """Count a job that runs already, even beyond `total`."""
        self._change(-1)

    def return_unused(self, count: int) -> None:
        """Free what was reserved and got no job; it does not count against `most`."""
        self._left += count
        self._change(count)

    def give_back(self) -> None:
        """Free the capacity of one finished job."""
        self.given_back += 1
        self._change(1)

    def resize(self, total: int) -> None:
        """Change how many jobs may run at once; jobs beyond the new total may finish."""
        assert self.changing
        change, self.total = total - self.total, total
        self._change(change)

    def shut(self, why: str) -> None:
        """Reserve nothing until `reopen` with the same reason."""
        self._shut.add(why)
        self._change(0)

    def reopen(self, why: str) -> None:
        self._shut.discard(why)
        self._change(0)

    def _change(self, free: int) -> None:
        self._free += free
        if self._free > 0 and self._left > 0 and not self._shut:
            self._room.set()
        else:
            self._room.clear()
