"""Whatever a processor raises or returns ends its job, the same in the loop, a thread and a process."""

import asyncio
from collections.abc import Callable

import pytest

from infinitas import Infinitas, Job, Plugin
from infinitas.core import verdict
from infinitas.devservers.servers import Urls
from infinitas.worker import attempt as attempt_module
from infinitas.worker.runners import in_loop, in_thread
from infinitas.worker.runners.thread_pool import DaemonThreads
from tests.apps import odd_ends
from tests.support import PATIENCE_S, finished, running


@pytest.fixture
def odd_app(servers: Urls, redis: object) -> Infinitas:
    return odd_ends.app.configure(redis_url=servers.redis, concurrency=4)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("runner", odd_ends.RUNNERS)
async def test_every_end_is_one_outcome_and_frees_its_capacity(odd_app: Infinitas, runner: str) -> None:
    """There are many more jobs than capacity: each must return its own."""
    async with running(odd_app):
        names = {name: odd_app.find(f"{name}-{runner}") for name in odd_ends.EXPECTED}
        handles = {name: await task.asend() for name, task in names.items()}
        wrong = []
        for name, (reason, text) in odd_ends.EXPECTED.items():
            job = await finished(odd_app, handles[name])
            found = job.result_json or "null" if job.state == "succeeded" else job.error or ""
            if (job.reason or "") != reason or text not in found:
                wrong.append((name, job.state, job.reason, found[:200]))
        assert wrong == []
    odd_app.close()


def break_outcomes(patch: pytest.MonkeyPatch) -> None:
    for module in (in_loop, in_thread):
        patch.setattr(module, "failure", odd_ends.broken_failure)


def break_runner(patch: pytest.MonkeyPatch) -> None:
    def raise_exit(*_: object) -> None:
        raise SystemExit("a defect")

    patch.setattr(in_loop.AsyncRunner, "run", raise_exit)
    patch.setattr(in_thread.ThreadRunner, "run", raise_exit)


