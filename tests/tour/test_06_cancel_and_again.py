"""People change their minds: cancel what waits or runs, try again, run once more."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.errors import UndefinedTable

from infinitas import (
    AlreadyEnded,
    AlreadySucceeded,
    Infinitas,
    Job,
    JobCancelled,
    NotEnded,
    UnknownJob,
)
from tests.support import PATIENCE_S, aeventually, finished, running


async def test_a_waiting_job_is_cancelled_at_once(app: Infinitas) -> None:
    @app.task
    def report() -> None: ...

    queued = await report.asend()
    later = await report.using(delay=3600).asend()
    assert (await app.afetch_job(later.id)).state == "scheduled"
    for handle in (queued, later):
        job = await app.acancel(handle.id, "not needed")
        assert (job.state, job.reason) == ("cancelled", "not needed")
        with pytest.raises(JobCancelled, match="not needed"):
            await handle.result(1)
    async with running(app):
        await finished(app, await report.asend())
    assert (await app.afetch_job(queued.id)).attempt == 0


async def test_a_running_async_job_is_cancelled_before_the_next_heartbeat(app: Infinitas) -> None:
    seen: list[str] = []

    @app.task
    async def patient(job: Job) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            try:
                await job.done()
            except JobCancelled as error:
                seen.append(error.code)

    # Heartbeats bring it too, and come now every 150 s.
    async with running(app.configure(lease=600)):
        handle = await patient.asend()

        async def runs() -> bool:
            return (await app.afetch_job(handle.id)).state == "running"

        await aeventually(runs)
        await app.acancel(handle.id, "enough")
        job = await app.await_for_end(handle.id, PATIENCE_S)

        async def told() -> bool:
            return seen == ["job_cancelled"]

        await aeventually(told)
    assert (job.state, job.reason) == ("cancelled", "enough")


async def test_code_in_a_thread_gets_the_cancel_with_its_next_call(app: Infinitas) -> None:
    codes: list[str] = []

    @app.task
    def stubborn(job: Job) -> None:
        while not codes:
            try:
                job.progress("working")
                time.sleep(0.01)
            except JobCancelled as error:
                codes.append(error.code)

    async with running(app):
        handle = await stubborn.asend()

        async def runs() -> bool:
            return (await app.afetch_job(handle.id)).step == "working"

        await aeventually(runs)
        await app.acancel(handle.id)
        assert (await app.await_for_end(handle.id, PATIENCE_S)).state == "cancelled"
    assert codes == ["job_cancelled"]


async def test_a_success_that_is_faster_stays_a_success(app: Infinitas) -> None:
    @app.task
    def quick() -> str:
        return "done"

    async with running(app):
        handle = await quick.asend()
        await finished(app, handle)
        with pytest.raises(AlreadyEnded):
            await app.acancel(handle.id)
    assert (await app.afetch_job(handle.id)).state == "succeeded"


async def test_a_failed_job_gets_fresh_tries(app: Infinitas) -> None:
    broken = [True]

    @app.task(retries=1, retry_delay=0)
    def fragile() -> str:
        if broken:
            raise OSError("broken")
        return "mended"

    async with running(app, scheduler=True):
        handle = await fragile.asend()
        assert (await finished(app, handle)).attempt == 2
        broken.clear()
        await app.aretry(handle.id)
        assert await handle.result(10) == "mended"
        assert (await app.afetch_job(handle.id)).attempt == 3
        with pytest.raises(AlreadySucceeded):
            await app.aretry(handle.id)
        again = await app.arerun(handle.id)
        assert again.id != handle.id
        assert await again.result(10) == "mended"
        assert (await app.afetch_job(again.id)).headers == {"infinitas-rerun-of": handle.id}


async def test_summaries_stay_the_fold_of_history(
    make_app: Callable[..., Infinitas], postgres_url: str
) -> None:
    """A job that was tried again by hand counts once, as what it is in the end."""
    app, broken = make_app(archive=True), [True]

    @app.task
    def fragile() -> None:
        if broken:
            raise OSError("broken")

    query = "SELECT succeeded, failed, (SELECT count(*) FROM infinitas_jobs) FROM infinitas_tasks"

    def counts() -> Any:
        with psycopg.connect(postgres_url) as connection, contextlib.suppress(UndefinedTable):
            return connection.execute(query).fetchone()

    async with running(app, archiver=True):
        handle = await fragile.asend()
        await finished(app, handle)

        async def recorded(wanted: tuple[int, int, int]) -> bool:
            return bool((await asyncio.to_thread(counts)) == wanted)

        await aeventually(lambda: recorded((0, 1, 1)))
        broken.clear()
        await app.aretry(handle.id)
        await handle.result(10)
        await aeventually(lambda: recorded((1, 0, 1)))


async def test_a_wrong_state_is_refused(app: Infinitas) -> None:
    @app.task
    def waits() -> None: ...

    handle = await waits.asend()
    with pytest.raises(NotEnded):
        await app.aretry(handle.id)
    for verb in (app.acancel, app.aretry, app.arerun):
        with pytest.raises(UnknownJob):
            await verb("nothing")
