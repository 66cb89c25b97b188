"""The schema of a task's arguments, for forms."""

import json
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from infinitas import Infinitas, Job
from infinitas.tasks.argument_schema import argument_schema


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Order(BaseModel):
    id: int
    note: str = ""


class Unknown:
    """No schema is known of it."""


def plain(user_id: int, text: str = "hi") -> None: ...
def rich(order: Order, at: datetime, *, colour: Colour, size: Literal[1, 2] = 1) -> None: ...
def bounded(share: Annotated[float, Field(ge=0, le=1)]) -> None: ...
def positional(a: int, b: int, /) -> None: ...
def many(*numbers: int) -> None: ...
def named(**facts: str) -> None: ...
def bare(a, b=2): ...  # type: ignore[no-untyped-def]
def strange(a: Unknown) -> None: ...
def huge(a: Literal[tuple(str(n) for n in range(5_000))]) -> None: ...  # type: ignore[valid-type]
def defaulted(a: object = object()) -> None: ...
def nothing() -> None: ...


def schema(function: Callable[..., object], *names: str) -> Any:
    text = argument_schema(function, names)
    return json.loads(text) if text else None


def test_types_defaults_and_what_is_required() -> None:
    found = schema(plain, "user_id", "text")
    assert found["properties"]["user_id"]["type"] == "integer"
    assert found["properties"]["text"] == {"default": "hi", "title": "Text", "type": "string"}
    assert (found["required"], found["additionalProperties"]) == (["user_id"], False)


def test_models_enums_and_bounds() -> None:
    found = schema(rich, "order", "at", "colour", "size")
    assert found["$defs"]["Order"]["properties"]["id"]["type"] == "integer"
    assert found["$defs"]["Colour"]["enum"] == ["red", "blue"]
    assert found["properties"]["at"]["format"] == "date-time"
    assert found["properties"]["size"]["enum"] == [1, 2]
    assert schema(bounded, "share")["properties"]["share"]["maximum"] == 1


def test_positions() -> None:
    assert schema(positional, "a", "b")["minItems"] == 2
    assert schema(many, "numbers")["items"]["type"] == "integer"
    assert schema(named, "facts")["additionalProperties"] == {"type": "string"}


@pytest.mark.parametrize(("function", "names"), [(strange, ["a"]), (huge, ["a"]), (nothing, [])])
def test_without_a_schema_there_is_none(function: Callable[..., object], names: list[str]) -> None:
    assert argument_schema(function, names) == ""


def test_without_annotations_anything_goes() -> None:
    assert set(schema(bare, "a", "b")["properties"]) == {"a", "b"}
    assert schema(defaulted, "a")["properties"] == {"a": {"title": "A"}}


def test_the_job_is_no_argument(app: Infinitas) -> None:
    @app.task
    def crawl(job: Job, url: str) -> None: ...

    assert crawl.definition.parameters == "", "at import nothing is made"
    made = json.loads(crawl.declared.parameters)
    assert list(made["properties"]) == ["url"]
    assert crawl.declared is crawl.declared


def test_a_schema_that_is_given_stays(app: Infinitas) -> None:
    @app.task(parameters='{"type":"array"}')
    def odd(a: int) -> None: ...

    assert odd.declared.parameters == '{"type":"array"}'
