"""What one attempt has reported and Redis has not stored yet: log lines, progress, checkpoint."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import orjson

from infinitas.broker.messages import Report
from infinitas.tasks.job import OnError


@dataclass(frozen=True, slots=True)
class Line:
    """One log line. `on_error` is called if it could not be sent, `on_stored` once Redis has it."""

    seq: int
    at_ms: int
    level: str
    text: str
    on_error: OnError | None = None
    on_stored: Callable[[], object] | None = None


@dataclass(slots=True, kw_only=True)
class Unsent:
    """Unsent log lines, progress and checkpoint of one attempt; the latest value wins.

    Not thread-safe: the outbox's lock guards it.
    """

    queue: str
    job: str
    attempt: int
    lines: deque[Line] = field(default_factory=deque)
    chars: int = 0
    progress: float | None = None
    step: str | None = None
    checkpoint: str | None = None
    checkpoint_answers: list[Future[bool]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not self.lines and (self.progress, self.step, self.checkpoint) == (None, None, None)

    def add_line(self, line: Line) -> None:
        self.lines.append(line)
        self.chars += len(line.text)

    def lines_within(self, budget_chars: int) -> tuple[int, int]:
        """Returns how many of the oldest lines fill the budget, and how many characters they have."""
        count = chars = 0
        while count < len(self.lines) and chars < budget_chars:
            chars += len(self.lines[count].text)
            count += 1
        return count, chars

    def report(self, count: int) -> Report:
        """The message for Redis: the oldest `count` lines, and the present values."""
        texts = [[x.seq, x.at_ms, x.level, x.text] for x in (self.lines[i] for i in range(count))]
        return Report(
            job=self.job,
            attempt=self.attempt,
            lines=orjson.dumps(texts).decode() if texts else None,
            progress=self.progress,
            step=self.step,
            checkpoint=self.checkpoint,
        )

    def remove(self, count: int, sent: Report) -> tuple[list[Line], list[Future[bool]]]:
        """Remove the oldest `count` lines, and the values of `sent` that have not changed since.

        Returns:
            The lines, and the futures that wait for the checkpoint.
        """
        lines = [self.lines.popleft() for _ in range(count)]
        self.chars -= sum(len(line.text) for line in lines)
        answers: list[Future[bool]] = []
        if self.progress == sent.progress:
            self.progress = None
        if self.step == sent.step:
            self.step = None
        if self.checkpoint == sent.checkpoint:
            self.checkpoint = None
            answers, self.checkpoint_answers = self.checkpoint_answers, answers
        return lines, answers
