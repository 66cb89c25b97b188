"""Parses cron text into fields; anything not understood is refused with its column.

Five fields, or six with the seconds first (as Quartz and Spring write them). Each field is a list of
items: `*`, `?`, `5`, `1-5`, `mon-fri`, `22-4`, `*/15`, `5/15`, `1-31/2`; `H`, `H/15`, `H(0-29)/10`
(Jenkins: a value derived from the schedule's key); in the day of month `L`, `L-3`, `LW`, `15W`; in the day of
week `5L` (last Friday) and `1#2` (second Monday) as in Quartz.
"""

import hashlib
import re
from dataclasses import dataclass

from infinitas.core.errors import BadSchedule

MAX_LENGTH = 256
NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_HASHED_DAYS = 28
"""Days that every month has; `H` as a day of month stays within them."""

_VALUE = r"[0-9]{1,4}|[a-z]{3}"
_RANGE = re.compile(rf"(?P<first>{_VALUE})(?:-(?P<last>{_VALUE}))?(?:/(?P<step>[0-9]{{1,4}}))?")
_STAR = re.compile(r"(?P<star>[*?])(?:/(?P<step>[0-9]{1,4}))?")
_HASHED = re.compile(r"h(?:\((?P<first>[0-9]{1,4})-(?P<last>[0-9]{1,4})\))?(?:/(?P<step>[0-9]{1,4}))?")
_LAST_DAY = re.compile(r"l(?:-(?P<back>[0-9]{1,4})|(?P<workday>w))?")
_NEAREST = re.compile(r"(?P<day>[0-9]{1,4})w")
_LAST_WEEKDAY = re.compile(rf"(?P<weekday>{_VALUE})l")
_NTH_WEEKDAY = re.compile(rf"(?P<weekday>{_VALUE})#(?P<nth>[0-9]{{1,4}})")


@dataclass(frozen=True, slots=True)
class FieldKind:
    """One of the six fields, and what it may hold."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    cycle: int = 0
    """How many different values there are, if fewer than numbers: Sunday is both 0 and 7."""

    @property
    def size(self) -> int:
        return self.cycle or self.high - self.low + 1


SECOND = FieldKind("second", 0, 59)
MINUTE = FieldKind("minute", 0, 59)
HOUR = FieldKind("hour", 0, 23)
DAY = FieldKind("day of month", 1, 31)
MONTH = FieldKind("month", 1, 12, _MONTHS)
WEEKDAY = FieldKind("day of week", 0, 7, _WEEKDAYS, cycle=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """Which days of a month match.

    Attributes:
        numbers: days of the month. nearest: days whose nearest working day (Monday to Friday, in
            the same month) is meant. back: days counted back from the last, which is 0.
        last_workday: the month's last working day.
        weekdays: 0 (Sunday) to 6. nth: (weekday, n-th in the month). last: weekdays whose last one
            in the month is meant.
        either: a day matches by its number or its weekday; else it must match by both.
    """

    numbers: frozenset[int] = frozenset()
    nearest: frozenset[int] = frozenset()
    back: frozenset[int] = frozenset()
    last_workday: bool = False
    weekdays: frozenset[int] = frozenset()
    nth: frozenset[tuple[int, int]] = frozenset()
    last: frozenset[int] = frozenset()
    either: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """A checked expression. `repeats`: its minute or hour field begins with `*` (cron(8))."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: frozenset[int]
    days: Days
    repeats: bool


@dataclass(frozen=True, slots=True)
class _Item:
    """One item of a field's list, in lower case, with its column."""

    text: str
    column: int
    kind: FieldKind
    name: str

    def refuse(self, why: str) -> BadSchedule:
        shown = self.text[:40]
        return bad_cron(f"{shown!r} in the {self.kind.name} field: {why}", self.column)


def bad_cron(why: str, column: int) -> BadSchedule:
    return BadSchedule(f"The cron expression is refused at column {column}: {why}.", column)


