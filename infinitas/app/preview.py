"""`preview(rule)`: what a rule means."""

from datetime import UTC, datetime
from typing import Unpack

from infinitas.core.codec import instant
from infinitas.core.errors import BadSchedule
from infinitas.core.interval import Rule
from infinitas.core.schedule_options import ScheduleOptions, make_schedule
from infinitas.core.schedule_preview import Preview, preview_schedule


def preview(
    rule: Rule,
    *,
    count: int = 10,
    now: datetime | None = None,
    key: str = "preview",
    **options: Unpack[ScheduleOptions],
) -> Preview:
    """Explain a rule: its meaning in English, its next slots, and what clock changes do to it.

    Needs no server.

    Args:
        rule: cron text or `every(...)`.
        count: how many slots.
        now: an aware moment; the slots follow it. Default: the present.
        key: the schedule's key, for `H`.
        options: those of a schedule (docs/schedules.md).

    Raises:
        BadSchedule: the rule, an option or `now` is wrong; for cron text with the column.
    """
    at = datetime.now(UTC) if now is None else instant(now, "now", BadSchedule)
    schedule = make_schedule(rule, key=key, task=key, now=at, options=options)
    return preview_schedule(schedule, at, count)
