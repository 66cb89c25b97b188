"""Whether the loops of this process make progress: for systemd's watchdog and `infinitas healthcheck`."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

FAILS_AFTER_S = 30.0
"""A loop is in trouble once all of its passes have failed for so long: an outage of seconds is none."""

_running: set["Progress"] = set()
"""Of every loop that runs in this process, in any thread."""
_patience: set[object] = set()
"""One for each block that takes its time."""


class Progress:
    """The progress of one loop.

    Args:
        longest_pass_s: seconds that one pass may take before the loop hangs; None: any time.
        clock: seconds, never going back.
    """

    def __init__(
        self, name: str, longest_pass_s: float | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._longest_pass_s = longest_pass_s
        self._clock = clock
        self._begun = clock()
        self._failing_since: float | None = None
        self._fault = ""

    def __enter__(self) -> "Progress":
        _running.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        _running.discard(self)

    def begin_pass(self) -> None:
        self._begun = self._clock()

    def end_pass(self, fault: BaseException | None = None) -> None:
        """A pass has ended, with this fault or without one."""
        if fault is None:
            self._failing_since = None
        else:
            self._failing_since = self._clock() if self._failing_since is None else self._failing_since
            self._fault = " ".join(str(fault).split()) or type(fault).__name__

    @property
    def hangs(self) -> bool:
        if self._longest_pass_s is None or _patience:
            return False
        return self._clock() - self._begun > self._longest_pass_s

    @property
    def trouble(self) -> str:
        """What is wrong, for people; empty if nothing is."""
        if self.hangs:
            return f"{self._name} hangs: its pass takes {self._clock() - self._begun:,.0f} s"
        if self._failing_since is not None and self._clock() - self._failing_since > FAILS_AFTER_S:
            return f"{self._name} fails for {self._clock() - self._failing_since:,.0f} s: {self._fault}"
        return ""


@contextmanager
def taking_its_time() -> Iterator[None]:
    """While the block runs, no loop hangs: it does once what all may wait for, and may take hours."""
    waiting = object()
    _patience.add(waiting)
    try:
        yield
    finally:
        for progress in list(_running):
            progress.begin_pass()
        _patience.discard(waiting)


def any_hangs() -> bool:
    """Whether a loop of this process hangs."""
    return any(progress.hangs for progress in list(_running))


def troubles() -> list[str]:
    """What is wrong with loops of this process, for people, sorted."""
    return sorted(filter(None, (progress.trouble for progress in list(_running))))
