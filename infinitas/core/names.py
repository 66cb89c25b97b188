"""What may be a name: of a task, a queue or a schedule key."""

import re

from infinitas.core.errors import BadName

MAX_NAME_BYTES = 200
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_BRACES = re.compile(r"[{}]")


def check_name(name: str, what: str) -> str:
    """Return `name` if it may name a `what` ("task", "queue", "schedule").

    Raises:
        BadName: it is empty, longer than 200 bytes of UTF-8, has control characters or surrogates,
            or, for a queue, braces (they delimit the Redis Cluster hash tag).
    """
    if not isinstance(name, str) or not name.strip():
        raise BadName(f"A {what} needs a name that is not empty, not {_shorten(name)}.")
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise BadName(f"The {what} name {_shorten(name)} is not valid Unicode.") from None
    if size > MAX_NAME_BYTES:
        raise BadName(
            f"The {what} name {_shorten(name)} has {size} bytes; at most {MAX_NAME_BYTES} are allowed."
        )
    if found := _CONTROL.search(name):
        raise BadName(
            f"The {what} name {_shorten(name)} has a control character at position {found.start()}."
        )
    if what == "queue" and _BRACES.search(name):
        raise BadName(f"The queue name {_shorten(name)} must not contain braces.")
    return name


def _shorten(name: object) -> str:
    text = ascii(name)
    return text if len(text) <= 60 else f"{text[:57]}..."
