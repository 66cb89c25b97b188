"""Checks values against the JSON Schemas of docs/asyncapi.json: the keywords that it uses, and no others."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

DOCUMENT = json.loads((Path(__file__).parents[3] / "docs/asyncapi.json").read_text())
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
_IGNORED = {"title", "description", "default", "format", "discriminator", "examples"}


class NotAsPublished(Exception):
    """A value that its schema does not allow."""


def check(value: Any, schema: Any, where: str = "") -> None:
    """Raises NotAsPublished."""
    if schema is True:
        return
    for keyword, wanted in schema.items():
        if keyword == "$ref":
            check(value, SCHEMAS[wanted.rpartition("/")[2]], where)
        elif keyword in ("anyOf", "oneOf"):
            if not any(_fits(value, each, where) for each in wanted):
                raise NotAsPublished(f"{where}: {value!r:.100} fits none of {wanted!r:.200}")
        elif keyword in ("properties", "items", "prefixItems", "additionalProperties"):
            _check_parts(value, schema, keyword, where)
        elif keyword in _RULES:
            if not _RULES[keyword](value, wanted):
                raise NotAsPublished(f"{where}: {value!r:.100} against {keyword} {wanted!r:.100}")
        elif keyword not in _IGNORED:
            raise NotAsPublished(f"{where}: unknown keyword {keyword}")


def _fits(value: Any, schema: Any, where: str) -> bool:
    try:
        check(value, schema, where)
    except NotAsPublished:
        return False
    return True


def _check_parts(value: Any, schema: Any, keyword: str, where: str) -> None:
    if keyword == "properties" and isinstance(value, dict):
        for name, part in schema["properties"].items():
            if name in value:
                check(value[name], part, f"{where}.{name}")
    elif keyword == "additionalProperties" and isinstance(value, dict):
        for name in value.keys() - schema.get("properties", {}).keys():
            if schema[keyword] is False:
                raise NotAsPublished(f"{where}: {name} is not allowed")
            check(value[name], schema[keyword], f"{where}.{name}")
    elif keyword == "items" and isinstance(value, list):
        for each in value[len(schema.get("prefixItems", ())) :]:
            check(each, schema["items"], f"{where}[]")
    elif keyword == "prefixItems" and isinstance(value, list):
        for each, part in zip(value, schema["prefixItems"], strict=False):
            check(each, part, f"{where}[]")


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, _TYPES[kind]) and not (isinstance(value, bool) and kind != "boolean")


def _number(rule: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, bound: not _is(value, "number") or rule(value, bound)


def _sized(kind: Any, rule: Callable[[int, int], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, bound: not isinstance(value, kind) or rule(len(value), bound)


_RULES: dict[str, Callable[[Any, Any], bool]] = {
    "type": _is,
    "const": lambda value, wanted: value == wanted,
    "enum": lambda value, wanted: value in wanted,
    "required": lambda value, names: not isinstance(value, dict) or value.keys() >= set(names),
    "pattern": lambda value, pattern: not isinstance(value, str) or bool(re.search(pattern, value)),
    "minimum": _number(lambda value, bound: value >= bound),
    "maximum": _number(lambda value, bound: value <= bound),
    "exclusiveMinimum": _number(lambda value, bound: value > bound),
    "exclusiveMaximum": _number(lambda value, bound: value < bound),
    "minLength": _sized(str, lambda size, bound: size >= bound),
    "maxLength": _sized(str, lambda size, bound: size <= bound),
    "minItems": _sized(list, lambda size, bound: size >= bound),
    "maxItems": _sized(list, lambda size, bound: size <= bound),
    "maxProperties": _sized(dict, lambda size, bound: size <= bound),
}
