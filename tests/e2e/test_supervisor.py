"""Several worker processes under one supervisor: restarts, signals, reload, burst, max-jobs."""

import os
import signal
from pathlib import Path
from typing import Any

from redis import Redis

from infinitas import Infinitas
from infinitas.devservers.servers import Urls
from tests.apps import contract
from tests.support import PATIENCE_S, Processes, eventually

P = "{infinitas:default}:"
APP = "tests.apps.contract:app"


def use(servers: Urls) -> Infinitas:
    return contract.app.configure(redis_url=servers.redis)


def members(redis: Redis) -> set[str]:
    found: Any = redis.hkeys(f"{P}members")
    return set(found)


def pids(redis: Redis) -> set[int]:
    return {int(member.split("-")[-2]) for member in members(redis)}


def test_it_restarts_what_dies_and_drains_on_sigterm(
    processes: Processes, servers: Urls, redis: Redis, tmp_path: Path
) -> None:
    app = use(servers)
    supervisor = processes.start("worker", APP, "--processes", "2")
    eventually(lambda: len(members(redis)) == 2)
    victim = min(pids(redis))
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: len(members(redis)) == 2 and victim not in pids(redis))
    job = contract.hold.send(str(tmp_path / "trace"), 0.8)
    eventually((tmp_path / "trace").exists)
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(PATIENCE_S) == 0
    assert app.fetch_job(job.id).state == "succeeded"
    assert members(redis) == set()
    app.close()


def test_sighup_replaces_every_process(processes: Processes, servers: Urls, redis: Redis) -> None:
    app = use(servers)
    supervisor = processes.start("worker", APP, "-p", "2")
    eventually(lambda: len(members(redis)) == 2)
    before = pids(redis)
    supervisor.send_signal(signal.SIGHUP)
    eventually(lambda: len(members(redis)) == 2 and not pids(redis) & before)
    assert supervisor.poll() is None
    app.close()


def test_sighup_restarts_a_single_worker(processes: Processes, servers: Urls, redis: Redis) -> None:
    app = use(servers)
    worker = processes.start("worker", APP)
    before = eventually(lambda: members(redis))
    worker.send_signal(signal.SIGHUP)
    eventually(lambda: members(redis) - before)
    assert pids(redis) == {worker.pid}
    app.close()


def test_children_stop_when_their_supervisor_is_killed(
    processes: Processes, servers: Urls, redis: Redis
) -> None:
    processes.environment["INFINITAS_LEASE"] = "1"
    supervisor = processes.start("worker", APP, "-p", "2")
    eventually(lambda: len(members(redis)) == 2)
    supervisor.kill()
    eventually(lambda: members(redis) == set())


def test_it_beats_for_a_child_that_can_not(processes: Processes, servers: Urls, redis: Redis) -> None:
    app = use(servers)
    processes.environment["INFINITAS_LEASE"] = "3"
    processes.start("scheduler")
    processes.start("worker", APP, "-p", "2")
    eventually(lambda: len(members(redis)) == 2)
    job = contract.hog.send(7)
    assert job.get(PATIENCE_S) == "gave it back"
    assert app.fetch_job(job.id).attempt == 1
    assert "is dead" not in processes.logs()
    app.close()


def test_sigusr1_prints_what_runs(processes: Processes, servers: Urls, redis: Redis, tmp_path: Path) -> None:
    app = use(servers)
    worker = processes.start("worker", APP)
    contract.hold.send(str(tmp_path / "trace"), 30)
    eventually(lambda: (tmp_path / "trace").exists())
    worker.send_signal(signal.SIGUSR1)
    eventually(lambda: "most recent call first" in processes.logs() and "in hold" in processes.logs())
    assert worker.poll() is None
    app.close()


def test_burst_ends_when_nothing_is_left(processes: Processes, servers: Urls, redis: Redis) -> None:
    app = use(servers)
    jobs = contract.noop.send_many([()] * 50)
    assert processes.run("worker", APP, "--burst").returncode == 0
    assert {app.fetch_job(job.id).state for job in jobs} == {"succeeded"}
    app.close()


def test_max_jobs_ends_a_worker_and_restarts_it_under_a_supervisor(
    processes: Processes, servers: Urls, redis: Redis
) -> None:
    app = use(servers)
    contract.noop.send_many([()] * 10)
    assert processes.run("worker", APP, "-c", "1", "--max-jobs", "4").returncode == 0
    assert redis.xlen(f"{P}stream:noop") == 6
    processes.start("worker", APP, "-c", "1", "--max-jobs", "2", "-p", "2")
    eventually(lambda: redis.xlen(f"{P}stream:noop") == 0)
    app.close()


def test_reload_runs_the_new_code(processes: Processes, servers: Urls, redis: Redis, tmp_path: Path) -> None:
    code = "import infinitas\napp = infinitas.Infinitas()\n@app.task\ndef version() -> int:\n    return {}\n"
    module = tmp_path / "reloaded.py"
    module.write_text(code.format(1))
    app = Infinitas(redis_url=servers.redis)

    @app.task
    def version() -> int:
        return 0

    processes.start("worker", "reloaded:app", "--reload")
    assert version.send().get(PATIENCE_S) == 1
    module.write_text("this is no Python")
    eventually(lambda: "SyntaxError" in processes.logs())
    module.write_text(code.format(2))
    eventually(lambda: version.send().get(PATIENCE_S) == 2)
    app.close()


def test_a_wrong_app_ends_the_supervisor_with_its_error(processes: Processes, redis: Redis) -> None:
    ended = processes.run("worker", "no.such.module:app", "-p", "2")
    assert ended.returncode == 2
    assert "no.such.module" in ended.stderr
    assert "Traceback" not in ended.stderr