def parse_fields(expression: str, name: str = "") -> Fields:
    """Parse an expression. `name` is the schedule's key, for `H`.

    Raises:
        BadSchedule: the text is no cron expression; `column` counts from 1.
    """
    parts = _split(expression)
    kinds = [SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY][-len(parts) :]
    found = dict(zip(kinds, parts, strict=True))
    numbers, specials = {}, {}
    for kind, (text, column) in found.items():
        numbers[kind], specials[kind] = _read_field(text, column, kind, name)
    day, weekday = found[DAY][0], found[WEEKDAY][0]
    return Fields(
        seconds=tuple(sorted(numbers[SECOND])) if SECOND in numbers else (0,),
        minutes=tuple(sorted(numbers[MINUTE])),
        hours=tuple(sorted(numbers[HOUR])),
        months=frozenset(numbers[MONTH]),
        days=_days(numbers, specials, not day.startswith(("*", "?")) and not weekday.startswith(("*", "?"))),
        repeats=found[MINUTE][0].startswith("*") or found[HOUR][0].startswith("*"),
    )


def _split(expression: str) -> list[tuple[str, int]]:
    """The texts of the five or six fields, with their columns."""
    if not isinstance(expression, str):
        raise BadSchedule(f"A cron expression is text, not {type(expression).__name__}.", 1)
    if len(expression) > MAX_LENGTH:
        raise bad_cron(f"it has more than {MAX_LENGTH} characters", MAX_LENGTH + 1)
    strange = re.search(r"[^\x21-\x7e \t]", expression)
    if strange:
        raise bad_cron(f"{strange[0]!r} is no character of a cron expression", strange.start() + 1)
    parts = [(match[0].lower(), match.start() + 1) for match in re.finditer(r"[^ \t]+", expression)]
    if parts and parts[0][0].startswith("@"):
        nickname, column = parts[0]
        if nickname not in NICKNAMES:
            raise bad_cron(f"{nickname[:40]!r} is unknown; there are {', '.join(sorted(NICKNAMES))}", column)
        if len(parts) > 1:
            raise bad_cron(f"nothing may follow {nickname}", parts[1][1])
        return [(part, column) for part in NICKNAMES[nickname].split()]
    if len(parts) not in (5, 6):
        column = parts[6][1] if len(parts) > 6 else len(expression) + 1
        raise bad_cron(
            f"it has {len(parts)} fields; there must be five (minute hour day month weekday) or six "
            "(seconds first)",
            column,
        )
    return parts


def _read_field(
    field: str, column: int, kind: FieldKind, name: str
) -> tuple[set[int], list[tuple[str, int, int]]]:
    """Split a field into plain values and specials, each (what, number, number)."""
    numbers: set[int] = set()
    specials: list[tuple[str, int, int]] = []
    for text in field.split(","):
        item = _Item(text, column, kind, name)
        column += len(text) + 1
        if not text:
            raise item.refuse("a list has an empty item")
        special = _read_special(item)
        if special:
            specials.append(special)
        else:
            numbers.update(_read_numbers(item))
    return numbers, specials


def _read_special(item: _Item) -> tuple[str, int, int] | None:
    text, kind = item.text, item.kind
    if kind is DAY:
        if match := _LAST_DAY.fullmatch(text):
            if match["workday"]:
                return ("last_workday", 0, 0)
            return ("back", _number(item, match["back"] or "0", 0, 30), 0)
        if match := _NEAREST.fullmatch(text):
            return ("nearest", _number(item, match["day"], 1, 31), 0)
    if kind is WEEKDAY:
        if match := _LAST_WEEKDAY.fullmatch(text):
            return ("last", _value(item, match["weekday"]) % 7, 0)
        if match := _NTH_WEEKDAY.fullmatch(text):
            return ("nth", _value(item, match["weekday"]) % 7, _number(item, match["nth"], 1, 5))
    return None


