"""When a connection to a server counts as dead: behind a cut cable no close arrives. Pure.

Jobs begin elsewhere four beats after the last beat that has reached the server. So what counts is when an
unanswered beat was sent, and not when the last frame arrived: that may be a beat later.
"""

UNANSWERED_BEATS = 1.5
"""For so many beats a beat may stay without its answer: two and a half after the last one with an answer."""
QUIET_BEATS = 1.0
"""A connection over which another frame arrived within so many beats is only slow."""


class Silence:
    """Of one connection. `beat_s`: seconds between two beats; `now`: seconds of one monotonic clock."""

    def __init__(self, now: float) -> None:
        self._received_at = now
        self._unanswered_since: float | None = None

    def note_beat(self, now: float) -> None:
        """A beat was sent."""
        if self._unanswered_since is None:
            self._unanswered_since = now

    def note_frame(self, now: float, *, answers_beat: bool) -> None:
        """A frame has arrived."""
        self._received_at = now
        if answers_beat:
            self._unanswered_since = None

    def forgive(self, late_s: float) -> None:
        """This process was late itself: what has arrived meanwhile is not read yet."""
        self._received_at += late_s
        if self._unanswered_since is not None:
            self._unanswered_since += late_s

    def is_dead(self, now: float, beat_s: float) -> bool:
        if self._unanswered_since is None:
            return False
        unanswered_s, quiet_s = now - self._unanswered_since, now - self._received_at
        return unanswered_s > UNANSWERED_BEATS * beat_s and quiet_s > QUIET_BEATS * beat_s

    def lasts(self, now: float, seconds: float) -> bool:
        """Whether no frame at all has arrived for so long."""
        return now - self._received_at > seconds
