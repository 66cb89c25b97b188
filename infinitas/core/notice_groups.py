"""Makes messages of what waits for a channel: groups it, and holds back what is too much. Pure."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from infinitas.core.codec import DEFAULT_QUEUE, to_ms
from infinitas.core.incident import Incident, IncidentKind
from infinitas.core.notice import Notice, NoticeReason, Trouble

FIRST_WAIT = timedelta(seconds=0.5)
"""What happens within it is one message. The first message to a channel waits for no more than that."""
MOST_TROUBLES = 20
"""Of one message; further ones are counted by kind."""
_ORDER = {kind: place for place, kind in enumerate(IncidentKind)}
_REASONS = list(NoticeReason)


@dataclass(frozen=True, slots=True)
class Limit:
    """Messages to one channel: at most `burst` in each `period`, and `apart` from each other."""

    burst: int
    period: timedelta
    apart: timedelta


@dataclass(frozen=True, slots=True)
class Rate:
    """The token bucket of a channel. `made_at`: the last message; `held`: since then it was empty."""

    tokens: float
    filled_at: datetime
    made_at: datetime | None = None
    held: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    """An incident that a channel has to be notified of."""

    incident: Incident
    reason: NoticeReason
    rule: str


def refill(rate: Rate, limit: Limit, now: datetime) -> float:
    """How many messages may leave now."""
    passed = max((now - rate.filled_at) / limit.period, 0.0)
    return min(rate.tokens + passed * limit.burst, float(limit.burst))


def is_due(rate: Rate, limit: Limit, waits_since: datetime, now: datetime) -> bool:
    """Whether what has waited since then was gathered for long enough."""
    if now - waits_since < FIRST_WAIT:
        return False
    return rate.made_at is None or now - rate.made_at >= limit.apart


def group(waiting: Sequence[Waiting], tokens: int, *, held: bool) -> list[tuple[NoticeReason, list[Waiting]]]:
    """One message for each reason; a digest of all where that is too many, or something was held back."""
    by_reason = {r: [each for each in waiting if each.reason is r] for r in _REASONS}
    groups = [(reason, _urgent_first(found)) for reason, found in by_reason.items() if found]
    if len(groups) > tokens or (held and len(waiting) > 1):
        return [(NoticeReason.DIGEST, _urgent_first(waiting))]
    return groups


def make_notice(
    channel: str,
    reason: NoticeReason,
    waiting: Sequence[Waiting],
    now: datetime,
    describe: Callable[[Incident], Trouble],
) -> Notice:
    """The message; only the first incidents are described."""
    shown, rest = waiting[:MOST_TROUBLES], waiting[MOST_TROUBLES:]
    counted = waiting if reason is NoticeReason.DIGEST else rest
    text = "\0".join((channel, reason, str(to_ms(now)), *(each.incident.id for each in waiting)))
    return Notice(
        id=hashlib.sha256(text.encode()).hexdigest()[:24],
        reason=reason,
        channel=channel,
        at=now,
        troubles=tuple(describe(each.incident) for each in shown),
        common=common([each.incident for each in waiting]),
        held_back=dict(Counter(str(each.incident.kind) for each in counted)),
        rule=", ".join(dict.fromkeys(each.rule for each in waiting)),
    )


def common(incidents: Sequence[Incident]) -> str | None:
    """What several incidents share, as text; None: nothing."""
    if len(incidents) < 2:
        return None
    for what, values in (
        ("on worker", {each.worker for each in incidents}),
        ("with the error", {_first_line(each.error) for each in incidents}),
        ("in queue", {each.queue for each in incidents}),
    ):
        if len(values) == 1 and (value := values.pop()) not in (None, "", DEFAULT_QUEUE):
            return f"all {what} {value}"
    return None


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0][:200]


def _urgent_first(waiting: Sequence[Waiting]) -> list[Waiting]:
    return sorted(waiting, key=lambda each: _urgency(each.incident))


def _urgency(incident: Incident) -> tuple[int, int, datetime, str]:
    return _ORDER[incident.kind], -incident.count, incident.opened_at, incident.id
