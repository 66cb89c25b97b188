"""The options of a schedule, and what each field of a stored one may hold.

A stored schedule may come from another version or a manual edit, so every field is checked when it is read.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import orjson

from infinitas.core.codec import AFTER_LAST_MS, instant_ms
from infinitas.core.cron.expression import Dst, load_zone
from infinitas.core.errors import BadSchedule
from infinitas.core.interval import MAX_INTERVAL_MS, MIN_INTERVAL_MS
from infinitas.core.names import shorten
from infinitas.core.numbers import is_number, is_whole
from infinitas.core.unknown_options import refuse_unknown

Overlap = Literal["skip", "queue", "replace", "allow"]
OVERLAP: tuple[str, ...] = get_args(Overlap)
CatchUp = Literal["latest", "all", "none"]
CATCH_UP: tuple[str, ...] = get_args(CatchUp)
MOST_CAUGHT_UP = 1000
MOST_RUNS = 10**9
_YEAR_S = 366 * 86_400
_RULES = ("cron", "every_ms", "at_ms")
_SHOWN = 60

Check = Callable[[object], bool]


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a schedule: as a user writes it, and as `Schedule` stores it.

    Attributes:
        field: the field of `Schedule` that holds it.
        fits: whether that field may hold a value.
        allowed: completes "allowed: …".
        convert: a user's value and its description into the field's value. Raises ValueError if it is not
            allowed, or BadSchedule with a text of its own.
    """

    name: str
    field: str
    fits: Check
    allowed: str
    convert: Callable[[object, str], object] = lambda value, _: value


def read_options(key: str, options: Mapping[str, object]) -> dict[str, Any]:
    """A user's options as fields of `Schedule`. Raises BadSchedule."""
    refuse_unknown(options, OPTIONS, f"The schedule {key!r}", BadSchedule)
    found: dict[str, Any] = {}
    for option in OPTIONS.values():
        if option.name not in options:
            continue
        given, what = options[option.name], f"{option.name} of schedule {key!r}"
        refusal = BadSchedule(f"{what} is {shorten(given)}; allowed: {option.allowed}.")
        try:
            value = option.convert(given, what)
        except ValueError:
            raise refusal from None
        if not option.fits(value):
            raise refusal
        found[option.field] = value
    return found


def read_fields(text: str | bytes) -> dict[str, Any]:
    """The fields of a stored schedule, without options that a newer version added.

    Raises:
        BadSchedule: it is no JSON object, lacks its key, task or rule, or a field holds a wrong value.
    """
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadSchedule(f"The stored schedule is no JSON: {str(error)[:_SHOWN]}.") from None
    if not isinstance(found, dict):
        raise BadSchedule(f"The stored schedule is no JSON object but {type(found).__name__}.")
    known = {name: value for name, value in found.items() if name in FIELD_CHECKS}
    for name, value in known.items():
        if not FIELD_CHECKS[name](value):
            raise BadSchedule(f"The stored schedule has {name}={value!r:.60}, which this version can't read.")
    if "key" not in known or "task" not in known:
        raise BadSchedule("The stored schedule has no key or no task.")
    if len([rule for rule in _RULES if known.get(rule) is not None]) != 1:
        raise BadSchedule(
            "The stored schedule needs one rule that this version knows: cron, every_ms, at_ms."
        )
    return known


def _whole(low: int, high: int) -> Check:
    return lambda value: is_whole(value, low, high)


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _one_of(*allowed: str) -> Check:
    return lambda value: isinstance(value, str) and value in allowed


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_moment(value: object) -> bool:
    return is_whole(value, 0, AFTER_LAST_MS)


def _choice(name: str, allowed: tuple[str, ...]) -> Option:
    return Option(name, name, _one_of(*allowed), " or ".join(map(repr, allowed)), _plain_text)


def _count(name: str, most: int) -> Option:
    return Option(name, name, _whole(1, most), f"1 to {most:,}")


def _seconds(name: str) -> Option:
    return Option(name, f"{name}_ms", _whole(0, _YEAR_S * 1000), "seconds from 0 to a year", _seconds_to_ms)


def _moment(name: str) -> Option:
    return Option(name, f"{name}_ms", _is_moment, "an aware datetime", _moment_to_ms)


def _optional(option: Option) -> Option:
    """The same option, where None stands for none."""

    def convert(value: object, what: str) -> object:
        return None if value is None else option.convert(value, what)

    return Option(option.name, option.field, _or_none(option.fits), option.allowed, convert)


def _plain_text(value: object, _: str) -> object:
    return str(value) if isinstance(value, str) else value


def _check_zone(value: object, _: str) -> object:
    return load_zone(value) and value if isinstance(value, str) else value


def _seconds_to_ms(value: object, _: str) -> object:
    if not is_number(value) or not 0 <= value <= _YEAR_S:
        raise ValueError
    return round(value * 1000)


def _moment_to_ms(value: object, what: str) -> object:
    return instant_ms(value, what, BadSchedule)


OPTIONS: dict[str, Option] = {
    option.name: option
    for option in (
        Option("timezone", "timezone", _is_name, "an IANA name such as 'Europe/Copenhagen'", _check_zone),
        _choice("dst", tuple(each.value for each in Dst)),
        _choice("overlap", OVERLAP),
        _choice("catch_up", CATCH_UP),
        _optional(_seconds("catch_up_window")),
        _count("catch_up_limit", MOST_CAUGHT_UP),
        _seconds("jitter"),
        _optional(_moment("start")),
        _optional(_moment("end")),
        _optional(_count("max_runs", MOST_RUNS)),
        _optional(_seconds("grace")),
    )
}
"""All options of a schedule, by name; `ScheduleOptions` and `Schedule` have their types."""

FIELD_CHECKS: dict[str, Check] = {
    "key": _is_name,
    "task": _is_name,
    "cron": _or_none(_is_text),
    "every_ms": _or_none(_whole(MIN_INTERVAL_MS, MAX_INTERVAL_MS)),
    "at_ms": _or_none(_is_moment),
    "args": _is_name,
    # With a start, an interval counts from one interval before it.
    "anchor_ms": _whole(-MAX_INTERVAL_MS, AFTER_LAST_MS),
    "origin": _one_of("code", "api"),
    "declared": _is_text,
    "code_rule": _is_text,
    **{option.field: option.fits for option in OPTIONS.values()},
}
"""For each field of `Schedule`: whether it may hold a value."""
