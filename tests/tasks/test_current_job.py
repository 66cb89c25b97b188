"""`current_job()`: the job at any depth of its processor's code; None outside."""

import asyncio
import contextvars
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from infinitas import Infinitas, Job, current_job
from infinitas.devservers.servers import Urls
from tests.apps import contract
from tests.support import PATIENCE_S, finished, running


def id_here() -> str | None:
    job = current_job()
    return None if job is None else job.id


async def test_async_code_its_tasks_and_threads_are_inside(app: Infinitas) -> None:
    seen: list[object] = []

    @app.task
    async def deep(job: Job) -> None:
        seen.append(current_job() is job)
        await asyncio.sleep(0)
        seen.append(await asyncio.create_task(asyncio.to_thread(id_here)) == job.id)

    async with running(app):
        assert (await finished(app, await deep.asend())).state == "succeeded"
    assert seen == [True, True]
    assert current_job() is None


async def test_jobs_side_by_side_have_their_own(app: Infinitas) -> None:
    both = asyncio.Barrier(2)

    @app.task
    async def meet() -> str | None:
        await both.wait()
        return id_here()

    async with running(app):
        handles = [await meet.asend(), await meet.asend()]
        assert [await handle.result(PATIENCE_S) for handle in handles] == [handle.id for handle in handles]


async def test_a_plain_function_is_inside_and_a_bare_thread_only_in_its_context(app: Infinitas) -> None:
    seen: list[str | None] = []

    @app.task
    def plain(job: Job) -> str:
        bare = threading.Thread(target=lambda: seen.append(id_here()))
        bare.start()
        bare.join()
        with ThreadPoolExecutor() as pool:
            seen.append(pool.submit(contextvars.copy_context().run, id_here).result())
        seen.append(id_here())
        return job.id

    async with running(app):
        id = await (await plain.asend()).result(PATIENCE_S)
    # From Python 3.14 on a thread may inherit the context of its starter.
    assert seen[0] in (None, id)
    assert seen[1:] == [id, id]


async def test_a_process_belongs_to_its_job_with_all_threads(servers: Urls, redis: object) -> None:
    app = contract.app.configure(redis_url=servers.redis)
    async with running(app):
        handle = await contract.who_runs_here.asend()
        assert await handle.result(PATIENCE_S) == [handle.id, handle.id, True]
        log = (await finished(app, handle)).log
        assert sorted(line.text for line in log) == ["from a thread", "from the function"]
    app.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
async def test_a_forked_copy_is_outside(app: Infinitas) -> None:
    @app.task
    def forks() -> int:
        copy = os.fork()
        if copy == 0:
            os._exit(7 if current_job() is None else 1)
        return os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1])

    async with running(app):
        assert await (await forks.asend()).result(PATIENCE_S) == 7
