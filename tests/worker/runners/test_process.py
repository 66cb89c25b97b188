"""A job in its own process: killable with its group; a crash is an outcome; the contract is the same."""

import multiprocessing
import os
import threading
from datetime import date
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from infinitas import ConfigError, Infinitas
from infinitas.core.verdict import judge
from infinitas.devservers.servers import Urls
from infinitas.worker.outcomes import crashed
from infinitas.worker.runners import process, task_place
from tests.apps import contract
from tests.support import PATIENCE_S, aeventually, alive, finished, running


def app_on(servers: Urls) -> Infinitas:
    return contract.app.configure(redis_url=servers.redis)


async def test_it_returns_logs_and_reports_like_any_job(servers: Urls, redis: object) -> None:
    app = app_on(servers)
    async with running(app):
        handle = await contract.compute.asend(2, 40)
        assert (await handle.result(PATIENCE_S))["sum"] == 42
        assert (await handle.result(PATIENCE_S))["pid"] != os.getpid()
        job = await app.afetch_job(handle.id)
        assert [line.text for line in job.log] == ["computing", "adding"]
        assert (job.progress, job.step) == (0.5, "half")
        day = date(2026, 1, 1)
        assert await (await contract.pack.asend(day, b"\xff")).result(PATIENCE_S) == (day, b"\xff")
        assert await (await contract.settle_packed.asend(day)).result(PATIENCE_S) == {day}
        explicit = await finished(app, await contract.compute_async.asend())
        assert (explicit.result, explicit.checkpoint) == ("explicitly", {"page": 7})
        sent = await (await contract.send_from_there.asend()).result(PATIENCE_S)
        assert (await app.await_for_end(sent, PATIENCE_S)).state == "succeeded"
        printed = await finished(app, await contract.prints.asend())
        assert [line.text for line in printed.log] == ["printed there"]
        leaked = await finished(app, await contract.leaks.asend(2000))
        numbers = [line.text for line in leaked.log if line.text != "unclosed"]
        assert numbers == list(map(str, range(2000)))
    app.close()


async def test_a_timeout_kills_the_process_and_its_children(
    servers: Urls, redis: object, tmp_path: Path
) -> None:
    app, file = app_on(servers), tmp_path / "pids"
    async with running(app):
        job = await finished(app, await contract.spin.asend(str(file)))
        assert (job.state, job.reason) == ("failed", "timed_out")
        pids = [int(line) for line in file.read_text().split()]
        assert len(pids) == 2

        async def dead() -> bool:
            return not any(alive(pid) for pid in pids)

        await aeventually(dead)
    app.close()


async def test_a_process_that_starts_after_its_limit_is_killed(
    servers: Urls, redis: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, started = threading.Event(), threading.Event()
    start = ForkServerProcess.start

    def start_late(self: ForkServerProcess) -> None:
        go.wait(20)
        start(self)
        started.set()

    monkeypatch.setattr(ForkServerProcess, "start", start_late)
    monkeypatch.setattr(process, "GRACE_S", 0)
    app = app_on(servers)
    async with running(app):
        job = await finished(app, await contract.spin.asend(str(tmp_path / "pids")))
        assert job.reason == "timed_out"
        go.set()

        async def dead() -> bool:
            return started.is_set() and not multiprocessing.active_children()

        await aeventually(dead)
    app.close()


async def test_a_cancel_kills_the_process_within_a_second(
    servers: Urls, redis: object, tmp_path: Path
) -> None:
    app, file = app_on(servers), tmp_path / "pids"
    async with running(app):
        handle = await contract.spin_long.asend(str(file))

        async def began() -> bool:
            return file.exists() and bool(file.read_text())

        await aeventually(began)
        await app.acancel(handle.id, "enough")
        job = await finished(app, handle)
        assert (job.state, job.reason) == ("cancelled", "enough")
        pid = int(file.read_text())

        async def dead() -> bool:
            return not alive(pid)

        await aeventually(dead)
    app.close()


async def test_a_crash_is_a_recorded_outcome(servers: Urls, redis: object) -> None:
    app = app_on(servers)
    async with running(app):
        crashed = await finished(app, await contract.segfault.asend())
        assert (crashed.state, crashed.reason) == ("failed", "crashed")
        assert crashed.error == "the process was ended by signal 11 (SIGSEGV)"
        gone = await finished(app, await contract.vanish.asend())
        assert gone.error == "the process ended without an outcome (exit code 7)"
    app.close()


async def test_limits_reach_callbacks_in_the_process(servers: Urls, redis: object, tmp_path: Path) -> None:
    app, file = app_on(servers), tmp_path / "calls"
    async with running(app):
        job = await finished(app, await contract.warned.asend(str(file)))
        assert job.reason == "timed_out"

        async def both_called() -> bool:
            return file.exists() and file.read_text() == "soft 1\nhard 2\n"

        await aeventually(both_called)
    app.close()


async def test_a_task_that_a_process_can_not_import_is_refused_at_the_start(app: Infinitas) -> None:
    @app.task(runner="process")
    def local() -> None: ...

    with pytest.raises(ConfigError, match="local"):
        async with running(app):
            pass


async def test_a_task_is_found_under_the_name_that_it_stands_under(servers: Urls, redis: object) -> None:
    """The functions of these tasks have other names, or none."""
    app = app_on(servers)
    async with running(app):
        for name in ("bound", "counted", "renamed"):
            assert await (await app.find(name).asend(40)).result(PATIENCE_S) == 42
    app.close()


async def test_a_task_that_its_process_does_not_find_has_a_reason(
    servers: Urls, redis: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = app_on(servers)
    place = task_place.TaskPlace("tests.apps.contract", "noop")
    monkeypatch.setattr(process, "place_of", lambda task: place)
    async with running(app):
        job = await finished(app, await contract.compute.asend(1, 1))
        assert job.error is not None
        assert "tests.apps.contract:noop is not the task 'compute'" in job.error
    app.close()


async def test_a_module_that_a_process_can_not_import_is_named(
    servers: Urls, redis: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = app_on(servers)
    place = task_place.TaskPlace("tests.apps.no_such_module", "noop")
    monkeypatch.setattr(process, "place_of", lambda task: place)
    async with running(app):
        job = await finished(app, await contract.compute.asend(1, 1))
        assert (job.state, job.reason) == ("failed", "error")
        assert "No module named 'tests.apps.no_such_module'" in (job.error or "")
    app.close()


@pytest.mark.parametrize(("retry_on", "attempts"), [(OSError, 2), (ValueError, 1)])
def test_a_crash_counts_as_an_exception(retry_on: type[Exception], attempts: int) -> None:
    task = Infinitas().task(retries=1, retry_on=retry_on)(contract.vanish.function)
    verdict = judge(crashed(task, "signal 9"), task.definition, 1, 0, 0)
    assert (verdict.state == "retrying") is (attempts == 2)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("delay", "crashed"),
        ("nonsense", "crashed"),
        ("result", "crashed"),
        ("fields", "crashed"),
        ("huge", "crashed"),
        ("reason", "error"),
    ],
)
async def test_invalid_messages_of_untrusted_code_fail_its_job(
    servers: Urls, redis: object, kind: str, reason: str
) -> None:
    app = app_on(servers)
    async with running(app):
        job = await finished(app, await contract.lie.asend(kind))
        assert (job.state, job.reason) == ("failed", reason)
        assert (await (await contract.compute.asend(1, 1)).result(PATIENCE_S))["sum"] == 2
    app.close()
