"""The life of a process as it reports it: whether it is ready, and a line of counts."""

import asyncio
from collections.abc import Callable


class Life:
    """What one process reports of itself to systemd and in Redis."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        """Set once the servers that the process needs have answered."""
        self._describe: dict[str, Callable[[], str]] = {}

    def begin(self, part: str, describe: Callable[[], str]) -> None:
        """A part of the process, such as the scheduler, is ready. `describe` returns its line at any time."""
        self._describe[part] = describe
        self.ready.set()

    @property
    def status(self) -> str:
        """One line, e.g. "42 tasks, 3 running, 1,204 done"."""
        return "; ".join(describe() for describe in self._describe.values()) or "Waiting for its servers"
