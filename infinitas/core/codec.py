"""Times, durations, ids and JSON as they cross Redis, Postgres and the terminal.

Records hold aware UTC datetimes; milliseconds since 1970 exist only on the wire.
"""

from datetime import UTC, datetime, timedelta

from pydantic_core import PydanticSerializationError, from_json, to_json

from infinitas.core.errors import BadArgs, PayloadTooLarge

MAX_PAYLOAD_BYTES = 256 * 1024
MAYBE_TOO_DEEP = 150
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970-01-01T00:00Z of an aware datetime."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def from_ms(ms: int) -> datetime:
    """The aware UTC datetime of milliseconds since 1970."""
    return _EPOCH + timedelta(milliseconds=ms)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def slot_job_id(schedule: str, slot: datetime) -> str:
    """The id of a slot's job: schedule key and slot time, so the same slot is the same job for ever."""
    text = slot.strftime("%Y%m%dT%H%M%S")
    fraction = f".{slot.microsecond // 1000:03d}" if slot.microsecond else ""
    return f"{schedule}@{text}{fraction}Z"


def slot_of_job(id: str) -> tuple[str, datetime] | None:
    """Schedule key and slot of a slot's job; None for the id of a job that an application has sent."""
    schedule, at, text = id.rpartition("@")
    try:
        pattern = "%Y%m%dT%H%M%S.%fZ" if "." in text else "%Y%m%dT%H%M%SZ"
        slot = datetime.strptime(text, pattern).replace(tzinfo=UTC)
    except ValueError:
        return None
    return (schedule, slot) if at and slot_job_id(schedule, slot) == id else None


def sent_job_id(ms: int, entropy: int) -> str:
    """A ULID (github.com/ulid/spec) in lower case: 48 bits of time, 80 bits of entropy, sortable."""
    number = (ms << 80) | (entropy & ((1 << 80) - 1))
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10)])


def encode_payload(value: object, what: str) -> str:
    """`value` as JSON text.

    Raises:
        BadArgs: it has no JSON form (also NaN and infinities).
        PayloadTooLarge: its JSON has more than 256 kB.
    """
    try:
        data = to_json(value, inf_nan_mode="constants")
        if b"NaN" in data or b"Infinity" in data or data.count(b"[") + data.count(b"{") > MAYBE_TOO_DEEP:
            # What is written must be readable: no NaN, and no more levels than the reader allows.
            from_json(data, allow_inf_nan=False)
        text = data.decode()
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise BadArgs(f"The {what} can't be written as JSON: {str(error)[:200]}") from None
    if len(data) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLarge(
            f"The {what} has {len(data):,} bytes of JSON; at most {MAX_PAYLOAD_BYTES:,} are allowed. "
            "Store it elsewhere and pass a reference."
        )
    return text
