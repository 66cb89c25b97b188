"""`preview(rule)`: what a rule means, before anybody relies on it."""

from datetime import UTC, datetime
from typing import Unpack

from infinitas.core.interval import Every
from infinitas.core.schedule_options import ScheduleOptions, make_schedule
from infinitas.core.schedule_preview import Preview, preview_schedule


def preview(
    rule: str | Every,
    *,
    count: int = 10,
    now: datetime | None = None,
    key: str = "preview",
    **options: Unpack[ScheduleOptions],
) -> Preview:
    """A rule in words, its next `count` slots after `now`, and what clock changes do to it.

    Needs no server. `key` is the schedule's, for `H`; the options: docs/schedules.md.

    Raises:
        BadSchedule: the rule or an option is wrong; for cron text with the column.
    """
    at = now or datetime.now(UTC)
    schedule = make_schedule(rule, key=key, task=key, now=at, options=options)
    return preview_schedule(schedule, at, count)
