"""A process that runs one job after another: nothing of one reaches the next."""

import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infinitas import Infinitas
from infinitas.devservers.servers import Urls
from infinitas.tasks.task import AnyTask
from infinitas.worker.attempt import Attempt
from infinitas.worker.runners.process import ProcessRunner
from infinitas.worker.runners.process_pool import PoolProcess, ProcessPool
from tests.apps import pooled
from tests.support import PATIENCE_S, aeventually, alive, finished, running


@contextlib.asynccontextmanager
async def serving(servers: Urls, **settings: object) -> AsyncIterator[Infinitas]:
    limits = {"jobs_per_process": 500, "process_memory": 0, **settings}
    app = pooled.app.configure(redis_url=servers.redis, concurrency=1, **limits)
    async with running(app):
        yield app
    app.close()


async def result(task: AnyTask, *args: object) -> object:
    return await (await task.asend(*args)).result(PATIENCE_S)


async def test_nothing_of_a_job_reaches_the_next(servers: Urls, redis: object, tmp_path: Path) -> None:
    async with serving(servers):
        before = await result(pooled.see)
        assert isinstance(before, dict)
        assert await result(pooled.change_everything, str(tmp_path)) == before["pid"]
        assert await result(pooled.see) == before


async def test_a_thread_that_is_left_is_reported_and_is_outside_of_the_next_job(
    servers: Urls, redis: object
) -> None:
    async with serving(servers) as app:
        left = await finished(app, await pooled.leave_a_thread.asend())
        assert [line.text for line in left.log if "left threads" in line.text] == [
            "The job has left threads behind: ticker. They go on in this process, outside of any job. "
            'End them, or give the task isolate="job".'
        ]
        later = await finished(app, await pooled.wait_for_a_tick.asend())
        assert (later.result, later.log) == (left.result, ())


async def test_a_process_that_a_job_has_left_ends_with_the_jobs_own(servers: Urls, redis: object) -> None:
    async with serving(servers):
        pids = await result(pooled.leave_a_process)
        assert isinstance(pids, list)
        assert await result(pooled.pid) not in pids

        async def dead() -> bool:
            return not any(map(alive, pids))

        await aeventually(dead)


async def test_a_process_is_replaced_when_its_time_has_come(servers: Urls, redis: object) -> None:
    async with serving(servers, jobs_per_process=2):
        first, second, third = [await result(pooled.pid) for _ in range(3)]
        assert first == second != third
        assert third not in {await result(pooled.own_pid), await result(pooled.own_pid)}
        assert await result(pooled.pid) == third
    async with serving(servers, process_memory=1_000):
        assert await result(pooled.pid) != await result(pooled.pid)


async def test_a_crash_is_the_end_of_one_job_alone(servers: Urls, redis: object) -> None:
    async with serving(servers) as app:
        first = await result(pooled.pid)
        died = await finished(app, await pooled.die.asend())
        assert (died.reason, died.error) == ("crashed", "the process was ended by signal 9 (SIGKILL)")
        assert await result(pooled.pid) != first


async def test_a_process_that_dies_between_two_jobs_costs_none_of_them_an_attempt(
    servers: Urls, redis: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is killed while it waits, and once more after the job is sent and before the process has it."""
    take, doomed = ProcessPool.take, set[int]()

    def take_and_kill(self: ProcessPool, *, fresh: bool) -> PoolProcess:
        process = take(self, fresh=fresh)
        if process.jobs > 1:
            # It has taken no message yet, and never will.
            pid = process._process.pid
            assert pid is not None
            doomed.add(pid)
            os.kill(pid, signal.SIGSTOP)
            send = process.send

            def send_and_kill(**fields: object) -> None:
                send(**fields)
                process.kill()

            monkeypatch.setattr(process, "send", send_and_kill)
        return process

    async with serving(servers) as app:
        first = await result(pooled.pid)
        assert isinstance(first, int)
        os.kill(first, signal.SIGKILL)
        second = await result(pooled.pid)
        monkeypatch.setattr(ProcessPool, "take", take_and_kill)
        job = await finished(app, await pooled.pid.asend())
        assert doomed == {second}
        assert (job.state, job.attempt) == ("succeeded", 1)
        assert job.result not in (str(first), str(second))


async def test_a_late_stop_of_one_job_does_not_end_the_next(
    servers: Urls, redis: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The first job is stopped when its process has the second one already."""
    attempts: list[tuple[ProcessRunner, Attempt]] = []
    run, file, gate = ProcessRunner._run, tmp_path / "pid", tmp_path / "gate"

    def note(self: ProcessRunner, attempt: Attempt) -> object:
        attempts.append((self, attempt))
        return run(self, attempt)

    monkeypatch.setattr(ProcessRunner, "_run", note)
    async with serving(servers):
        first = await result(pooled.pid)
        handle = await pooled.hold.asend(str(file), str(gate))

        async def began() -> bool:
            return file.exists() and file.read_text() == str(first)

        await aeventually(began)
        runner, attempt = attempts[0]
        runner._kill(attempt)
        gate.touch()
        assert await handle.result(PATIENCE_S) == first
