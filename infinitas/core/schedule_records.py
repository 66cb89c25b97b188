"""A schedule as stored, with its state: what callers get."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Generic, TypeVar

from infinitas.core.codec import from_ms
from infinitas.core.job_arguments import show_args
from infinitas.core.schedule import Schedule

if TYPE_CHECKING:
    from pydantic import JsonValue

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Why and since when a schedule is paused; `until` None: until it is resumed."""

    reason: str
    since: datetime
    until: datetime | None = None


class _OfRule(Generic[T]):
    """A field of a ScheduleInfo that is computed from its rule."""

    def __init__(self, read: Callable[[Schedule], T]) -> None:
        self._read = read

    def __get__(self, info: "ScheduleInfo", _: object = None) -> T:
        return self._read(info.schedule)


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else from_ms(ms)


def _args(rule: Schedule) -> "JsonValue":
    return show_args(rule.args)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleInfo:
    """A schedule as stored, with its state; moments are aware datetimes, durations seconds.

    Attributes:
        schedule: the rule as stored. Its fields are here as well, as the HTTP API names them.
        next_slot: None once it is over.
        last_slot: the last slot that became a job or a recorded non-run.
        skips: how many of the next slots are left out.
        runs: jobs so far, counted if `max_runs` is set.
        live_job: the job of an earlier slot that has not ended.
        filling: waiting slots of a backfill, or None without one.
        unreadable: why the rule can't be read; `schedule` is a placeholder then.
    """

    schedule: Schedule
    queue: str
    next_slot: datetime | None = None
    last_slot: datetime | None = None
    paused: Pause | None = None
    skips: int = 0
    runs: int = 0
    live_job: str | None = None
    filling: int | None = None
    unreadable: str | None = None

    key = _OfRule(lambda rule: rule.key)
    task = _OfRule(lambda rule: rule.task)
    cron = _OfRule(lambda rule: rule.cron)
    every = _OfRule(lambda rule: _seconds(rule.every_ms))
    at = _OfRule(lambda rule: _moment(rule.at_ms))
    anchor = _OfRule(lambda rule: _moment(rule.anchor_ms) if rule.every_ms else None)
    args = _OfRule(_args)
    timezone = _OfRule(lambda rule: rule.timezone)
    dst = _OfRule(lambda rule: rule.dst)
    origin = _OfRule(lambda rule: rule.origin)
    overridden = _OfRule(lambda rule: rule.overridden)
    overlap = _OfRule(lambda rule: rule.overlap)
    catch_up = _OfRule(lambda rule: rule.catch_up)
    catch_up_window = _OfRule(lambda rule: _seconds(rule.catch_up_window_ms))
    catch_up_limit = _OfRule(lambda rule: rule.catch_up_limit)
    jitter = _OfRule(lambda rule: rule.jitter_ms / 1000)
    start = _OfRule(lambda rule: _moment(rule.start_ms))
    end = _OfRule(lambda rule: _moment(rule.end_ms))
    max_runs = _OfRule(lambda rule: rule.max_runs)
    grace = _OfRule(lambda rule: _seconds(rule.grace_ms))

    @property
    def rule(self) -> str:
        """The rule as a person would write it."""
        return "unreadable" if self.unreadable else self.schedule.rule_text
