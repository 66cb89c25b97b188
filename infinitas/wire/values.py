"""Types of values in requests and frames. Strict: text is no number, a number is no date."""

import re
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, ConfigDict, Field, Strict

from infinitas.core.codec import instant
from infinitas.core.errors import Refused
from infinitas.core.names import check_text

MAX_TEXT_CHARS = 600
_DATE = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:")


class OpenFields:
    """Base of the dataclasses of a protocol that grows: fields that one side does not know are ignored."""

    __pydantic_config__ = ConfigDict(extra="ignore")


def _written_out(value: object) -> object:
    if not isinstance(value, datetime) and not (isinstance(value, str) and _DATE.match(value)):
        raise ValueError("a moment is written as in RFC 3339, e.g. 2026-12-24T18:00:00+01:00")
    return value


def _in_the_calendar(moment: datetime) -> datetime:
    try:
        return instant(moment, "the moment")
    except Refused as error:
        raise ValueError(str(error)) from None


def _number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("that is no number")
    return value


def _storable(text: str) -> str:
    try:
        return check_text(text, "text", 1 << 30)
    except Refused as error:
        raise ValueError(str(error)) from None


Instant = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_in_the_calendar)]
"""A moment with its offset, from 1970 to 8999."""
NUMBER = BeforeValidator(_number)
"""Stands behind bounds: only there the JSON Schema shows them."""
Whole = Annotated[int, NUMBER]
"""Also written `2.0`, but neither `"2"` nor `true`."""
Number = Annotated[float, NUMBER]
Flag = Annotated[bool, Strict()]
Text = Annotated[str, AfterValidator(_storable)]
"""Text without NUL and lone surrogates."""
Name = Annotated[Text, Field(max_length=MAX_TEXT_CHARS)]
"""The name, key or id of something stored."""