def break_threads(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(in_thread, "_call", odd_ends.broken_failure)
    patch.setattr(in_loop.AsyncRunner, "finish", odd_ends.broken_failure)


def break_verdicts(patch: pytest.MonkeyPatch) -> None:
    """The first verdict of each job can't be found."""
    judge, broken = verdict.judge, set[int]()

    def judge_once(outcome: object, task: object, *rest: object) -> object:
        if id(task) not in broken:
            broken.add(id(task))
            raise KeyboardInterrupt("a defect")
        return judge(outcome, task, *rest)  # type: ignore[arg-type]

    patch.setattr(attempt_module, "judge", judge_once)


@pytest.mark.parametrize("runner", ["loop", "thread"])
@pytest.mark.parametrize("break_part", [break_outcomes, break_runner, break_threads, break_verdicts])
async def test_a_defect_of_the_worker_fails_its_job_and_no_other(
    app: Infinitas,
    monkeypatch: pytest.MonkeyPatch,
    break_part: Callable[[pytest.MonkeyPatch], None],
    runner: str,
) -> None:
    app.configure(concurrency=2)
    begun, go, timed_out = asyncio.Event(), asyncio.Event(), list[float]()

    @app.task
    async def beside() -> str:
        begun.set()
        await go.wait()
        return "unharmed"

    @app.task(timeout=30)
    async def in_loop(job: Job) -> None:
        job.on_timeout(timed_out.append)
        raise ValueError("lost")

    @app.task(timeout=30)
    def in_thread(job: Job) -> None:
        job.on_timeout(timed_out.append)
        raise ValueError("lost")

    async with running(app):
        other = await beside.asend()
        task = in_loop if runner == "loop" else in_thread
        with monkeypatch.context() as patch:
            await begun.wait()
            break_part(patch)
            for _ in range(3 if break_part is not break_verdicts else 1):
                job = await finished(app, await task.asend())
                assert (job.state, job.reason) == ("failed", "error")
                assert "the worker could not run or end the job" in (job.error or "")
                assert "a defect" in (job.error or "")
        go.set()
        assert await other.result(PATIENCE_S) == "unharmed"
        loop = asyncio.get_running_loop()
        limits = [each for each in loop._scheduled if "expire" in repr(each)]  # type: ignore[attr-defined]
        assert all(each.cancelled() for each in limits), "no timer is left"


async def test_a_defect_in_a_jobs_own_process_fails_it(odd_app: Infinitas) -> None:
    async with running(odd_app):
        job = await finished(odd_app, await odd_app.find("broken_inside").asend())
        assert (job.state, job.reason) == ("failed", "error")
        assert job.error == "the worker could not run or end the job: SystemExit: a defect"
    odd_app.close()


async def test_a_thread_of_the_pool_outlives_what_its_work_raises() -> None:
    threads = DaemonThreads()

    def fail(kind: type[BaseException]) -> None:
        raise kind("no")

    for kind in (ValueError, SystemExit, KeyboardInterrupt, asyncio.CancelledError, GeneratorExit):
        with pytest.raises(kind):
            await threads.submit(lambda kind=kind: fail(kind))  # type: ignore[misc]
    with pytest.raises(RuntimeError, match="no"):
        await threads.submit(lambda: fail(StopIteration))
    assert await threads.submit(lambda: 5) == 5
    threads.close()


class Raising(Plugin):
    """Raises from each hook around a job."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.called: list[str] = []

    def _raise(self, hook: str) -> None:
        self.called.append(hook)
        raise self.error

    def before_run(self, *_: object) -> None:
        self._raise("before_run")

    def after_run(self, *_: object) -> None:
        self._raise("after_run")

    def on_failure(self, *_: object) -> None:
        self._raise("on_failure")

    def on_retry(self, *_: object) -> None:
        self._raise("on_retry")


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, asyncio.CancelledError, odd_ends.Dodging])
async def test_a_plugin_that_raises_anything_breaks_no_job(
    servers: Urls, redis: object, kind: type[BaseException]
) -> None:
    plugin = Raising(kind("no"))
    app = Infinitas(redis_url=servers.redis, plugins=[plugin]).configure(concurrency=1)

    @app.task
    async def fine() -> str:
        return "fine"

    @app.task(retries=1, retry_delay=0)
    def fails() -> None:
        raise ValueError("as ever")

    async with running(app, scheduler=True):
        assert await (await fine.asend()).result(PATIENCE_S) == "fine"
        job = await finished(app, await fails.asend())
        assert (job.state, job.attempt, job.error) == ("failed", 2, "ValueError: as ever")
        assert await (await fine.asend()).result(PATIENCE_S) == "fine"
    assert set(plugin.called) == {"before_run", "after_run", "on_failure", "on_retry"}
    app.close()


@pytest.mark.parametrize("kind", [SystemExit, odd_ends.Dodging, odd_ends.Unprintable])
async def test_a_limit_callback_that_raises_anything_stops_nothing_else(
    app: Infinitas, kind: type[BaseException]
) -> None:
    called: list[float] = []

    def fail(_: float) -> None:
        raise kind("no")

    @app.task(timeout=0.2, soft_timeout=0.1)
    async def late(job: Job) -> None:
        for register in (job.on_soft_timeout, job.on_timeout):
            register(fail)
            register(called.append)
        await asyncio.sleep(600)

    @app.task
    async def fine() -> str:
        return "fine"

    async with running(app):
        job = await finished(app, await late.asend())
        assert (job.state, job.reason) == ("failed", "timed_out")
        assert await (await fine.asend()).result(PATIENCE_S) == "fine"
        assert called == [0.1, 0.2]
        lines = [line.text for line in (await app.afetch_job(job.id)).log]
        assert [f"callback failed: {kind.__name__}" in text for text in lines].count(True) == 2
