"""A schedule: cron, interval or once, its policies, and its next slot."""

import hashlib
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta

import orjson

from infinitas.core.codec import from_ms, in_utc, to_ms
from infinitas.core.cron.expression import Cron, Dst, next_slot, parse_cron
from infinitas.core.interval import describe_ms, next_interval_slot
from infinitas.core.schedule_fields import read_fields

EMPTY_ARGS = "[[],{}]"
ON_TIME = timedelta(seconds=5)
"""Default grace: a slot this late still counts as on time."""
START_EXPECTED = timedelta(seconds=60)
"""Without a grace: a slot whose job has not started by then is reported."""
_MS = timedelta(milliseconds=1)
_NOT_PART_OF_THE_RULE = {"anchor_ms": 0, "declared": "", "code_rule": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A stored rule that creates jobs of a task; exactly one of cron, every_ms, at_ms is set.

    Attributes:
        dst: what happens to cron times that a clock change hides or repeats (`Dst`).
        args: the arguments of every job, as JSON text `[positional, keyword]`.
        anchor_ms: the start of an interval; fixed when the schedule is first stored.
        origin: "code" if a decorator declared it, "api" if it was added at run time.
        declared: the fingerprint of what the code declared; if it is not this rule's own, a person has
            overridden the rule.
        code_rule: what the code declared, as JSON text, while a person's change is in its place.
        overlap: while the previous job lives: "skip", "queue" (one waits), "replace", "allow".
        catch_up: which of the slots that are late beyond the grace run: "latest", "all", "none".
        catch_up_window_ms: older ones of those slots don't run.
        catch_up_limit: with "all", how many of the newest run.
        jitter_ms: longest delay of a job; each slot has a fixed delay.
        start_ms, end_ms: slots lie in this half-open range.
        max_runs: the number of jobs after which the schedule is over.
        grace_ms: how late a slot may be and still be on time; an event reports a job that has not
            succeeded by then. None: 5 s, and an event reports a job that has not started within 60 s.
    """

    key: str
    task: str
    cron: str | None = None
    timezone: str = "UTC"
    dst: str = Dst.CRON
    every_ms: int | None = None
    at_ms: int | None = None
    args: str = EMPTY_ARGS
    anchor_ms: int = 0
    origin: str = "code"
    declared: str = ""
    code_rule: str = ""
    overlap: str = "skip"
    catch_up: str = "latest"
    catch_up_window_ms: int | None = None
    catch_up_limit: int = 100
    jitter_ms: int = 0
    start_ms: int | None = None
    end_ms: int | None = None
    max_runs: int | None = None
    grace_ms: int | None = None

    def next_after(self, moment: datetime) -> datetime | None:
        """The first slot later than the aware `moment`, in UTC, or None if there is none."""
        moment = in_utc(moment)
        if self.start_ms is not None:
            moment = max(moment, from_ms(self.start_ms) - _MS)
        slot = self._next_of_rule(moment)
        return None if slot and self.end_ms is not None and to_ms(slot) >= self.end_ms else slot

    def _next_of_rule(self, moment: datetime) -> datetime | None:
        if self.cron is not None:
            return next_slot(self.parsed(self.cron), moment)
        if self.every_ms is not None:
            return from_ms(next_interval_slot(self.every_ms, self.anchor_ms, to_ms(moment)))
        assert self.at_ms is not None
        return from_ms(self.at_ms) if self.at_ms > to_ms(moment) else None

    def parsed(self, cron: str) -> Cron:
        # Only H depends on the key; without it, schedules with the same rule share a cache entry.
        return parse_cron(cron, self.timezone, self.dst, self.key if "h" in cron.lower() else "")

    @property
    def grace(self) -> timedelta:
        return ON_TIME if self.grace_ms is None else timedelta(milliseconds=self.grace_ms)

    def ready_at(self, slot: datetime) -> datetime:
        """When the job of `slot` may start: the slot plus its jitter, which depends on key and slot alone."""
        if not self.jitter_ms:
            return slot
        digest = hashlib.sha256(f"{self.key}@{to_ms(slot)}".encode()).digest()
        return slot + _MS * (int.from_bytes(digest[:8], "big") % self.jitter_ms)

    def expected_by(self, slot: datetime) -> datetime:
        """When a job of `slot` that has not started, or succeeded, is overdue."""
        patience = START_EXPECTED if self.grace_ms is None else timedelta(milliseconds=self.grace_ms)
        return self.ready_at(slot) + patience

    @property
    def rule_text(self) -> str:
        """The rule as a user would write it."""
        if self.cron is not None:
            return self.cron
        if self.every_ms is not None:
            return f"every {describe_ms(self.every_ms)}"
        assert self.at_ms is not None
        return f"once at {from_ms(self.at_ms).isoformat(timespec='seconds')}"

    @property
    def fingerprint(self) -> str:
        """A digest of the rule without its anchor, so that a redeploy shifts nothing."""
        rule = replace(self, anchor_ms=0, declared="", code_rule="")
        return hashlib.sha256(rule.to_json().encode()).hexdigest()[:16]

    @property
    def overridden(self) -> bool:
        """Whether a person has changed what the code declares."""
        return self.origin == "code" and self.declared not in ("", self.fingerprint)

    def renamed(self, key: str, task: str) -> "Schedule":
        """The same rule under another key, or for a task of another name. An override stays one."""
        rule = replace(self, key=key, task=task, code_rule="")
        if self.code_rule:
            code = Schedule.stored(self.code_rule).renamed(key, task)
            return replace(rule, declared=code.fingerprint, code_rule=code.to_json())
        return replace(rule, declared=rule.fingerprint) if self.declared and not self.overridden else rule

    def differences(self, other: "Schedule") -> list[str]:
        """Names of the rule's fields in which `other` differs."""
        return [
            field.name
            for field in fields(self)
            if field.name not in _NOT_PART_OF_THE_RULE
            and getattr(self, field.name) != getattr(other, field.name)
        ]

    def to_json(self) -> str:
        """JSON with sorted names, without fields that have their default value."""
        given = {
            field.name: value
            for field in _FIELDS
            if (value := getattr(self, field.name)) != field.default or field.name in ("key", "task")
        }
        return orjson.dumps(given).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> "Schedule":
        """The stored rule, without options that a newer version added.

        Raises:
            BadSchedule: this version, with its time-zone database, can't read it.
        """
        schedule = cls.stored(text)
        if schedule.cron is not None:
            schedule.parsed(schedule.cron)
        return schedule

    @classmethod
    def stored(cls, text: str | bytes) -> "Schedule":
        """`from_json`, but accepting an unknown zone or cron syntax, with which it has no slots.

        Raises:
            BadSchedule: its fields can't be read.
        """
        return cls(**read_fields(text))


_FIELDS = sorted(fields(Schedule), key=lambda field: field.name)
