"""What a person writes for a schedule, checked once, at the edge."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, TypedDict, cast

from infinitas.core.codec import instant_ms, to_ms
from infinitas.core.cron.expression import Dst, load_zone, parse_cron
from infinitas.core.errors import BadSchedule
from infinitas.core.interval import Every
from infinitas.core.names import shorten
from infinitas.core.schedule import EMPTY_ARGS, Schedule
from infinitas.core.schedule_fields import CATCH_UP, MOST_CAUGHT_UP, MOST_RUNS, OVERLAP, YEAR_S

HORIZON = timedelta(days=5 * 366)
"""An expression without a slot in so long a time is refused: somebody has mistyped it."""


class ScheduleOptions(TypedDict, total=False):
    """Options of a schedule (docs/schedules.md).

    timezone: IANA name, for cron. dst: "cron", "skip" or "literal". overlap: "skip", "queue",
    "replace" or "allow". catch_up: "latest", "all" or "none"; catch_up_window: seconds;
    catch_up_limit: jobs. jitter: seconds. start, end: aware datetimes, the end is exclusive.
    max_runs: jobs. grace: seconds.
    """

    timezone: str
    dst: Literal["cron", "skip", "literal"]
    overlap: Literal["skip", "queue", "replace", "allow"]
    catch_up: Literal["latest", "all", "none"]
    catch_up_window: float | None
    catch_up_limit: int
    jitter: float
    start: datetime | None
    end: datetime | None
    max_runs: int | None
    grace: float | None


OPTION_NAMES = frozenset(ScheduleOptions.__annotations__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One schedule to be stored together with many: exactly one of `rule` and `at`."""

    key: str
    rule: str | Every | None = None
    at: datetime | None = None
    args: str = EMPTY_ARGS
    """JSON text `[positional, keyword]`."""


def make_schedule(
    rule: str | Every | None,
    *,
    key: str,
    task: str,
    at: datetime | None = None,
    args: str = EMPTY_ARGS,
    now: datetime,
    origin: str = "code",
    options: ScheduleOptions | None = None,
) -> Schedule:
    """A checked schedule from what a person wrote.

    Raises:
        BadSchedule: the rule or an option is wrong, the rule can never come true, `at` is naive, or
            both or neither of rule and `at` are given.
    """
    if (rule is None) == (at is None):
        raise BadSchedule(f"The schedule {key!r} needs either a rule (cron or every) or at=.")
    blank = Schedule(key=key, task=task, args=args, origin=origin)
    return change_schedule(blank, rule, at=at, now=now, options=options)


def change_schedule(
    schedule: Schedule,
    rule: str | Every | None = None,
    *,
    at: datetime | None = None,
    args: str | None = None,
    now: datetime,
    options: ScheduleOptions | None = None,
) -> Schedule:
    """`schedule` with another rule or other options; what is not given stays.

    An interval that stays the same keeps its anchor. Raises BadSchedule.
    """
    if rule is not None and at is not None:
        raise BadSchedule(f"The schedule {schedule.key!r} needs either a rule (cron or every) or at=.")
    changed = replace(schedule, **_checked(schedule.key, options or {}))
    if args is not None:
        changed = replace(changed, args=args)
    if at is not None:
        changed = replace(changed, cron=None, every_ms=None, at_ms=moment_ms(at, "at", schedule.key))
    elif isinstance(rule, Every):
        changed = replace(changed, cron=None, at_ms=None, every_ms=rule.ms)
    elif isinstance(rule, str):
        changed = replace(changed, every_ms=None, at_ms=None, cron=" ".join(rule.split()) or rule)
        parse_cron(rule, changed.timezone, changed.dst, changed.key)
    elif rule is not None:
        raise BadSchedule(f"A schedule is cron text or every(...), not {type(rule).__name__}.")
    if changed.every_ms and (changed.every_ms, changed.start_ms) != (schedule.every_ms, schedule.start_ms):
        # With a start, the first slot is the start itself.
        first = to_ms(now) if changed.start_ms is None else changed.start_ms - changed.every_ms
        changed = replace(changed, anchor_ms=first)
    _check_that_it_comes_true(changed, now)
    return changed


def _check_that_it_comes_true(schedule: Schedule, now: datetime) -> None:
    if schedule.end_ms is not None and schedule.start_ms is not None and schedule.end_ms <= schedule.start_ms:
        raise BadSchedule(f"The schedule {schedule.key!r} ends before it starts.")
    if schedule.cron is not None:
        cron = parse_cron(schedule.cron, schedule.timezone, schedule.dst, schedule.key)
        following = cron.next_after(now)
        if following is None or following > now + HORIZON:
            raise BadSchedule(
                f"The cron expression {schedule.cron[:80]!r} has no slot in the next five years.", 1
            )


def _checked(key: str, options: ScheduleOptions) -> dict[str, Any]:
    """Options as fields of a `Schedule`."""
    given = cast(Mapping[str, object], options)
    if unknown := sorted(set(given) - OPTION_NAMES):
        raise BadSchedule(f"The schedule {key!r} has no option {unknown[0]!r}; see docs/schedules.md.")

    def refuse(name: str, allowed: str) -> BadSchedule:
        return BadSchedule(f"{name} of schedule {key!r} is {shorten(given[name])}; allowed: {allowed}.")

    found: dict[str, Any] = {}
    choices = (("dst", tuple(d.value for d in Dst)), ("overlap", OVERLAP), ("catch_up", CATCH_UP))
    for name, allowed in choices:
        if name in given:
            if given[name] not in allowed:
                raise refuse(name, " or ".join(map(repr, allowed)))
            found[name] = str(given[name])
    if "timezone" in given:
        if not isinstance(given["timezone"], str):
            raise refuse("timezone", "an IANA name such as 'Europe/Copenhagen'")
        load_zone(given["timezone"])
        found["timezone"] = given["timezone"]
    for name, most in (("catch_up_limit", MOST_CAUGHT_UP), ("max_runs", MOST_RUNS)):
        if name in given:
            value = given[name]
            if not (value is None and name == "max_runs") and not _whole(value, most):
                raise refuse(name, f"1 to {most:,}")
            found[name] = value
    for name in ("catch_up_window", "jitter", "grace"):
        if name in given:
            value = given[name]
            if value is None and name != "jitter":
                found[f"{name}_ms"] = None
            elif isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= YEAR_S:
                raise refuse(name, "seconds from 0 to a year")
            else:
                found[f"{name}_ms"] = round(value * 1000)
    for name in ("start", "end"):
        if name in given:
            value = given[name]
            found[f"{name}_ms"] = None if value is None else moment_ms(value, name, key)
    return found


def _whole(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def moment_ms(value: object, name: str, key: str) -> int:
    """Milliseconds since 1970 of an aware datetime. Raises BadSchedule for anything else."""
    return instant_ms(value, f"{name} of schedule {key!r}", BadSchedule)
