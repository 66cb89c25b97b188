"""Times, durations, ids and JSON as they cross Redis, Postgres and the terminal.

Records hold aware UTC datetimes; milliseconds since 1970 exist only on the wire.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import orjson
from pydantic_core import PydanticSerializationError, from_json, to_json

from infinitas.core.errors import BadArgs, PayloadTooLarge, Refused
from infinitas.core.names import shorten

MAX_PAYLOAD_BYTES = 256 * 1024
MOST_LEVELS = 150
_ROOM_FOR_VIEWS = 51
"""Levels reserved for the JSON around a payload: from_json reads up to 201."""
MOST_DIGITS = 308
"""Digits of a whole number: readers with only 64-bit floats may read a longer one as infinity."""
_LONG_NUMBER = re.compile(rb"(?<![0-9])[0-9]{%d}" % (MOST_DIGITS + 1))
BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base32 (crockford.com/base32.html) in lower case."""
_PAIRS = [a + b for a in BASE32 for b in BASE32]


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970-01-01T00:00Z of an aware datetime."""
    return datetime.__sub__(moment, EPOCH) // timedelta(milliseconds=1)


def from_ms(ms: int) -> datetime:
    """The aware UTC datetime of milliseconds since 1970."""
    return EPOCH + timedelta(milliseconds=ms)


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
AFTER_LAST_MS = to_ms(datetime(9000, 1, 1, tzinfo=UTC))
"""Python's calendar ends soon after; slots and time zones need some room after a moment."""


def in_utc(moment: datetime) -> datetime:
    """The same instant of an aware datetime, in UTC.

    Two datetimes of one zone are compared, hashed and subtracted by their clock alone: both times of a
    repeated hour are equal, and an hour that a clock change drops counts. In UTC neither happens.
    """
    # Not `moment - EPOCH`: a subclass may have a difference of its own.
    return EPOCH + datetime.__sub__(moment, EPOCH)


def instant(moment: object, what: str, refuse: Callable[[str], Refused] = BadArgs) -> datetime:
    """A user's moment in UTC; every edge checks it here, and passes on what this returns.

    Raises:
        Refused: made by `refuse`: it is no datetime, has no time zone, or is not from 1970 to 8999.
    """
    if not isinstance(moment, datetime):
        raise refuse(f"{what} is {shorten(moment)}; it must be an aware datetime.")
    if moment.utcoffset() is None:
        raise refuse(f"{what} is {moment.isoformat()}, which has no time zone; pass an aware datetime.")
    if not 0 <= to_ms(moment) < AFTER_LAST_MS:
        raise refuse(f"{what} is {moment.isoformat()}; allowed: 1970 to 8999.")
    return in_utc(moment)


def instant_ms(moment: object, what: str, refuse: Callable[[str], Refused] = BadArgs) -> int:
    """Milliseconds since 1970 of a user's moment. Raises as `instant`."""
    return to_ms(instant(moment, what, refuse))


DEFAULT_QUEUE = "default"


def slot_job_id(schedule: str, slot: datetime, queue: str) -> str:
    """The id of a slot's job: `key@slot`, and `/queue` unless that is the default one.

    The same slot of a queue always has the same job. No queue's name has an @, so ids are unambiguous.
    """
    text = slot.strftime("%Y%m%dT%H%M%S")
    fraction = f".{slot.microsecond // 1000:03d}" if slot.microsecond else ""
    where = "" if queue == DEFAULT_QUEUE else f"/{queue}"
    return f"{schedule}@{text}{fraction}Z{where}"


def slot_of_job(id: str) -> tuple[str, datetime] | None:
    """Schedule key and slot of a slot's job; None for the id of a sent job."""
    schedule, at, rest = id.rpartition("@")
    text, _, queue = rest.partition("/")
    try:
        pattern = "%Y%m%dT%H%M%S.%fZ" if "." in text else "%Y%m%dT%H%M%SZ"
        slot = datetime.strptime(text, pattern).replace(tzinfo=UTC)
    except ValueError:
        return None
    return (schedule, slot) if at and slot_job_id(schedule, slot, queue or DEFAULT_QUEUE) == id else None


def sent_job_id(ms: int, entropy: int) -> str:
    """A ULID (github.com/ulid/spec) in lower case: 48 bits of time, 80 bits of entropy, sortable."""
    number = (ms << 80) | (entropy & ((1 << 80) - 1))
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10)])


def encode_payload(value: object, what: str) -> str:
    """`value` as JSON text; bytes in it are base64.

    Raises:
        BadArgs: it has no JSON form that every reader can read; that excludes NaN, infinities, whole
            numbers beyond 1.8e308, and more than 150 levels of lists and objects.
        PayloadTooLarge: its JSON has more than 256 kB.
    """
    try:
        data = to_payload(value)
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise _unwritable(what, error) from None
    return check_payload(data, what)


def to_payload(value: object) -> bytes:
    """`value` as JSON. Raises PydanticSerializationError, ValueError, RecursionError: it has no JSON form."""
    return to_json(value, inf_nan_mode="constants", bytes_mode="base64")


def check_payload(data: bytes, what: str) -> str:
    """JSON of a payload as text. Raises what `encode_payload` does."""
    try:
        if data.count(b"[") + data.count(b"{") > MOST_LEVELS:
            from_json(b"[" * _ROOM_FOR_VIEWS + data + b"]" * _ROOM_FOR_VIEWS)
        long = len(data) > MOST_DIGITS and _LONG_NUMBER.search(data)
        if b"NaN" in data or b"Infinity" in data or long:
            # It may also be text with these characters. orjson refuses NaN and numbers beyond a float.
            _check_numbers(data)
        text = data.decode()
    except (ValueError, RecursionError) as error:
        raise _unwritable(what, error) from None
    if len(data) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLarge(
            f"The {what} has {len(data):,} bytes of JSON; at most {MAX_PAYLOAD_BYTES:,} are allowed. "
            "Store it elsewhere and pass a reference."
        )
    return text


def _check_numbers(data: bytes) -> None:
    try:
        orjson.loads(data)
    except ValueError:
        what = "NaN, infinities and numbers beyond 1.8e308 are not JSON; use None or text."
        raise ValueError(what) from None


def _unwritable(what: str, error: Exception) -> BadArgs:
    return BadArgs(f"The {what} can't be written as JSON: {str(error)[:200]}")


def json_text(value: object) -> str:
    """`value`, of our own making, as JSON text."""
    return orjson.dumps(value).decode()
