"""Hides secret arguments where a job is shown, never where it runs, and their values in its other texts."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic_core import from_json, to_json

HIDDEN = "***"
ANY = "*"
_SHORTEST_VALUE = 4
"""A shorter value occurs in any text by chance."""
_MOST_VALUES = 200
_SECRET_NAMES = (
    *("password", "passwd", "pwd", "passphrase", "secret", "secretkey", "apikey", "accesskey", "privatekey"),
    *("token", "authorization", "credential", "credentials", "cookie"),
)


def is_secret_name(name: str) -> bool:
    """Whether an argument or a field of this name is hidden without a path: `api_key`, `dbPassword`."""
    return re.sub(r"[^a-z]", "", name.lower()).endswith(_SECRET_NAMES)


def redact(
    args: Sequence[Any], kwargs: dict[str, Any], paths: Sequence[str]
) -> tuple[list[Any], dict[str, Any]]:
    """Copies in which the values at `paths`, and those with secret names, are `"***"`.

    A path is a name or a position, then names or positions inside it, joined by dots: `card.number`,
    `0.iban`. `*` is each of a list or an object; a name on a list is that of each of its items.
    """
    positional: Any = _by_name(list(args))
    named: Any = _by_name(dict(kwargs))
    # A path by name covers no argument by position unless it is known which one that is.
    unplaced = bool(args) and not any(_is_place(path) for path in paths)
    for path in paths:
        steps = path.split(".")
        if _is_place(path):
            positional = _hide(positional, steps)
        else:
            if unplaced and steps[0] not in kwargs:
                positional = [HIDDEN] * len(positional)
            named = _hide(named, steps)
    return positional, named


def hide(args: str, paths: Sequence[str]) -> str:
    """Stored arguments without the values at these paths, and those with secret names.

    Raises:
        ValueError: they can't be read.
    """
    if not args:
        return args
    positional, named = from_json(args)
    return to_json(redact(positional, named, paths)).decode()


def hidden_values(before: object, after: object) -> set[str]:
    """What `redact` has hidden, as texts: the leaves of `before` that are not in `after`.

    Also each line of a longer text, such as a private key: a log has it line by line.
    """
    texts = {str(leaf) for leaf in _lost(before, after)}
    lines = {line for text in texts for line in map(str.strip, text.splitlines())}
    return {text for text in texts | lines if len(text) >= _SHORTEST_VALUE}


def mask(text: str, values: set[str]) -> str:
    """A text without these values."""
    if not values or not text:
        return text
    if len(values) > _MOST_VALUES:
        return HIDDEN
    forms = {form for value in values for form in (value, repr(value)[1:-1], _as_json(value)) if form}
    return re.sub("|".join(map(re.escape, sorted(forms, key=len, reverse=True))), HIDDEN, text)


def mask_value(value: Any, values: set[str]) -> Any:
    """A JSON value without these values, as texts or numbers at any depth."""
    if isinstance(value, str):
        return mask(value, values)
    if isinstance(value, list):
        return [mask_value(each, values) for each in value]
    if isinstance(value, dict):
        return {mask(name, values): mask_value(each, values) for name, each in value.items()}
    return HIDDEN if not isinstance(value, bool) and str(value) in values else value


def with_positions(paths: Sequence[str], parameters: Sequence[str]) -> tuple[str, ...]:
    """`paths` and secret names of `parameters`, and the same by position: `parameters` are in order."""
    found = [*paths, *(name for name in parameters if is_secret_name(name))]
    for path in list(found):
        head, dot, rest = path.partition(".")
        if head in parameters:
            found.append(f"{parameters.index(head)}{dot}{rest}")
    return tuple(dict.fromkeys(found))


def _is_place(path: str) -> bool:
    head = path.partition(".")[0]
    return head.isdecimal() or head == ANY


def _hide(value: Any, path: list[str]) -> Any:
    if not path:
        return HIDDEN
    step, *rest = path
    if isinstance(value, dict):
        hidden = value.keys() if step == ANY else {step} & value.keys()
        return {**value, **{name: _hide(value[name], rest) for name in hidden}}
    if isinstance(value, list):
        if step != ANY and not step.isdecimal():
            return [_hide(each, path) for each in value]
        return [_hide(each, rest) if step == ANY or i == int(step) else each for i, each in enumerate(value)]
    return value


def _by_name(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: HIDDEN if _is_secret(name, each) else _by_name(each) for name, each in value.items()}
    return [_by_name(each) for each in value] if isinstance(value, list) else value


def _is_secret(name: str, value: object) -> bool:
    """An absent value is shown: it is no secret that there is none."""
    return is_secret_name(name) and value is not None and value != "" and not isinstance(value, bool)


def _lost(before: object, after: object) -> Iterator[object]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name, each in before.items():
            yield from _lost(each, after.get(name))
    elif isinstance(before, (list, tuple)) and isinstance(after, (list, tuple)):
        for each, shown in zip(before, after, strict=True):
            yield from _lost(each, shown)
    elif after == HIDDEN != before:
        yield from _leaves(before)


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _leaves(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _leaves(each)
    elif value is not None and not isinstance(value, bool):
        yield value


def _as_json(text: str) -> str:
    """As it stands in JSON, between the quotes."""
    return "".join(_ESCAPED.get(char, char) for char in text)


_ESCAPED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
