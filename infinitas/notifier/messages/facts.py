"""What a message reports of one trouble: a headline, and facts by name. Broken data is left out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from pydantic_core import from_json, to_json

from infinitas.core.incident import Incident, IncidentKind
from infinitas.core.interval import describe_ms
from infinitas.core.notice import Notice, NoticeReason, Trouble
from infinitas.core.plural import counted
from infinitas.notifier.messages.safe_text import line

MAX_NAME_CHARS = 120
MAX_ARGUMENTS_CHARS = 400
MAX_ZONE_CHARS = 64
MOST_TROUBLES = 10
"""Of a group that are shown each; the others are counted."""
_VERBS: Mapping[str, tuple[str, str]] = {
    IncidentKind.FAILING: ("fails", "succeeds again"),
    IncidentKind.MISSED: ("missed a run", "runs again"),
    IncidentKind.LATE: ("is late", "is in time again"),
    IncidentKind.SLOW: ("is slow", "is as fast as usual again"),
    IncidentKind.TIMED_OUT: ("timed out", "ends in time again"),
    IncidentKind.LOST: ("was lost with its worker", "runs again"),
    IncidentKind.QUARANTINED: ("was quarantined: its workers crashed", "runs again"),
    IncidentKind.NO_WORKER: ("has no worker", "has a worker again"),
    IncidentKind.BACKLOG: ("has a backlog", "has no backlog any more"),
    IncidentKind.WORKER_LOST: ("was lost", "is replaced: every task has a worker"),
    IncidentKind.PAUSED_TOO_LONG: ("is paused for long", "is no longer paused"),
    IncidentKind.ARCHIVE_LAGGING: ("is behind", "has caught up"),
    IncidentKind.SCHEDULE_INVALID: ("has an invalid schedule", "has a valid schedule again"),
    IncidentKind.REDIS_AMISS: ("needs attention", "is well again"),
    IncidentKind.SYSTEM_AMISS: ("needs attention", "is well again"),
    IncidentKind.CHANNEL_FAILING: ("does not deliver", "delivers again"),
}
_LABELS: Mapping[str, str] = {
    IncidentKind.MISSED: "with missed runs",
    IncidentKind.TIMED_OUT: "timed out",
    IncidentKind.LOST: "lost with a worker",
    IncidentKind.NO_WORKER: "without a worker",
    IncidentKind.BACKLOG: "with a backlog",
    IncidentKind.WORKER_LOST: "lost",
    IncidentKind.PAUSED_TOO_LONG: "paused for long",
    IncidentKind.ARCHIVE_LAGGING: "behind",
    IncidentKind.SCHEDULE_INVALID: "with an invalid schedule",
    IncidentKind.CHANNEL_FAILING: "not delivering",
}
_NOUNS: Mapping[str, str] = {
    IncidentKind.WORKER_LOST: "Worker ",
    IncidentKind.CHANNEL_FAILING: "Channel ",
}
_COUNTED: Mapping[str, str] = {
    IncidentKind.MISSED: "missed run",
    IncidentKind.CHANNEL_FAILING: "failed delivery",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """A value with its name. `link`: the value is a URL."""

    name: str
    value: str
    link: bool = False


def subject_of(trouble: Trouble) -> str:
    incident = trouble.incident
    subject = line(incident.subject, MAX_NAME_CHARS)
    queue, _, what = subject.rpartition(" ")
    if incident.kind == IncidentKind.ARCHIVE_LAGGING:
        return f"The {what.partition(':')[2] or what} of queue {queue}"
    if incident.kind == IncidentKind.REDIS_AMISS:
        return f"Redis ({what.partition(':')[2] or what}) of queue {queue}"
    if incident.kind == IncidentKind.SYSTEM_AMISS:
        return f"The installation ({what.partition(':')[2] or what}, queue {queue})"
    return _NOUNS.get(incident.kind, "") + subject


def label_of(kind: str) -> str:
    """A kind behind a noun: 14 tasks *without a worker*."""
    return _LABELS.get(kind) or line(kind, MAX_NAME_CHARS).replace("_", " ")


def headline(notice: Notice) -> str:
    """The whole message in one line, of at most 500 characters."""
    if notice.reason == NoticeReason.TEST:
        return f"Test of the channel {line(notice.channel, MAX_NAME_CHARS)}"
    if notice.reason == NoticeReason.DIGEST:
        return f"Digest: {counted(sum(number for number, _ in _counts(notice)), 'incident')}"
    if not notice.troubles:
        return f"Infinitas: {line(notice.reason)} (its details can't be shown)"
    if len(notice.troubles) > 1:
        return line(_group(notice))
    trouble = notice.troubles[0]
    text = f"{subject_of(trouble)} {_verb(trouble.incident, notice.reason)}"
    return line(_PREFIXES.get(notice.reason, "") + text)


_PREFIXES = {NoticeReason.REMINDER: "Still: ", NoticeReason.RECOVERED: "Recovered: "}


def facts(trouble: Trouble, notice: Notice) -> list[Fact]:
    """The facts of one trouble, the most useful first."""
    recovered = notice.reason == NoticeReason.RECOVERED
    found: list[Fact] = []
    for name, value_of in _RECOVERY if recovered else _OPEN:
        try:
            value = value_of(trouble, notice.at)
        except Exception:  # noqa: BLE001 - data of any form: one fact less, not a message less
            value = None
        if value:
            found.append(Fact(name, value))
    if trouble.runbook:
        found.append(Fact("Runbook", line(trouble.runbook), link=_is_url(trouble.runbook)))
    if trouble.link:
        found.append(Fact("Open", line(trouble.link), link=_is_url(trouble.link)))
    return found


def cause(notice: Notice) -> str:
    """Why this channel got the message."""
    if notice.reason == NoticeReason.TEST:
        return "A person tested this channel."
    rule = f" by the rule {line(notice.rule, MAX_NAME_CHARS)}" if notice.rule else ""
    return f"Sent to the channel {line(notice.channel, MAX_NAME_CHARS)}{rule}. {_WHY.get(notice.reason, '')}"


_WHY = {
    NoticeReason.OPENED: "The incident was opened; you get a reminder while it lasts, and its recovery.",
    NoticeReason.REMINDER: "The incident is still open; acknowledge or mute it to end the reminders.",
    NoticeReason.RECOVERED: "The incident is closed.",
    NoticeReason.FLAPPING: "It opens and closes again and again: this is sent once, until it is quiet.",
    NoticeReason.DIGEST: "The channel's limit was reached: this sums up what was held back.",
}


def held_back(notice: Notice) -> list[str]:
    """Incidents by kind: of a digest all, else those beside the troubles; the largest number first."""
    more = "" if notice.reason == NoticeReason.DIGEST else "more "
    return [f"{number:,} {more}{label_of(kind)}" for number, kind in _counts(notice)]


def when(moment: datetime | None, zone: str = "UTC") -> str:
    """`Fri 27 Nov 2026 14:00:05 CET`; '' for what is no moment."""
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        return ""
    try:
        local = moment.astimezone(ZoneInfo(zone if len(zone) <= MAX_ZONE_CHARS else "UTC"))
    except (ValueError, OSError, OverflowError, KeyError):  # An unknown zone is a KeyError.
        local = moment.astimezone(UTC)
    return f"{local:%a %d %b %Y %H:%M:%S %Z}"


def span(since: datetime | None, until: datetime | None) -> str:
    """How long, `3m 20s`; '' if it is not known."""
    try:
        ms = (until - since) // timedelta(milliseconds=1)  # type: ignore[operator]
    except TypeError:
        return ""
    return describe_ms(max(ms - ms % 1000, 0)) if ms >= 1000 else "under a second"


def error_line(trouble: Trouble) -> str:
    """The first line of the error that is not empty."""
    error = trouble.incident.error
    lines = (each.strip() for each in (error[:10_000] if error else "").splitlines())
    return line(next(filter(None, lines), ""))


def _group(notice: Notice) -> str:
    counts = _counts(notice)
    number = len(notice.troubles) + sum(each for each, _ in counts)
    kinds = {str(trouble.incident.kind) for trouble in notice.troubles} | {kind for _, kind in counts}
    tasks = all(trouble.incident.task for trouble in notice.troubles)
    noun = counted(number, "task" if tasks else "incident")
    kind = next(iter(kinds)) if len(kinds) == 1 else None
    if notice.reason == NoticeReason.RECOVERED:
        text = f"Recovered: {noun}"
    elif tasks and kind is not None:
        text = f"{_PREFIXES.get(notice.reason, '')}{noun} {label_of(kind)}"
    else:
        text = f"{_PREFIXES.get(notice.reason, '')}{noun} in trouble"
    return f"{text}, {line(notice.common)}" if notice.common else text


def _verb(incident: Incident, reason: NoticeReason) -> str:
    if reason == NoticeReason.FLAPPING:
        return f"is flapping: {label_of(incident.kind)} and recovered, again and again"
    broken, well = _VERBS.get(incident.kind, (line(incident.kind), "has recovered"))
    return well if reason == NoticeReason.RECOVERED else broken


def _since(trouble: Trouble, at: datetime) -> str:
    opened = trouble.incident.opened_at
    return f"{when(opened, trouble.timezone)} ({span(opened, at)})"


def _lasted(trouble: Trouble, at: datetime) -> str:
    incident = trouble.incident
    return span(incident.opened_at, incident.closed_at or at)


def _times(trouble: Trouble, _: datetime) -> str:
    incident = trouble.incident
    noun = _COUNTED.get(incident.kind, "occurrence")
    return counted(incident.count, noun) if incident.count > 1 else ""


def _attempt(trouble: Trouble, _: datetime) -> str:
    if trouble.attempt is None or trouble.attempts == 1:
        return ""
    return f"{trouble.attempt} of {trouble.attempts}" if trouble.attempts else str(trouble.attempt)


def _arguments(text: str) -> str:
    """Stored arguments as a call has them: `42, day="Monday"`; what is no JSON, as it is."""
    try:
        positional, named = from_json(text)
        parts = [to_json(each).decode() for each in positional]
        parts += [f"{name}={to_json(value).decode()}" for name, value in named.items()]
    except (ValueError, TypeError, AttributeError):
        return text
    return ", ".join(parts)


def _last_success(trouble: Trouble, at: datetime) -> str:
    success = trouble.last_success_at
    return f"{span(success, at)} ago ({when(success, trouble.timezone)})" if success else ""


def _schedule(trouble: Trouble, _: datetime) -> str:
    return f"{line(trouble.schedule)} ({line(trouble.timezone, 60)})" if trouble.schedule else ""


def _acknowledged(trouble: Trouble, _: datetime) -> str:
    incident = trouble.incident
    if not incident.acknowledged_by:
        return ""
    return f"by {line(incident.acknowledged_by, MAX_NAME_CHARS)}"


_ValueOf = Callable[[Trouble, datetime], str | None]
_JOB: list[tuple[str, _ValueOf]] = [
    ("Next run", lambda trouble, _: when(trouble.next_slot_at, trouble.timezone)),
    ("Schedule", _schedule),
    ("Worker", lambda trouble, _: line(trouble.incident.worker or "", MAX_NAME_CHARS)),
    ("Job", lambda trouble, _: line(trouble.incident.job or "", 260)),
]
_OPEN: list[tuple[str, _ValueOf]] = [
    ("Error", lambda trouble, _: error_line(trouble)),
    ("Since", _since),
    ("So far", _times),
    ("Attempt", _attempt),
    ("Last success", _last_success),
    *_JOB,
    ("Arguments", lambda trouble, _: line(_arguments(trouble.arguments or ""), MAX_ARGUMENTS_CHARS)),
    ("Acknowledged", _acknowledged),
    ("Owner", lambda trouble, _: line(trouble.owner or "", MAX_NAME_CHARS)),
]
_RECOVERY: list[tuple[str, _ValueOf]] = [
    ("Lasted", _lasted),
    ("Runs missed", lambda trouble, _: str(trouble.incident.missed) if trouble.incident.missed else ""),
    ("In all", _times),
    ("Was", lambda trouble, _: error_line(trouble)),
    *_JOB[:2],
    ("Owner", lambda trouble, _: line(trouble.owner or "", MAX_NAME_CHARS)),
]


def _is_url(text: str) -> bool:
    return text.startswith(("https://", "http://")) and text.isprintable() and " " not in text


def _counts(notice: Notice) -> list[tuple[int, str]]:
    found = notice.held_back.items()
    counts = [(number, str(kind)) for kind, number in found if isinstance(number, int) and number > 0]
    return sorted(counts, key=lambda count: (-count[0], count[1]))
