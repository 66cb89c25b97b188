"""Stored rules of schedules: each is read by itself, so that a bad one hides no other."""

import hashlib

import orjson

from infinitas.broker.messages import DueSlot, UnreadableSlot, moment_of_score
from infinitas.core.codec import from_ms
from infinitas.core.errors import BadSchedule
from infinitas.core.schedule import Schedule

MAX_FAULT_CHARS = 300
_REPLACED = "\ufffd"
"""The connection's replacement for bytes that are no UTF-8."""


def digest(text: str | bytes | None) -> str:
    """What scripts compare a stored text with: its SHA-1, as Redis computes it; '' for no text."""
    raw = text.encode() if isinstance(text, str) else text
    return hashlib.sha1(raw, usedforsecurity=False).hexdigest() if raw else ""


def read_rule(key: str, text: str | bytes) -> Schedule:
    """The rule stored under a key. Raises BadSchedule."""
    return _of_key(key, Schedule.from_json(text))


def read_rule_of_elsewhere(key: str, text: str | bytes) -> Schedule:
    """`read_rule`, also where the zone or the cron syntax is unknown here. Raises BadSchedule."""
    return _of_key(key, Schedule.stored(text))


def _of_key(key: str, schedule: Schedule) -> Schedule:
    if schedule.key != key:
        raise BadSchedule(f"The schedule stored under this key is that of {schedule.key!r:.80}.")
    return schedule


def read_known(key: str, text: bytes | None) -> Schedule | None:
    """The rule that a declaration compares with; None for one that can't be read, which it replaces."""
    try:
        return read_rule_of_elsewhere(key, text) if text else None
    except BadSchedule:
        return None


def why_unreadable(key: str, text: str | bytes) -> str:
    """Why a stored rule can't be read here; '' if it can."""
    try:
        read_rule(key, text)
    except BadSchedule as error:
        return str(error)[:MAX_FAULT_CHARS]
    return ""


def read_slot(key: str, score: str, text: str, seen: str) -> DueSlot | UnreadableSlot:
    """A schedule with its score in `due`; `seen` is Redis' digest of its definition."""
    slot = moment_of_score(score)
    try:
        if _REPLACED in text and digest(text) != seen:
            raise BadSchedule("The stored schedule is no UTF-8.")
        schedule = read_rule(key, text)
        if slot is None:
            raise BadSchedule(f"The next slot is stored as {score:.40}, which is no moment.")
    except BadSchedule as error:
        return UnreadableSlot(key, seen, score, slot, task_of_rule(key, text), str(error)[:MAX_FAULT_CHARS])
    return DueSlot(schedule, slot, seen, score)


def unplanned(slot: DueSlot, error: Exception) -> UnreadableSlot:
    """A slot that can be read, and not planned."""
    reason = f"It can't be planned or fired: {error or type(error).__name__}"[:MAX_FAULT_CHARS]
    rule = slot.schedule
    return UnreadableSlot(rule.key, slot.seen, slot.score, slot.slot, rule.task, reason)


def read_mark(mark: str | None) -> int:
    """A high-water mark in ms; 0 if there is none, or it is no moment."""
    try:
        ms = int(mark or 0)
        from_ms(ms)
    except (ValueError, OverflowError):
        return 0
    return ms


def read_declarer(text: str | None) -> tuple[str, int] | None:
    """Worker and start, in ms, of the code that declared a task; None if that can't be read."""
    try:
        owner = orjson.loads(text or "")
        return str(owner["worker"]), int(owner["born"])
    except (ValueError, KeyError, TypeError):
        return None


def task_of_rule(key: str, text: str | bytes) -> str:
    """The task of a rule that may be unreadable; a task's own schedule has the task's name."""
    return stated_task(text) or key


def stated_task(text: str | bytes) -> str | None:
    """The task that a rule names, as far as it can be read."""
    try:
        task = orjson.loads(text)["task"]
    except (ValueError, KeyError, TypeError, IndexError):
        return None
    return task if isinstance(task, str) else None
