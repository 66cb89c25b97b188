"""What a change has changed, for the audit: each field with its value before and after."""

from collections.abc import Mapping

from pydantic_core import to_json

MAX_VALUE_CHARS = 2_000
Values = Mapping[str, object]


def changes(before: Values, after: Values) -> dict[str, list[object]]:
    """Fields whose JSON values differ, each as `[before, after]`; a missing field counts as null."""
    names = [*before, *(name for name in after if name not in before)]
    pairs = {name: (before.get(name), after.get(name)) for name in names}
    return {name: [_bounded(old), _bounded(new)] for name, (old, new) in pairs.items() if old != new}


def _bounded(value: object) -> object:
    """The value, or the beginning of its JSON where that is long."""
    text = to_json(value).decode()
    return value if len(text) <= MAX_VALUE_CHARS else f"{text[:MAX_VALUE_CHARS]}… ({len(text):,} characters)"
