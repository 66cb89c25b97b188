"""The job goes into its parameter, whatever the processor's signature."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

from infinitas import BadArgs, Infinitas, Job
from infinitas.broker.messages import NewJob
from infinitas.tasks.arguments import Signature
from tests.support import PATIENCE_S, finished, running


class Order(BaseModel):
    id: UUID
    total: float


def first(job: Job, a: int, b: int = 2) -> Any:
    return job, a, b


def last(a: int, job: Job) -> Any:
    return job, a


def after_default(a: int = 1, b: int = 2, *, job: Job) -> Any:
    return job, a, b


def defaulted(a: int, b: int = 5, job: Job | None = None) -> Any:
    return job, a, b


def many(job: Job, *numbers: int, **named: int) -> Any:
    return job, numbers, named


JOB: Any = object()


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "expected"),
    [
        (first, (1,), {}, (JOB, 1, 2)),
        (first, (1,), {"b": 3}, (JOB, 1, 3)),
        (first, (), {"a": 1}, (JOB, 1, 2)),
        (last, (1,), {}, (JOB, 1)),
        (after_default, (7,), {}, (JOB, 7, 2)),
        (after_default, (), {}, (JOB, 1, 2)),
        (defaulted, (1,), {}, (JOB, 1, 5)),
        (many, (1, 2), {"x": 3}, (JOB, (1, 2), {"x": 3})),
    ],
)
def test_the_job_goes_into_its_parameter(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], expected: Any
) -> None:
    signature = Signature(function, "t")
    called = signature.with_job(JOB, *signature.decode(signature.encode(args, kwargs)))
    assert function(*called[0], **called[1]) == expected


async def test_rich_types_survive_the_journey(app: Infinitas) -> None:
    seen: list[Any] = []

    @app.task
    def take(order: Order, due: datetime, tags: set[str], big: int) -> None:
        seen.append((order, due, tags, big))

    order, due = Order(id=UUID(int=7), total=1.5), datetime(2026, 3, 29, 2, 30, tzinfo=UTC)
    async with running(app):
        await finished(app, await take.asend(order, due, {"a", "b"}, 2**70 + 1))
    assert seen == [(order, due, {"a", "b"}, 2**70 + 1)]


async def test_stored_arguments_that_no_longer_fit_fail_the_job(app: Infinitas) -> None:
    """An old job meets a new processor: no retry can help."""

    @app.task(retries=5)
    def take(a: int) -> None: ...

    text = '[["not a number"],{}]'
    async with running(app):
        old = NewJob(id="old", task="take", args=text)
        await app.client.asend(take.definition, [old])
        job = await app.await_for_end("old", PATIENCE_S)
    assert (job.state, job.reason, job.attempt) == ("failed", "bad_args", 1)


def test_what_can_not_be_checked_is_refused(app: Infinitas) -> None:
    with pytest.raises(BadArgs):
        Signature(first, "t").encode((), {})
    with pytest.raises(BadArgs):
        Signature(first, "t").encode((1,), {"job": 1})
