"""What each field of a stored schedule may hold: another version, or a person, may have written anything."""

from collections.abc import Callable
from typing import Any

import orjson

from infinitas.core.codec import AFTER_LAST_MS
from infinitas.core.cron.expression import Dst
from infinitas.core.errors import BadSchedule
from infinitas.core.interval import MAX_INTERVAL_MS, MIN_INTERVAL_MS

OVERLAP = ("skip", "queue", "replace", "allow")
CATCH_UP = ("latest", "all", "none")
MOST_CAUGHT_UP = 1000
MOST_RUNS = 10**9
YEAR_S = 366 * 86_400
_KINDS = ("cron", "every_ms", "at_ms")
_SHOWN = 60

Check = Callable[[object], bool]


def read_fields(text: str | bytes) -> dict[str, Any]:
    """The fields of a stored schedule, without options that a newer version added.

    Raises:
        BadSchedule: it is no JSON object, lacks its key, task or rule, or a field holds what it can't.
    """
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadSchedule(f"The stored schedule is no JSON: {str(error)[:_SHOWN]}.") from None
    if not isinstance(found, dict):
        raise BadSchedule(f"The stored schedule is no JSON object but {type(found).__name__}.")
    known = {name: value for name, value in found.items() if name in _CHECKS}
    for name, value in known.items():
        if not _CHECKS[name](value):
            raise BadSchedule(f"The stored schedule has {name}={value!r:.60}, which this version can't read.")
    if "key" not in known or "task" not in known:
        raise BadSchedule("The stored schedule has no key or no task.")
    if len([kind for kind in _KINDS if known.get(kind) is not None]) != 1:
        raise BadSchedule(
            "The stored schedule needs one rule that this version knows: cron, every_ms, at_ms."
        )
    return known


def _whole(low: int, high: int) -> Check:
    def check(value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

    return check


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _one_of(*allowed: str) -> Check:
    return lambda value: isinstance(value, str) and value in allowed


def _text(value: object) -> bool:
    return isinstance(value, str)


def _name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


_moment = _whole(0, AFTER_LAST_MS)
_span = _whole(0, YEAR_S * 1000)
_CHECKS: dict[str, Check] = {
    "key": _name,
    "task": _name,
    "cron": _or_none(_text),
    "timezone": _name,
    "dst": _one_of(*(each.value for each in Dst)),
    "every_ms": _or_none(_whole(MIN_INTERVAL_MS, MAX_INTERVAL_MS)),
    "at_ms": _or_none(_moment),
    "args": _name,
    # With a start, an interval counts from one interval before it.
    "anchor_ms": _whole(-MAX_INTERVAL_MS, AFTER_LAST_MS),
    "origin": _one_of("code", "api"),
    "declared": _text,
    "overlap": _one_of(*OVERLAP),
    "catch_up": _one_of(*CATCH_UP),
    "catch_up_window_ms": _or_none(_span),
    "catch_up_limit": _whole(1, MOST_CAUGHT_UP),
    "jitter_ms": _span,
    "start_ms": _or_none(_moment),
    "end_ms": _or_none(_moment),
    "max_runs": _or_none(_whole(1, MOST_RUNS)),
    "grace_ms": _or_none(_span),
}
