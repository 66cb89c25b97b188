"""Results have the type that the processor declares, wherever their handle comes from."""

import enum
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, Field
from pydantic_core import from_json

from infinitas import BadArgs, BadResult, Infinitas, Job
from infinitas.core.difference import difference
from infinitas.tasks.arguments import Signature
from infinitas.testing import run_inline
from tests.support import PATIENCE_S, running


class Color(enum.Enum):
    RED = "r"


class User(BaseModel):
    name: str = Field(alias="userName", serialization_alias="user-name")
    id: UUID = UUID(int=1)


@dataclass
class Point:
    x: int
    raw: bytes = b"\xff"


ANN = User(userName="Ann")


def returning(hint: Any) -> Signature:
    def process() -> Any: ...

    process.__annotations__["return"] = hint
    return Signature(process, "process")


def result_of(hint: Any, value: Any) -> Any:
    signature = returning(hint)
    return signature.read_result(signature.encode_result(value))


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (User, ANN),
        (list[User | None], [ANN, None]),
        (Point, Point(1)),
        (bytes, b"\xff"),
        (datetime, datetime(2026, 1, 1, tzinfo=UTC)),
        (set[int], {1}),
        (tuple[int, str], (1, "a")),
        (Color, Color.RED),
        (dict[date, Decimal], {date(2026, 1, 1): Decimal("1.0")}),
        (datetime | str, datetime(2026, 1, 1)),
        (int, 2**70),
        (str, ""),
        (None, None),
        (int | None, None),
        (Any, {"a": [1, None]}),
    ],
)
def test_a_result_has_its_declared_type(hint: Any, value: Any) -> None:
    assert difference(value, result_of(hint, value)) is None


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (User, {"name": "Ann"}, ANN),
        (User, {"userName": "Ann"}, ANN),
        (list[int], (1, 2), [1, 2]),
        (tuple[int, ...], [1, 2], (1, 2)),
        (float, 3, 3.0),
        (float, Decimal("1.5"), 1.5),
        (None, "by job.done", "by job.done"),
        (Iterator[int], iter([1, 2]), [1, 2]),
        (AsyncIterator[int], [1], [1]),
        (Awaitable[int], 1, 1),
        (dict[str, Any], {"when": date(2026, 1, 1), "ids": (1, 2)}, {"when": "2026-01-01", "ids": [1, 2]}),
        (Any, {"when": date(2026, 1, 1), 1: b"\xff"}, {"when": "2026-01-01", "1": "_w=="}),
    ],
)
def test_a_result_that_fits_in_its_json(hint: Any, value: Any, expected: Any) -> None:
    """The annotation is not exact, and the work is done: its JSON is read by the annotation."""
    assert difference(expected, result_of(hint, value)) is None


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (int, None),
        (int, "five"),
        (User, {"id": 1}),
        (list[int], {"a": 1}),
        (Color, "x"),
        (User, None),
        (int, 1.5),
    ],
)
def test_a_result_that_is_not_as_declared(hint: Any, value: Any) -> None:
    """The job succeeds; `get` raises instead of returning another type."""
    with pytest.raises(BadResult, match=r"The job succeeded, but its result .* 'process' promises") as raised:
        result_of(hint, value)
    assert from_json(raised.value.json) == value
    assert raised.value.code == "bad_result"


@pytest.mark.parametrize("value", [object(), float("nan"), {"a": object()}])
@pytest.mark.parametrize("hint", [Any, int, User, float, list[float]])
def test_a_result_without_a_json_form_is_refused(hint: Any, value: Any) -> None:
    with pytest.raises(BadArgs, match="The result can't be "):
        returning(hint).encode_result(value)


async def test_a_job_returns_its_type_to_every_handle(
    app: Infinitas, make_app: Callable[..., Infinitas]
) -> None:
    @app.task(schedule="0 0 1 1 *", args=("Ann",))
    async def find(name: str) -> User:
        return User(userName=name)

    @app.task
    def settle(job: Job) -> Point:
        job.done(Point(2))
        return Point(3)

    @app.task
    def promise() -> int:
        return "five"  # type: ignore[return-value]

    async with running(app):
        handle = await find.using(key="a").asend("Ann")
        assert await handle.result(PATIENCE_S) == ANN
        job = await app.await_for_end(handle.id)
        assert job.result == {"name": "Ann", "id": str(UUID(int=1))}
        assert await (await app.arerun(handle.id)).result(PATIENCE_S) == ANN
        assert await (await app.schedules.atrigger("find")).result(PATIENCE_S) == ANN
        (many,) = await find.asend_many([("Bob",)])
        assert (await many.result(PATIENCE_S)).name == "Bob"
        assert await (await settle.asend()).result(PATIENCE_S) == Point(2)
        broken = await promise.asend()
        with pytest.raises(BadResult, match='"five"'):
            await broken.result(PATIENCE_S)
        assert (await app.await_for_end(broken.id)).state == "succeeded"
        elsewhere = await make_app().arerun(handle.id)
        assert await elsewhere.result(PATIENCE_S) == {"name": "Ann", "id": str(UUID(int=1))}


async def test_an_inline_run_returns_what_a_real_one_does(app: Infinitas) -> None:
    @app.task
    async def find(day: date, tags: set[str]) -> tuple[date, set[str]]:
        return day, tags

    @app.task
    def settle(job: Job) -> User:
        job.done(ANN)
        return ANN

    @app.task
    def untyped(x):  # type: ignore[no-untyped-def]
        return (x,)

    day = date(2026, 1, 1)
    assert (await run_inline(find, day, {"a"})).result == (day, {"a"})
    assert (await run_inline(settle)).result == ANN
    assert (await run_inline(untyped, 1)).result == [1]
    with pytest.raises(BadArgs):
        await run_inline(untyped, day)
