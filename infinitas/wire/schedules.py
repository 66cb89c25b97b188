"""Schedules: what a request may give of a rule, and what the API shows. Durations are seconds."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from infinitas.core.codec import from_ms, to_ms
from infinitas.core.errors import BadSchedule
from infinitas.core.interval import Every, Rule, every, read_rule
from infinitas.core.job_arguments import read_args, show_args
from infinitas.core.schedule import Schedule
from infinitas.core.schedule_options import OPTION_NAMES, ScheduleOptions
from infinitas.core.schedule_records import Pause, ScheduleInfo
from infinitas.wire.arguments import ArgumentsBody, args_fields
from infinitas.wire.values import NUMBER, Flag, Instant, Name, Number, Text, Whole

_SAME = ("cron", "timezone", "dst", "overlap", "catch_up", "catch_up_limit", "max_runs")
_SECONDS = ("every", "catch_up_window", "jitter", "grace")
_MOMENTS = ("at", "start", "end", "anchor")
"""What a rule has in JSON: as in `Schedule`, or there in milliseconds under the name with `_ms`."""


class Change(ArgumentsBody):
    """A rule (one of cron, every, at), arguments and options (docs/schedules.md); durations in seconds."""

    cron: Text | None = Field(default=None, max_length=1000)
    every: Annotated[float, Field(gt=0, le=10**9), NUMBER] | None = None
    at: Instant | None = None
    timezone: Name | None = None
    dst: Literal["cron", "skip", "literal"] | None = None
    overlap: Literal["skip", "queue", "replace", "allow"] | None = None
    catch_up: Literal["latest", "all", "none"] | None = None
    catch_up_window: Number | None = None
    catch_up_limit: Whole | None = None
    jitter: Number | None = None
    start: Instant | None = None
    end: Instant | None = None
    max_runs: Whole | None = None
    grace: Number | None = None

    @classmethod
    def of(cls, schedule: Schedule) -> Self:
        """All of a rule. Not checked: its reader does that."""
        given = {**_shown(schedule), **args_fields(schedule.args)}
        fields = {name: value for name, value in given.items() if value is not None and name != "anchor"}
        return cls.model_construct(**fields)

    def rule(self) -> str | Every | None:
        """Raises BadSchedule if there are several."""
        if sum(each is not None for each in (self.cron, self.every, self.at)) > 1:
            raise BadSchedule("Give one of cron, every and at.")
        return self.cron if self.every is None else every(seconds=self.every)

    def options(self) -> ScheduleOptions:
        """The options that are given, also as null: null is a value of some."""
        given = self.model_dump(include=self.model_fields_set & OPTION_NAMES)
        return cast(ScheduleOptions, given)


def change_fields(
    rule: Rule | None, at: datetime | None, args: str | None, options: ScheduleOptions
) -> dict[str, object]:
    """The fields of a `Change` that gives only these. Not checked: the server does that."""
    rule = read_rule(rule)
    fields: dict[str, object] = {**options, **({} if args is None else args_fields(args))}
    if isinstance(rule, Every):
        fields["every"] = rule.ms / 1000
    elif rule is not None:
        fields["cron"] = rule
    if at is not None:
        fields["at"] = at
    return fields


class NewSchedule(Change):
    """A schedule of a task, stored under its key in place of that task's own; with `replace`, of any."""

    task: Name
    replace: Flag = False


class PauseBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Text = Field(min_length=1, max_length=500)
    until: Instant | None = None


class SkipBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    count: Annotated[int, Field(ge=0, le=1000), NUMBER] = 1


class BackfillBody(BaseModel):
    """Slots from `start` up to, but not with, `end` that have had no job."""

    model_config = ConfigDict(extra="forbid")

    start: Instant
    end: Instant
    limit: Annotated[int, Field(ge=1, le=100), NUMBER] = 1
    dry_run: Flag = False


