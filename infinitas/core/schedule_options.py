"""Makes and changes schedules from a user's rule and options, which are checked once, here."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, TypedDict

from infinitas.core.codec import instant, to_ms
from infinitas.core.cron.expression import parse_cron
from infinitas.core.errors import BadSchedule
from infinitas.core.interval import Every, Rule, read_rule
from infinitas.core.schedule import EMPTY_ARGS, Schedule
from infinitas.core.schedule_fields import OPTIONS, CatchUp, Overlap, read_options

HORIZON = timedelta(days=5 * 366)
"""A cron expression without a slot within this time is refused: it is most likely a typing error."""


class ScheduleOptions(TypedDict, total=False):
    """Options of a schedule (docs/schedules.md); `OPTIONS` has their checks.

    timezone: IANA name, for cron. dst: "cron", "skip" or "literal". overlap: "skip", "queue",
    "replace" or "allow". catch_up: "latest", "all" or "none"; catch_up_window: seconds;
    catch_up_limit: jobs. jitter: seconds. start, end: aware datetimes, the end is exclusive.
    max_runs: jobs. grace: seconds.
    """

    timezone: str
    dst: Literal["cron", "skip", "literal"]
    overlap: Overlap
    catch_up: CatchUp
    catch_up_window: float | None
    catch_up_limit: int
    jitter: float
    start: datetime | None
    end: datetime | None
    max_runs: int | None
    grace: float | None


OPTION_NAMES = frozenset(OPTIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One of many schedules to store; exactly one of `rule` and `at` is given."""

    key: str
    rule: Rule | None = None
    at: datetime | None = None
    args: str = EMPTY_ARGS
    """JSON text `[positional, keyword]`."""


def make_schedule(
    rule: Rule | None,
    *,
    key: str,
    task: str,
    at: datetime | None = None,
    args: str = EMPTY_ARGS,
    now: datetime,
    origin: str = "code",
    options: ScheduleOptions | None = None,
) -> Schedule:
    """A checked schedule.

    Raises:
        BadSchedule: the rule or an option is wrong, the rule never has a slot, `at` is naive, or both or
            neither of rule and `at` are given.
    """
    if (rule is None) == (at is None):
        raise BadSchedule(f"The schedule {key!r} needs either a rule (cron or every) or at=.")
    blank = Schedule(key=key, task=task, args=args, origin=origin)
    return change_schedule(blank, rule, at=at, now=now, options=options)


def change_schedule(
    schedule: Schedule,
    rule: Rule | None = None,
    *,
    at: datetime | None = None,
    args: str | None = None,
    now: datetime,
    options: ScheduleOptions | None = None,
) -> Schedule:
    """`schedule` with another rule or other options; what is not given stays.

    An unchanged interval keeps its anchor. Raises BadSchedule.
    """
    if rule is not None and at is not None:
        raise BadSchedule(f"The schedule {schedule.key!r} needs either a rule (cron or every) or at=.")
    rule = read_rule(rule)
    changed = replace(schedule, **read_options(schedule.key, options or {}))
    if args is not None:
        changed = replace(changed, args=args)
    if at is not None:
        changed = replace(
            changed, cron=None, every_ms=None, at_ms=to_ms(check_moment(at, "at", schedule.key))
        )
    elif isinstance(rule, Every):
        changed = replace(changed, cron=None, at_ms=None, every_ms=rule.ms)
    elif isinstance(rule, str):
        changed = replace(changed, every_ms=None, at_ms=None, cron=" ".join(rule.split()) or rule)
        parse_cron(rule, changed.timezone, changed.dst, changed.key)
    elif rule is not None:
        raise BadSchedule(f"A schedule is cron text, every(...) or a timedelta, not {type(rule).__name__}.")
    if changed.every_ms and (changed.every_ms, changed.start_ms) != (schedule.every_ms, schedule.start_ms):
        # With a start, the first slot is the start itself.
        first = to_ms(now) if changed.start_ms is None else changed.start_ms - changed.every_ms
        changed = replace(changed, anchor_ms=first)
    _check_that_it_has_slots(changed, now)
    return changed


def _check_that_it_has_slots(schedule: Schedule, now: datetime) -> None:
    if schedule.end_ms is not None and schedule.start_ms is not None and schedule.end_ms <= schedule.start_ms:
        raise BadSchedule(f"The schedule {schedule.key!r} ends before it starts.")
    if schedule.cron is not None:
        cron = parse_cron(schedule.cron, schedule.timezone, schedule.dst, schedule.key)
        following = cron.next_after(now)
        if following is None or following > now + HORIZON:
            raise BadSchedule(
                f"The cron expression {schedule.cron[:80]!r} has no slot in the next five years.", 1
            )


def check_moment(value: object, name: str, key: str) -> datetime:
    """An aware datetime in UTC. Raises BadSchedule for anything else."""
    return instant(value, f"{name} of schedule {key!r}", BadSchedule)
