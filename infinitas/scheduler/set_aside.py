"""Due schedules that this scheduler can't read or plan: passed over, reported once, tried again soon.

They stay in `due`: a scheduler of another version, or with a newer time-zone database, may well fire them.
"""

import time
from collections.abc import Callable, Collection, Sequence

from infinitas.broker.messages import DueFrom, DueSlot, UnreadableSlot
from infinitas.broker.schedules import Schedules
from infinitas.runtime.logging import get_logger

_log = get_logger("scheduler")
TRY_AGAIN_S = 10.0
MOST_KNOWN = 100_000


class Aside:
    """What one queue's ticker passes over, and where behind it the next look at what is due begins."""

    def __init__(self, schedules: Schedules, clock: Callable[[], float] = time.monotonic) -> None:
        self._schedules = schedules
        self._clock = clock
        self._start = DueFrom()
        self._since = clock()
        self._known: dict[str, str] = {}

    @property
    def start(self) -> DueFrom:
        """Where to begin; every ten seconds from the front, for whatever may be readable by now."""
        if self._clock() - self._since >= TRY_AGAIN_S:
            self.forget_place()
        return self._start

    @property
    def empty(self) -> bool:
        return self._start == DueFrom()

    def forget_place(self) -> None:
        """Begin from the front."""
        self._start, self._since = DueFrom(), self._clock()

    async def pass_over(
        self, found: Sequence[DueSlot | UnreadableSlot], bad: Sequence[UnreadableSlot]
    ) -> None:
        """Report those of `bad` that are new; the next look leaves out those that stand in front."""
        fresh = [each for each in bad if self._known.get(each.key) != each.seen]
        if fresh:
            await self._schedules.unreadable(fresh)
            for each in fresh:
                _log.error(
                    "Schedule %s is set aside until it is replaced: %s It is tried again every %g s; see "
                    "`infinitas schedule show`, `rm` and `add`.",
                    each.key,
                    each.reason,
                    TRY_AGAIN_S,
                )
        if len(self._known) > MOST_KNOWN:
            self._known.clear()
        self._known |= {each.key: each.seen for each in fresh}
        self._start = _behind(self._start, found, {(each.key, each.seen) for each in bad})


def _behind(
    start: DueFrom, found: Sequence[DueSlot | UnreadableSlot], bad: Collection[tuple[str, str]]
) -> DueFrom:
    """The place behind the bad ones at the front; many may have the same score."""
    for each in found:
        key = each.key if isinstance(each, UnreadableSlot) else each.schedule.key
        if (key, each.seen) not in bad:
            break
        passed = start.passed + 1 if each.score == start.score else 1
        start = DueFrom(each.score, passed)
    return start
