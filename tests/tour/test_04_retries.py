"""What fails is tried again: how often, when, for which exceptions, and until when."""

from collections.abc import Callable

import pytest

from infinitas import Infinitas, Job, Retry
from tests.support import aeventually, finished, running


async def test_delays_double_or_stay(app: Infinitas) -> None:
    @app.task(retries=2, retry_delay=0.05, backoff="fixed")
    def flaky(job: Job) -> int:
        if job.attempt < 3:
            raise OSError(f"no connection {job.attempt}")
        return job.attempt

    async with running(app, scheduler=True):
        assert await (await flaky.asend()).result(10) == 3


async def test_only_some_exceptions_are_worth_another_attempt(app: Infinitas) -> None:
    @app.task(retries=5, retry_delay=0, retry_on=(OSError,), never_retry_on=(FileNotFoundError,))
    def read(path: str) -> None:
        raise {"busy": BlockingIOError, "gone": FileNotFoundError, "wrong": ValueError}[path](path)

    async with running(app, scheduler=True):
        jobs = [await finished(app, await read.asend(path)) for path in ("busy", "gone", "wrong")]

    assert [job.attempt for job in jobs] == [6, 1, 1]


async def test_a_processor_sets_when_to_try_again(app: Infinitas) -> None:
    @app.task(retries=1, retry_delay=3600)
    def limited(job: Job) -> str:
        if job.attempt == 1:
            raise Retry("the API asks us to wait", after=0.01)
        return "served"

    async with running(app, scheduler=True):
        job = await finished(app, await limited.asend())

    assert (job.state, job.result, job.attempt) == ("succeeded", "served", 2)


async def test_no_retry_begins_after_its_time(app: Infinitas) -> None:
    @app.task(retries=100, retry_delay=60, give_up_after=30)
    def hopeless() -> None:
        raise OSError("still no connection")

    async with running(app, scheduler=True):
        job = await finished(app, await hopeless.asend())

    assert (job.state, job.attempt) == ("failed", 1)


async def test_the_next_attempt_begins_at_the_last_checkpoint(app: Infinitas) -> None:
    pages: list[int] = []

    @app.task(retries=1, retry_delay=0)
    async def crawl(job: Job) -> None:
        for page in range(job.last_checkpoint or 0, 5):
            if page == 3 and job.attempt == 1:
                raise OSError("the site is down")
            pages.append(page)
            await job.checkpoint(page + 1)

    async with running(app, scheduler=True):
        await finished(app, await crawl.asend())

    assert pages == [0, 1, 2, 3, 4]


async def test_each_attempt_is_kept_with_its_error(make_app: Callable[..., Infinitas]) -> None:
    app = make_app(archive=True)

    @app.task(retries=1, retry_delay=0)
    def divide(job: Job) -> float:
        return 1 / (job.attempt - 2 if job.attempt == 2 else 0)

    async with running(app, scheduler=True, archiver=True):
        handle = await divide.asend()
        await finished(app, handle)

        async def archived() -> bool:
            attempts = (await app.afetch_job(handle.id)).attempts
            return len(attempts) == 2 and attempts[1].ended is not None

        await aeventually(archived)
        first, second = (await app.afetch_job(handle.id)).attempts

    assert (first.attempt, first.outcome, second.attempt, second.outcome) == (1, "failed", 2, "failed")
    assert first.error == second.error
    assert "ZeroDivisionError" in str(first.error)
    assert "in divide" in str(first.traceback)
    assert first.worker
    assert first.started is not None
    assert first.ended is not None


@pytest.mark.parametrize("after", [-1, float("nan"), float("inf")])
def test_a_wrong_wait_is_refused(after: float) -> None:
    with pytest.raises(ValueError, match="after"):
        Retry(after=after)
