"""A schedule: cron, interval or once, and the one question it answers: which slot comes next."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime

import orjson

from infinitas.core.codec import from_ms, to_ms
from infinitas.core.cron import parse_cron
from infinitas.core.errors import BadSchedule
from infinitas.core.interval import Every, describe_ms, next_interval_slot

EMPTY_ARGS = "[[],{}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A stored rule that gives birth to jobs of a task; exactly one of cron, every_ms, at_ms is set.

    Attributes:
        args: JSON text `[positional, keyword]` given to every job.
        anchor_ms: where an interval counts from; fixed when the schedule is first stored.
        origin: "code" if a decorator declared it, "api" if it was added at run time.
    """

    key: str
    task: str
    cron: str | None = None
    timezone: str = "UTC"
    every_ms: int | None = None
    at_ms: int | None = None
    args: str = EMPTY_ARGS
    anchor_ms: int = 0
    origin: str = "code"

    def next_after(self, moment: datetime) -> datetime | None:
        """The first slot later than the aware `moment`, in UTC, or None if there is none."""
        if self.cron is not None:
            return parse_cron(self.cron, self.timezone).next_after(moment)
        if self.every_ms is not None:
            return from_ms(next_interval_slot(self.every_ms, self.anchor_ms, to_ms(moment)))
        assert self.at_ms is not None
        return from_ms(self.at_ms) if self.at_ms > to_ms(moment) else None

    @property
    def words(self) -> str:
        """The rule as a person would write it."""
        if self.cron is not None:
            return self.cron
        if self.every_ms is not None:
            return f"every {describe_ms(self.every_ms)}"
        assert self.at_ms is not None
        return f"once at {from_ms(self.at_ms).isoformat(timespec='seconds')}"

    @property
    def fingerprint(self) -> str:
        """Changes when the rule does; the anchor is not part of it, so a redeploy shifts nothing."""
        return hashlib.sha256(replace(self, anchor_ms=0)._json()).hexdigest()[:16]

    def to_json(self) -> str:
        return orjson.dumps({**orjson.loads(self._json()), "fingerprint": self.fingerprint}).decode()

    def _json(self) -> bytes:
        return orjson.dumps(self, option=orjson.OPT_SORT_KEYS)

    @classmethod
    def from_json(cls, text: str) -> "Schedule":
        fields = orjson.loads(text)
        fields.pop("fingerprint", None)
        return cls(**fields)


def make_schedule(
    rule: str | Every | None,
    *,
    key: str,
    task: str,
    timezone: str = "UTC",
    at: datetime | None = None,
    args: str = EMPTY_ARGS,
    now: datetime,
    origin: str = "code",
) -> Schedule:
    """A checked schedule from what a person wrote.

    Raises:
        BadSchedule: the rule is wrong or can never come true, `at` is naive, or both or neither of
            rule and `at` are given.
    """
    if (rule is None) == (at is None):
        raise BadSchedule(f"The schedule {key!r} needs either a rule (cron or every) or at=.")
    blank = Schedule(key=key, task=task, timezone=timezone, args=args, origin=origin)
    if at is not None:
        if at.tzinfo is None:
            raise BadSchedule(f"at={at.isoformat()} has no time zone; pass an aware datetime.")
        return replace(blank, at_ms=to_ms(at))
    if isinstance(rule, Every):
        return replace(blank, every_ms=rule.ms, anchor_ms=to_ms(now))
    if not isinstance(rule, str):
        raise BadSchedule(f"A schedule is cron text or every(...), not {type(rule).__name__}.")
    if parse_cron(rule, timezone).next_after(now) is None:
        raise BadSchedule(f"The cron expression {rule[:80]!r} has no slot in the years to come.")
    return replace(blank, cron=rule.strip())
