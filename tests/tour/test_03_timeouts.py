"""A job that takes longer than its limit fails at once; a later settle raises."""

import asyncio
import time

import pytest

from infinitas import Infinitas, Job, JobDone, JobTimedOut
from tests.support import aeventually, finished, running


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_timeout_fails_the_job_and_a_later_done_raises(app: Infinitas, kind: str) -> None:
    """The mission's scenario: 500 ms, a line about it in the log, `job_timed_out` for the latecomer."""
    raised: list[str] = []
    limits: list[float] = []

    def settle_late(error: JobTimedOut) -> None:
        raised.append(error.code)

    async def slow(job: Job) -> None:
        job.on_timeout(limits.append)
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            try:
                await job.done()
            except JobTimedOut as error:
                settle_late(error)

    def slow_in_a_thread(job: Job) -> None:
        job.on_timeout(limits.append)
        while not limits:
            time.sleep(0.01)
        try:
            job.done()
        except JobTimedOut as error:
            settle_late(error)
            job.log("too late")

    decorate = app.task(timeout=0.5)
    if kind == "async":
        decorate(slow)
    else:
        decorate(slow_in_a_thread)
    (task,) = app.tasks.values()
    async with running(app):
        job = await finished(app, await task.asend())

        async def told() -> bool:
            return raised == ["job_timed_out"]

        await aeventually(told)

    assert (job.state, job.reason) == ("failed", "timed_out")
    assert job.duration is not None
    assert 0.5 <= job.duration < 5
    assert limits == [0.5]
    lines = [line.text for line in (await app.afetch_job(job.id)).log]
    assert lines[0] == "timed out: the limit of 0.5 s is over"
    assert lines[1:] == ([] if kind == "async" else ["too late"])


async def test_settling_twice_raises(app: Infinitas) -> None:
    codes: list[str] = []

    @app.task
    async def eager(job: Job) -> None:
        await job.done()
        try:
            await job.done()
        except JobDone as error:
            codes.append(error.code)
        try:
            await job.fail("no")
        except JobDone as error:
            codes.append(error.code)
        try:
            job.log("after the end")
        except JobDone as error:
            codes.append(error.code)

    async with running(app):
        job = await finished(app, await eager.asend())

    assert job.state == "succeeded"
    assert codes == ["job_done"] * 3
