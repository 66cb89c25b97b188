"""Due schedules that this scheduler can't read or plan: set aside, reported once, tried again soon.

They stay in `due`, since a scheduler of another version, or with a newer time-zone database, may fire them.
"""

import time
from collections.abc import Callable, Collection, Sequence

from infinitas.broker.messages import DueFrom, DueSlot, UnreadableSlot
from infinitas.broker.schedules import Schedules
from infinitas.runtime.logging import get_logger

_log = get_logger("scheduler")
TRY_AGAIN_S = 10.0
MOST_REPORTED = 100_000


class UnreadableSchedules:
    """What one queue's ticker sets aside, and where in `due` its next read begins."""

    def __init__(self, schedules: Schedules, clock: Callable[[], float] = time.monotonic) -> None:
        self._schedules = schedules
        self._clock = clock
        self._start = DueFrom()
        self._since = clock()
        self._reported: dict[str, str] = {}

    @property
    def start(self) -> DueFrom:
        """Where to begin reading; every ten seconds the front, in case something has become readable."""
        if self._clock() - self._since >= TRY_AGAIN_S:
            self.restart()
        return self._start

    @property
    def empty(self) -> bool:
        return self._start == DueFrom()

    def restart(self) -> None:
        """Begin from the front again."""
        self._start, self._since = DueFrom(), self._clock()

    async def set_aside(
        self, found: Sequence[DueSlot | UnreadableSlot], bad: Sequence[UnreadableSlot]
    ) -> None:
        """Report new ones among `bad`; the next read skips those at the front of `found`."""
        new = [each for each in bad if self._reported.get(each.key) != each.seen]
        if new:
            await self._schedules.unreadable(new)
            for each in new:
                _log.error(
                    "Schedule %s is set aside until it is replaced: %s It is tried again every %g s; see "
                    "`infinitas schedule show`, `rm` and `add`.",
                    each.key,
                    each.reason,
                    TRY_AGAIN_S,
                )
        if len(self._reported) > MOST_REPORTED:
            self._reported.clear()
        self._reported |= {each.key: each.seen for each in new}
        self._start = _behind(self._start, found, {(each.key, each.seen) for each in bad})


def _behind(
    start: DueFrom, found: Sequence[DueSlot | UnreadableSlot], bad: Collection[tuple[str, str]]
) -> DueFrom:
    """The position behind the bad ones at the front; many may have the same score."""
    for each in found:
        key = each.key if isinstance(each, UnreadableSlot) else each.schedule.key
        if (key, each.seen) not in bad:
            break
        passed = start.passed + 1 if each.score == start.score else 1
        start = DueFrom(each.score, passed)
    return start
