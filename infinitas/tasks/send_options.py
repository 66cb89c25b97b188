"""The options of `using`: how a job is sent, beside its arguments."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta

import orjson

from infinitas.core.codec import BASE32, instant
from infinitas.core.errors import BadArgs
from infinitas.core.names import check_name, shorten
from infinitas.core.numbers import MAX_DELAY_S, is_number
from infinitas.core.task_definition import YEAR_S

MAX_HEADERS_BYTES = 8 * 1024
JOB_ID = re.compile(f"[{BASE32}]{{26}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOptions:
    """How a job is sent, beside its arguments; see `Task.using`."""

    id: str | None = None
    key: str | None = None
    at: datetime | None = None
    delay: float | None = None
    expires: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.id is not None and not (isinstance(self.id, str) and JOB_ID.fullmatch(self.id)):
            raise BadArgs(f"id={shorten(self.id)}: a ULID in lower case, 26 characters.")
        if self.key is not None:
            check_name(self.key, "key")
        if self.at is not None:
            object.__setattr__(self, "at", instant(self.at, "at"))
        if self.expires is not None and not (is_number(self.expires) and 0 < self.expires <= YEAR_S):
            raise BadArgs(f"expires={shorten(self.expires)}: seconds above 0, up to a year.")
        check_headers(self.headers)


def check_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    """`headers`, if they can travel with a job. Raises BadArgs."""
    if not isinstance(headers, Mapping) or not all(
        isinstance(part, str) for item in headers.items() for part in item
    ):
        raise BadArgs("Headers are text: names and values.")
    try:
        orjson.dumps(dict(headers))
    except TypeError as error:
        raise BadArgs(f"The headers are not valid Unicode: {error}.") from None
    if sum(len(name) + len(value) for name, value in headers.items()) > MAX_HEADERS_BYTES:
        raise BadArgs(f"The headers are longer than {MAX_HEADERS_BYTES:,} characters.")
    return headers


def check_delay(delay: object) -> float:
    """Seconds of a delay; one below 0 is none. Raises BadArgs."""
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds <= MAX_DELAY_S:
        raise BadArgs(f"delay={shorten(delay)}: seconds, or a timedelta, up to 100 years.")
    return max(seconds, 0)


SEND_OPTIONS = tuple(option.name for option in fields(SendOptions))
