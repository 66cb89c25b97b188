"""Rules: which channels are notified of which incidents. Mutes: none is. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from infinitas.core.cron.expression import load_zone
from infinitas.core.errors import BadArgs, Refused
from infinitas.core.incident import Incident, IncidentKind
from infinitas.core.names import MAX_REASON_CHARS, check_text, shorten
from infinitas.core.numbers import is_number
from infinitas.core.quiet_hours import QuietHours, read_quiet_hours
from infinitas.core.task_definition import TaskDefinition

MOST_RULES = 200
MOST_LISTED = 50
MAX_GLOB_CHARS = 200
MAX_NAME_CHARS = 63
LONGEST_REMINDER_S = 31 * 86_400
CODE_RULE = "notify= of the task"
REMIND_EVERY_S = 4 * 3600.0
PLUGINS = "plugins:"
"""Stands for the hooks of plugins among the channels; no channel has a colon in its name."""
ALL = "*"
MOST_STARS = 5


class BadRule(BadArgs):
    """A rule has a value that is not allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyRule:
    """Its channels are notified of incidents that match it.

    Attributes:
        tasks: glob of the task's name; for kinds without a task of the worker, schedule or queue.
        tags: only tasks that have one of them; empty: all.
        kinds: only these kinds; empty: all.
        remind_every: seconds after which a message about a still open incident is repeated; 0: never.
        quiet: `22:00-07:00`: messages wait until this is over. timezone: of these times.
        urgent: kinds whose messages do not wait.
    """

    name: str
    channels: Sequence[str]
    tasks: str = ALL
    tags: Sequence[str] = ()
    kinds: Sequence[str] = ()
    remind_every: float = REMIND_EVERY_S
    quiet: str = ""
    timezone: str = "UTC"
    urgent: Sequence[str] = ()
    hours: QuietHours | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("channels", "tags", "kinds", "urgent"):
            if isinstance(value := getattr(self, name), list):
                object.__setattr__(self, name, tuple(value))
        names = f"a list of names, each of 1 to {MAX_NAME_CHARS} printable characters"
        self._check("name", f"1 to {MAX_NAME_CHARS} printable characters", _is_name)
        self._check("channels", f"at least one of {names}", lambda v: bool(v) and _are(v, _is_name))
        self._check("tasks", f"a glob of up to {MAX_GLOB_CHARS} characters", is_glob)
        self._check("tags", names, lambda v: _are(v, _is_name))
        for name in ("kinds", "urgent"):
            self._check(name, f"some of {', '.join(IncidentKind)}", lambda v: _are(v, _is_kind))
        seconds = f"seconds from 60 to {LONGEST_REMINDER_S:,}, or 0 for never"
        self._check("remind_every", seconds, _is_reminder)
        self._check("timezone", "a name such as Europe/Copenhagen", lambda v: isinstance(v, str))
        zone = load_zone(self.timezone)
        hours = read_quiet_hours(self.quiet, zone) if isinstance(self.quiet, str) and self.quiet else None
        object.__setattr__(self, "hours", hours)
        self._check("quiet", "two different times such as 22:00-07:00", lambda v: v == "" or hours)

    def _check(self, option: str, allowed: str, right: Callable[[Any], object]) -> None:
        value = getattr(self, option)
        if not right(value):
            raise BadRule(
                f"{option} of the rule {shorten(self.name)} is {shorten(value)}; allowed: {allowed}."
            )

    def matches(self, incident: Incident, tags: Sequence[str]) -> bool:
        if self.kinds and incident.kind not in self.kinds:
            return False
        if self.tags and not set(self.tags) & set(tags):
            return False
        return fnmatchcase(incident.task or incident.subject, self.tasks)

    def not_before(self, incident: Incident, now: datetime) -> datetime | None:
        """When its message may leave; None: now."""
        if self.hours is None or incident.kind in self.urgent:
            return None
        return self.hours.until(now)

    @property
    def values(self) -> dict[str, Any]:
        """Everything but the name, as plain JSON values."""
        return {
            each.name: getattr(self, each.name) for each in fields(self) if each.init and each.name != "name"
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute:
    """Until then no message about these incidents leaves. Without kinds: about none."""

    id: int
    tasks: str
    kinds: Sequence[str]
    until: datetime
    reason: str
    actor: str
    created_at: datetime
    ended_at: datetime | None = None

    def covers(self, incident: Incident, now: datetime) -> bool:
        if self.ended_at is not None or now >= self.until:
            return False
        if self.kinds and incident.kind not in self.kinds:
            return False
        return fnmatchcase(incident.task or incident.subject, self.tasks)


@dataclass(frozen=True, slots=True, kw_only=True)
class MuteRequest:
    """A mute that a person wants. Raises BadRule: a value is not allowed."""

    tasks: str
    kinds: Sequence[str]
    until: datetime
    reason: str

    def __post_init__(self) -> None:
        if not is_glob(self.tasks):
            raise BadRule(f"tasks is {shorten(self.tasks)}; allowed: a glob with up to {MOST_STARS} stars.")
        if not _are(tuple(self.kinds), _is_kind):
            raise BadRule(f"kinds is {shorten(self.kinds)}; allowed: some of {', '.join(IncidentKind)}.")
        check_text(self.reason, "reason", MAX_REASON_CHARS)
        if not self.reason.strip():
            raise BadRule("A mute needs a reason.")


@dataclass(frozen=True, slots=True)
class Announcement:
    """A channel is notified of an incident, by this rule; `not_before` None: at once."""

    incident: str
    channel: str
    rule: str
    not_before: datetime | None


def read_rule(name: str, values: Mapping[str, object], refuse: type[Refused] = BadRule) -> NotifyRule:
    """A rule from outside. Raises BadRule, BadSchedule (an unknown time zone)."""
    known = {each.name for each in fields(NotifyRule) if each.init} - {"name"}
    if unknown := [each for each in values if each not in known]:
        allowed = ", ".join(sorted(known))
        raise refuse(f"The rule {shorten(name)} has no option {shorten(unknown[0])}; it has: {allowed}.")
    if "channels" not in values:
        raise refuse(f"The rule {shorten(name)} needs channels.")
    return NotifyRule(name=name, **values)  # type: ignore[arg-type]


def announcements_of(
    incident: Incident,
    task: TaskDefinition | None,
    rules: Iterable[NotifyRule],
    mutes: Iterable[Mute],
    now: datetime,
) -> list[Announcement]:
    """The channels that are notified of an incident: each once, by the first rule that chooses it."""
    if any(mute.covers(incident, now) for mute in mutes):
        return []
    if task is not None and task.notify is not None:
        return [Announcement(incident.id, channel, CODE_RULE, None) for channel in dict.fromkeys(task.notify)]
    # The messages of this channel do not arrive.
    failing = incident.subject if incident.kind is IncidentKind.CHANNEL_FAILING else None
    found: dict[str, Announcement] = {}
    for rule in rules:
        if rule.matches(incident, task.tags if task else ()):
            not_before = rule.not_before(incident, now)
            for channel in rule.channels:
                if channel == failing:
                    continue
                found.setdefault(channel, Announcement(incident.id, channel, rule.name, not_before))
    return list(found.values())


def is_glob(value: object) -> bool:
    # fnmatch takes long for many stars in a row of text.
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_GLOB_CHARS
        and value.isprintable()
        and value.count(ALL) <= MOST_STARS
    )


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME_CHARS and value.isprintable()


def _is_kind(value: object) -> bool:
    return isinstance(value, str) and value in set(IncidentKind)


def _is_reminder(value: object) -> bool:
    return is_number(value) and (value == 0 or 60 <= value <= LONGEST_REMINDER_S)


def _are(values: object, right: Callable[[object], bool]) -> bool:
    return isinstance(values, tuple) and len(values) <= MOST_LISTED and all(map(right, values))
