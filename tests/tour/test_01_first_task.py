"""A task is a function. Send a job of it, and some worker runs it."""

from collections.abc import Callable

import pytest

from infinitas import BadArgs, Infinitas, Job
from tests.support import finished, running


async def test_a_task_is_still_a_function(app: Infinitas) -> None:
    @app.task
    def add(a: int, b: int = 2) -> int:
        return a + b

    assert add(1) == 3


async def test_a_sent_job_runs_and_keeps_its_result(app: Infinitas) -> None:
    @app.task
    def add(a: int, b: int = 2) -> int:
        return a + b

    async with running(app):
        job = await finished(app, await add.asend(40))

    assert (job.state, job.result, job.attempt) == ("succeeded", 42, 1)


async def test_async_code_receives_its_job(app: Infinitas) -> None:
    @app.task
    async def greet(job: Job, name: str) -> None:
        job.log(f"hello {name}")
        await job.done({"attempt": job.attempt})

    async with running(app):
        job = await finished(app, await greet.asend("Ada"))

    assert job.result == {"attempt": 1}
    assert [line.text for line in job.log] == ["hello Ada"]


async def test_an_exception_fails_the_job_and_its_traceback_is_kept(app: Infinitas) -> None:
    @app.task
    def divide(a: int, b: int) -> float:
        return a / b

    async with running(app):
        job = await finished(app, await divide.asend(1, 0))
        task = await app.afetch_task("divide")

    assert (job.state, job.reason, job.error) == (
        "failed",
        "error",
        "ZeroDivisionError: division by zero",
    )
    assert job.traceback is not None
    assert "return a / b" in job.traceback
    assert task.last_failure is not None
    assert (task.last_failure.id, task.last_failure.status) == (job.id, "failed")


async def test_arguments_are_checked_before_anything_is_stored(app: Infinitas) -> None:
    @app.task
    def add(a: int) -> int:
        return a

    with pytest.raises(BadArgs, match="a: Input should be a valid integer"):
        await add.asend("many")  # type: ignore[arg-type]


async def test_a_failed_attempt_is_tried_again(app: Infinitas) -> None:
    @app.task(retries=2, retry_delay=0.01)
    def flaky(job: Job) -> str:
        if job.attempt < 3:
            raise OSError("not yet")
        return "at last"

    async with running(app, scheduler=True):
        job = await finished(app, await flaky.asend())

    assert (job.state, job.attempt, job.result) == ("succeeded", 3, "at last")


async def test_what_a_processor_logs_is_kept_with_its_job(make_app: Callable[..., Infinitas]) -> None:
    import logging

    app = make_app()

    @app.task
    def chatty() -> None:
        logging.getLogger("shop").warning("stock is %d", 3)

    async with running(app):
        job = await finished(app, await chatty.asend())

    assert [(line.level, line.text) for line in job.log] == [("warning", "stock is 3")]
