"""`infinitas preview --versus croniter`: where another program would have fired a rule differently."""

from datetime import datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from infinitas.core.errors import BadSchedule, ConfigError
from infinitas.core.schedule import Schedule

SPAN = timedelta(days=366)
MOST = 100_000


class Comparison(BaseModel):
    """Slots of the next year, or of its first 100,000 slots, that only one of both has."""

    rule: str
    timezone: str
    until: datetime
    same: int
    only_here: list[datetime]
    only_there: list[datetime]


def versus_croniter(schedule: Schedule, now: datetime) -> Comparison:
    """Compare the slots of a cron rule with those of croniter.

    Raises:
        BadSchedule: the rule is no cron text, or croniter refuses it. ConfigError: croniter is not installed.
    """
    if schedule.cron is None:
        raise BadSchedule("Only cron text is compared: croniter has no intervals.")
    own: list[datetime] = []
    slot = schedule.next_after(now)
    while slot is not None and slot <= now + SPAN and len(own) < MOST:
        own.append(slot)
        slot = schedule.next_after(slot)
    until = own[-1] if len(own) == MOST else now + SPAN
    theirs = _croniter_slots(schedule.cron, schedule.timezone, now, until)
    return Comparison(
        rule=schedule.rule_text,
        timezone=schedule.timezone,
        until=until,
        same=len(set(own) & set(theirs)),
        only_here=sorted(set(own) - set(theirs)),
        only_there=sorted(set(theirs) - set(own)),
    )


def _croniter_slots(cron: str, timezone: str, now: datetime, until: datetime) -> list[datetime]:
    try:
        from croniter import CroniterError, croniter
    except ImportError:
        raise ConfigError("--versus croniter needs croniter: pip install 'infinitas[croniter]'.") from None
    try:
        found = croniter(
            cron, now.astimezone(ZoneInfo(timezone)), ret_type=datetime, second_at_beginning=True
        )
        # By the instant: of a repeated hour both times have the same clock.
        slots = (datetime.fromtimestamp(each.timestamp(), now.tzinfo) for each in found.all_next(datetime))
        return list(takewhile(lambda slot: slot <= until, slots))
    except CroniterError as error:
        raise BadSchedule(f"croniter refuses {cron!r}: {error}") from None
