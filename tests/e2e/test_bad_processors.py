"""Whatever a processor does ends in one recorded state with a clear reason; its worker goes on."""

import re
import signal
import threading
import time
from typing import Any

import pytest
from redis import Redis

from infinitas import Handle, Infinitas, Job, JobDone, JobInfo
from infinitas.devservers.servers import Urls
from tests.apps import contract
from tests.support import PATIENCE_S, Processes, events, eventually, finished, running

APP = "tests.apps.contract:app"


def use(servers: Urls) -> Infinitas:
    return contract.app.configure(redis_url=servers.redis)


def test_each_ends_in_one_state_and_the_worker_goes_on(
    processes: Processes, servers: Urls, redis: Redis, tmp_path: Any
) -> None:
    app = use(servers)
    processes.environment["INFINITAS_SHUTDOWN_TIMEOUT"] = "0.5"
    worker = processes.start("worker", APP)
    cases: list[tuple[Handle[Any], str, str | None, str]] = [
        (contract.never_return.send(), "failed", "timed_out", "0.3 s"),
        (contract.refuse_to_go.send(), "failed", "timed_out", "0.3 s"),
        (contract.exit_interpreter.send(), "failed", "error", "SystemExit: 3"),
        (contract.interrupt.send(), "failed", "error", "KeyboardInterrupt"),
        (contract.recurse.send(), "failed", "error", "RecursionError"),
        (contract.not_json.send(), "failed", "bad_result", "JSON"),
        (contract.huge.send(), "failed", "bad_result", "100,000,002 bytes"),
        (contract.log_binary.send(), "succeeded", None, ""),
        (contract.block_for_ever.send(), "failed", "timed_out", "0.5 s"),
        (contract.encode_for_ever.send(), "failed", "timed_out", "0.5 s"),
        (contract.noop.send(), "succeeded", None, ""),
    ]
    for handle, state, reason, text in cases:
        job = app.wait_for_end(handle.id, PATIENCE_S)
        assert (job.task, job.state, job.reason) == (job.task, state, reason)
        assert text in (job.error or ""), job.error
        eventually(lambda line=f"{job.id} {state} in ": processes.logs().count(line) == 1)  # type: ignore[misc]
    assert "The event loop has been blocked" in processes.logs()
    assert "contract.py" in processes.logs()
    binary = app.fetch_job(cases[7][0].id)
    assert binary.log[0].text == "b'\\x00\\xff\\xfe'"
    assert binary.log[1].text == "\ufffd surrogate \\0 nul"
    final = [event.fields["job"] for event in events(redis, "job.failed", "job.succeeded")]
    assert sorted(final) == sorted(handle.id for handle, *_ in cases)
    assert worker.poll() is None
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE_S) == 0, "code that never returns does not keep the process"
    app.close()


async def test_settling_from_two_threads_counts_once(app: Infinitas) -> None:
    codes: list[str] = []

    @app.task
    def race(job: Job) -> None:
        together = threading.Barrier(2)

        def settle() -> None:
            together.wait()
            try:
                job.done(1)
                codes.append("ok")
            except JobDone as error:
                codes.append(error.code)

        threads = [threading.Thread(target=settle) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    async with running(app):
        for _ in range(20):
            assert (await finished(app, await race.asend())).state == "succeeded"
    assert sorted(codes) == ["job_done"] * 20 + ["ok"] * 20


async def test_a_job_used_after_its_end(app: Infinitas) -> None:
    kept: list[Job] = []

    @app.task
    def keep(job: Job) -> None:
        kept.append(job)

    async with running(app):
        await finished(app, await keep.asend())
        job = kept[0]
        for use_late in (lambda: job.log("late"), lambda: job.progress(1.0), lambda: job.checkpoint(1)):
            with pytest.raises(JobDone):
                use_late()
        with pytest.raises(JobDone):
            await job.done()


def rss_kb(pid: int) -> int:
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])  # type: ignore[index]


def test_a_log_flood_stays_small(processes: Processes, servers: Urls, redis: Redis) -> None:
    """100 MB from one job: its log is bounded, with a line about it; memory and other jobs don't notice."""
    app = use(servers)
    worker = processes.start("worker", APP)
    app.wait_for_end(contract.noop.send().id, PATIENCE_S)
    before = rss_kb(worker.pid)
    flood = contract.flood.send(100)
    eventually(lambda: app.fetch_job(flood.id).state == "running")
    others: list[JobInfo] = []
    most = before
    while app.fetch_job(flood.id).ended is None:
        others.append(app.wait_for_end(contract.noop.send().id, PATIENCE_S))
        most = max(most, rss_kb(worker.pid))
        time.sleep(0.01)
    job = app.fetch_job(flood.id)
    assert job.result == "flooded"
    assert sum(len(line.text) for line in job.log) < 1_100_000
    assert job.log[-1].text.startswith("… 99,")
    assert "lines dropped" in job.log[-1].text
    assert most - before < 50_000, "kB"
    assert all(other.state == "succeeded" for other in others)
    app.close()
