"""Real worker processes: how jobs are shared out, and how the processes stop."""

import signal
from collections import Counter
from pathlib import Path
from typing import Any

from redis import Redis

from infinitas import Infinitas
from infinitas.devservers.servers import Urls
from tests.apps import jobs, special
from tests.support import PATIENCE_S, Processes, eventually

P = "{infinitas:default}:"
STREAM = f"{P}stream:noop"


def use(app: Infinitas, servers: Urls) -> Infinitas:
    return app.configure(redis_url=servers.redis)


def idle_workers(redis: Redis) -> int:
    return sum(c["cmd"] == "blpop" and "infinitas:worker" in c["name"] for c in redis.client_list())


def ended(app: Infinitas, id: str) -> bool:
    return app.fetch_job(id).ended is not None


def test_three_idle_workers_share_300_jobs_exactly(processes: Processes, servers: Urls, redis: Redis) -> None:
    app = use(jobs.app, servers)
    for _ in range(3):
        processes.start("worker", "tests.apps.jobs:app")
    counts: Counter[str] = Counter()
    for _ in range(300):
        eventually(lambda: idle_workers(redis) == 3)
        job = app.find("noop").send().id
        eventually(lambda job=job: ended(app, job))  # type: ignore[misc]
        counts[str(app.fetch_job(job).worker)] += 1
    app.close()
    assert sorted(counts.values()) == [100, 100, 100], counts


def test_a_task_reaches_only_a_worker_that_knows_it(
    processes: Processes, servers: Urls, redis: Redis
) -> None:
    processes.start("worker", "tests.apps.jobs:app")
    eventually(lambda: idle_workers(redis) == 1)
    first: Any = eventually(lambda: redis.zrange(f"{P}beats", 0, -1))
    (only_a,) = first
    processes.start("worker", "tests.apps.special:app")
    eventually(lambda: idle_workers(redis) == 2)
    app = use(special.app, servers)
    ids = [app.find("special").send().id for _ in range(50)]
    for id in ids:
        eventually(lambda id=id: ended(app, id))  # type: ignore[misc]
    assert only_a not in {app.fetch_job(id).worker for id in ids}
    app.close()


def test_a_worker_whose_event_loop_is_blocked_is_given_no_job(
    processes: Processes, servers: Urls, redis: Redis, tmp_path: Path
) -> None:
    """It has waited longest when the bell rings, and places are free there."""
    app = use(jobs.app, servers)
    for _ in range(2):
        processes.start("worker", "tests.apps.jobs:app")
    eventually(lambda: idle_workers(redis) == 2)
    blocked = jobs.block_until.send(str(tmp_path / "block"), str(tmp_path / "gate"))
    eventually(lambda: app.fetch_job(blocked.id).state == "running")
    eventually(lambda: idle_workers(redis) == 2)
    assert jobs.noop.send().get(PATIENCE_S) is None, "the other one has waited longer"
    eventually((tmp_path / "block").exists)
    eventually(lambda: idle_workers(redis) == 2)
    assert jobs.noop.send().get(PATIENCE_S) is None, "that bell went to the blocked one"
    assert app.fetch_job(blocked.id).state == "running"
    (tmp_path / "gate").touch()
    app.close()


def test_a_worker_that_is_asked_to_stop_finishes_and_leaves(
    processes: Processes, servers: Urls, redis: Redis, tmp_path: Path
) -> None:
    app = use(jobs.app, servers)
    worker = processes.start("worker", "tests.apps.jobs:app")
    eventually(lambda: idle_workers(redis) == 1)
    job = jobs.slow_until.send(str(tmp_path / "gate")).id
    eventually(lambda: app.fetch_job(job).state == "running")
    worker.send_signal(signal.SIGTERM)
    eventually(lambda: "may finish" in processes.logs())
    (tmp_path / "gate").touch()
    assert worker.wait(PATIENCE_S) == 0
    assert app.fetch_job(job).result == "slept"
    assert redis.zcard(f"{P}beats") == 0
    groups: Any = redis.xinfo_groups(f"{P}stream:slow_until")
    assert groups[0]["consumers"] == 0
    app.close()


def test_a_second_signal_hands_the_job_back_uncharged(
    processes: Processes, servers: Urls, redis: Redis, tmp_path: Path
) -> None:
    app = use(jobs.app, servers)
    worker = processes.start("worker", "tests.apps.jobs:app")
    eventually(lambda: idle_workers(redis) == 1)
    job = jobs.slow_until.send(str(tmp_path / "gate")).id
    eventually(lambda: app.fetch_job(job).state == "running")
    worker.send_signal(signal.SIGINT)
    eventually(lambda: "may finish" in processes.logs())
    worker.send_signal(signal.SIGINT)
    eventually(lambda: app.fetch_job(job).state == "queued")
    assert redis.hget(f"{P}job:{job}", "uncharged") == "1"
    (tmp_path / "gate").touch()
    processes.start("worker", "tests.apps.jobs:app")
    eventually(lambda: ended(app, job))
    assert app.fetch_job(job).attempt == 2
    app.close()


def test_system_exit_in_a_processor_fails_its_job_alone(
    processes: Processes, servers: Urls, redis: Redis
) -> None:
    app = use(jobs.app, servers)
    worker = processes.start("worker", "tests.apps.jobs:app")
    job = app.find("explode").send().id
    eventually(lambda: ended(app, job))
    assert app.fetch_job(job).error == "SystemExit: not the worker, please"
    assert worker.poll() is None
    app.close()


def test_a_worker_carries_on_after_redis_was_away(processes: Processes, servers: Urls, redis: Redis) -> None:
    """Every connection is cut, again and again; nothing is lost and it is logged once."""
    app = use(jobs.app, servers)
    processes.start("worker", "tests.apps.jobs:app")
    eventually(lambda: idle_workers(redis) == 1)
    ids = []
    for _ in range(20):
        ids += [app.find("noop").send().id for _ in range(20)]
        for client in redis.client_list():
            if "infinitas:worker" in client["name"]:
                redis.client_kill_filter(_id=client["id"])
    for id in ids:
        eventually(lambda id=id: ended(app, id))  # type: ignore[misc]
    assert {app.fetch_job(id).state for id in ids} == {"succeeded"}
    assert redis.xlen(STREAM) == 0
    app.close()
