"""Checks names (of apps, tasks, queues and schedule keys) and text from outside."""

import re

from infinitas.core.errors import BadArgs, BadName
from infinitas.core.text import clean

MAX_NAME_BYTES = 200
MAX_LEVEL_CHARS = 20
MAX_REASON_CHARS = 500
"""Of a reason that a person gives: for a cancel, a pause, a change."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NOT_IN_A_QUEUE = re.compile(r"[{}@]")
_APP = re.compile(r"[\w-]+")


def check_name(name: str, what: str) -> str:
    """Return `name` if it may name a `what` ("task", "queue", "schedule").

    Raises:
        BadName: it is empty, longer than 200 bytes of UTF-8, has control characters or surrogates,
            is `.` or `..`, or has, for a queue, braces (they delimit the Redis Cluster hash tag) or @ (it
            precedes the slot in a job's id).
    """
    if not isinstance(name, str) or not name.strip():
        raise BadName(f"A {what} needs a name that is not empty, not {shorten(name)}.")
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise BadName(f"The {what} name {shorten(name)} is not valid Unicode.") from None
    if size > MAX_NAME_BYTES:
        raise BadName(
            f"The {what} name {shorten(name)} has {size} bytes; at most {MAX_NAME_BYTES} are allowed."
        )
    if found := _CONTROL.search(name):
        raise BadName(f"The {what} name {shorten(name)} has a control character at position {found.start()}.")
    if name in (".", ".."):
        raise BadName(f"The {what} name {name!r} has a meaning of its own in a URL's path.")
    if what == "queue" and _NOT_IN_A_QUEUE.search(name):
        raise BadName(f"The queue name {shorten(name)} must not contain braces or @.")
    return name


def check_app_name(name: str) -> str:
    """Return `name` if it may name an app, or is empty. Raises BadName."""
    if name and not (isinstance(name, str) and _APP.fullmatch(check_name(name, "app"))):
        raise BadName(f"The app name {shorten(name)} may only have letters, digits, - and _.")
    return name


def check_text(text: object, what: str, most: int) -> str:
    """Return `text` if every store can hold it.

    Raises:
        BadArgs: it is no text, has more than `most` characters, a NUL character or half characters.
    """
    if not isinstance(text, str):
        raise BadArgs(f"The {what} is {shorten(text)}; it must be text.")
    if len(text) > most:
        raise BadArgs(f"The {what} has {len(text):,} characters; at most {most:,} are allowed.")
    if text != clean(text):
        raise BadArgs(f"The {what} {shorten(text)} has a NUL or half a character.")
    return text


def clean_level(level: object) -> str:
    """The level of a log line: up to 20 printable ASCII characters; others become question marks."""
    text = str(level)[:MAX_LEVEL_CHARS]
    if text.isascii() and text.isprintable():
        return text or "info"
    return "".join(c if " " <= c <= "~" else "?" for c in text)


def shorten(value: object) -> str:
    """A value for an error's text: at most 60 ASCII characters."""
    try:
        text = ascii(value)
    except ValueError:
        text = f"{type(value).__name__} of too many digits"
    except Exception:  # noqa: BLE001 - whatever the value's class raises
        text = f"{type(value).__name__} that can't be shown"
    return text if len(text) <= 60 else f"{text[:57]}..."