class Slots(BaseModel):
    slots: list[datetime]
    known: int = 0
    """Slots in the range of a backfill that have had a job already."""


class NextSlot(BaseModel):
    """A slot of one of a task's schedules."""

    slot: datetime
    schedule: str


class RemovedSchedule(BaseModel):
    """`comes_back`: code declares it, and a worker of that code stores it again."""

    removed: str
    comes_back: bool


class RuleView(BaseModel):
    """A schedule's rule and options."""

    key: str
    task: str
    rule: str
    cron: str | None
    every: float | None
    anchor: datetime | None
    """The start that an interval counts from."""
    at: datetime | None
    timezone: str
    dst: str
    args: JsonValue
    origin: str
    overridden: bool
    overlap: str
    catch_up: str
    catch_up_window: float | None
    catch_up_limit: int
    jitter: float
    start: datetime | None
    end: datetime | None
    max_runs: int | None
    grace: float | None

    @classmethod
    def of_rule(cls, rule: Schedule, /, **state: object) -> Self:
        return cls.model_validate({**_rule_fields(rule), **state})

    def to_rule(self) -> Schedule:
        fields: dict[str, Any] = {name: getattr(self, name) for name in _SAME}
        fields |= {f"{name}_ms": _from_seconds(getattr(self, name)) for name in _SECONDS}
        fields |= {f"{name}_ms": _from_moment(getattr(self, name)) for name in _MOMENTS}
        fields["anchor_ms"] = fields["anchor_ms"] or 0
        return Schedule(
            key=self.key,
            task=self.task,
            args=read_args(self.args),
            origin=self.origin,
            # The fingerprint is not shown. Any other one than the rule's own means an override.
            declared="overridden" if self.overridden else "",
            **fields,
        )


class ScheduleView(RuleView):
    """A rule and its state."""

    queue: str
    next_slot: datetime | None
    last_slot: datetime | None
    paused: Pause | None
    skips: int
    runs: int
    live_job: str | None
    filling: int | None
    """Slots of a backfill that wait; null without one."""
    unreadable: str | None
    """What could not be read, and why; what it names has a neutral value."""

    @classmethod
    def of(cls, info: ScheduleInfo) -> Self:
        state = {name: getattr(info, name) for name in _STATE}
        state |= {"rule": "unreadable"} if info.unreadable else {}
        return cls.of_rule(info.schedule, **state)

    def to_record(self) -> ScheduleInfo:
        state: dict[str, Any] = {name: getattr(self, name) for name in _STATE}
        return ScheduleInfo(schedule=self.to_rule(), **state)


_STATE = ScheduleView.model_fields.keys() - RuleView.model_fields.keys()


@lru_cache(maxsize=4_096)
def _rule_fields(rule: Schedule) -> Mapping[str, Any]:
    """Kept, since lists show the same rules again and again."""
    return {
        **_shown(rule),
        "key": rule.key,
        "task": rule.task,
        "rule": rule.rule_text,
        "args": show_args(rule.args),
        "origin": rule.origin,
        "overridden": rule.overridden,
    }


def _shown(rule: Schedule) -> Mapping[str, Any]:
    fields: dict[str, Any] = {name: getattr(rule, name) for name in _SAME}
    fields |= {name: _to_seconds(getattr(rule, f"{name}_ms")) for name in _SECONDS}
    fields |= {name: _to_moment(getattr(rule, f"{name}_ms")) for name in _MOMENTS}
    # Of other rules the anchor means nothing.
    return fields if rule.every_ms else {**fields, "anchor": None}


def _to_seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000


def _from_seconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def _to_moment(ms: int | None) -> datetime | None:
    return None if ms is None else from_ms(ms)


def _from_moment(moment: datetime | None) -> int | None:
    return None if moment is None else to_ms(moment)


class SchedulePage(BaseModel):
    """`next` is the `cursor` of the next page; null on the last."""

    items: list[ScheduleView]
    next: str | None