def _read_numbers(item: _Item) -> list[int]:
    text, kind = item.text, item.kind
    if match := _STAR.fullmatch(text):
        if match["star"] == "?" and (kind not in (DAY, WEEKDAY) or match["step"]):
            raise item.refuse("? stands alone, in a day field")
        return _steps(kind, kind.low, kind.low + kind.size - 1, _step(item, match["step"]))
    if match := _HASHED.fullmatch(text):
        return _hashed(item, match)
    if match := _RANGE.fullmatch(text):
        first = _value(item, match["first"])
        if match["last"]:
            last = _value(item, match["last"])
        else:
            last = kind.low + kind.size - 1 if match["step"] else first
        return _steps(kind, first, last, _step(item, match["step"]))
    raise item.refuse(f"it is not allowed in this field ({kind.low}-{kind.high}{_hint(kind)})")


def _hint(kind: FieldKind) -> str:
    if kind is DAY:
        return ", *, ?, L, L-3, LW, 15W, H"
    if kind is WEEKDAY:
        return ", sun-sat, *, ?, 5L, 1#2, H"
    return ", jan-dec, *, H" if kind is MONTH else ", *, H"


def _steps(kind: FieldKind, first: int, last: int, step: int) -> list[int]:
    """The values from first to last by `step`, wrapping at the end of the field."""
    if first > last and kind.cycle:
        first, last = first % kind.cycle, last % kind.cycle
    length = last - first if first <= last else last - first + kind.size
    values = [first + distance for distance in range(0, length + 1, step)]
    if kind.cycle:
        return [value % kind.cycle for value in values]
    return [value if value <= kind.high else value - kind.size for value in values]


def _hashed(item: _Item, match: re.Match[str]) -> list[int]:
    """Values derived from the schedule's key, spread evenly over all keys."""
    kind = item.kind
    low, high = kind.low, kind.low + min(kind.size, _HASHED_DAYS if kind is DAY else kind.size) - 1
    if match["first"]:
        low, high = _value(item, match["first"]), _value(item, match["last"])
        if low > high:
            raise item.refuse("the range of H must not wrap")
    digest = hashlib.sha256(f"{item.name}\0{kind.name}".encode()).digest()
    number = int.from_bytes(digest[:8], "big")
    if not match["step"]:
        return [(low + number % (high - low + 1)) % (kind.cycle or 100)]
    step = _step(item, match["step"])
    if step > high - low:
        raise item.refuse(f"a step of {step} is longer than the range {low}-{high}")
    return [value % (kind.cycle or 100) for value in range(low + number % step, high + 1, step)]


def _step(item: _Item, text: str | None) -> int:
    return 1 if text is None else _number(item, text, 1, item.kind.size - 1, "a step")


def _value(item: _Item, text: str) -> int:
    kind = item.kind
    if text.isdigit():
        return _number(item, text, kind.low, kind.high)
    if text not in kind.names:
        raise item.refuse(f"{text!r} is not a name of this field")
    return kind.names.index(text) + kind.low


def _number(item: _Item, text: str, low: int, high: int, what: str = "a value") -> int:
    number = int(text)
    if not low <= number <= high:
        raise item.refuse(f"{what} must be {low} to {high}")
    return number


def _days(
    numbers: dict[FieldKind, set[int]], specials: dict[FieldKind, list[tuple[str, int, int]]], either: bool
) -> Days:
    def having(kind: FieldKind, what: str) -> frozenset[int]:
        return frozenset(number for name, number, _ in specials[kind] if name == what)

    return Days(
        numbers=frozenset(numbers[DAY]),
        nearest=having(DAY, "nearest"),
        back=having(DAY, "back"),
        last_workday=bool(having(DAY, "last_workday")),
        weekdays=frozenset(numbers[WEEKDAY]),
        nth=frozenset((weekday, nth) for name, weekday, nth in specials[WEEKDAY] if name == "nth"),
        last=having(WEEKDAY, "last"),
        either=either,
    )
