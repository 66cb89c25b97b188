"""A failover of Sentinels under load: all processes go on, and nothing that a replica has is lost."""

from pathlib import Path
from typing import Any

import httpx
import psycopg
from redis import Redis

from tests.apps import jobs
from tests.load import Load
from tests.own_redis import free_port
from tests.sentinels import SentinelSystem, sentinel_system
from tests.support import Processes, eventually

P = "{infinitas:default}:"
APP = "tests.apps.jobs:app"
HELD = 20


def test_a_failover_under_load(tmp_path: Path, postgres_url: str) -> None:
    with sentinel_system() as system:
        runs, gate = tmp_path / "runs", tmp_path / "gate"
        processes = Processes(
            tmp_path,
            {
                "INFINITAS_REDIS_URL": system.url,
                "INFINITAS_POSTGRES_URL": postgres_url,
                "INFINITAS_TEST_RUNS": str(runs),
                "INFINITAS_TEST_GATE": str(gate),
            },
        )
        app = jobs.app.configure(redis_url=system.url)
        port = free_port()
        try:
            started = [
                processes.start(*command)
                for command in (
                    ("scheduler",),
                    ("archiver",),
                    ("worker", APP, "--concurrency", "30"),
                    ("server", "--port", str(port)),
                )
            ]
            eventually(lambda: system.primary.admin.exists(f"{P}tasks"))
            address = f"http://127.0.0.1:{port}"
            eventually(lambda: address in processes.logs())
            held = [app.find("wait_for_gate").send().id for _ in range(HELD)]
            eventually(lambda: runs.exists() and len(runs.read_text().split()) == HELD)
            load = Load(app, ["noop"])
            load.more()
            _kill_and_return(system, load, address)
            load.more()
            system.fail_over()
            load.more()
            load.stop()
            gate.touch()
            _all_end(system, held, postgres_url)
            assert sorted(runs.read_text().split()) == sorted(held)
            assert all(process.poll() is None for process in started), processes.logs()
            assert "Traceback" not in processes.logs()
        finally:
            processes.kill_all()
            app.close()


def _kill_and_return(system: SentinelSystem, load: Load, address: str) -> None:
    """Kill the primary, go on with its replica, and let it come back."""
    old, new = system.primary, system.replica
    confirmed = list(load.ids)
    system.confirmed()
    system.kill_primary()
    eventually(lambda: new.role() == "master")
    load.more()
    eventually(lambda: _succeeded(new.admin, [*confirmed, *load.ids[-20:]]))
    before = new.admin.hget(f"{P}task:tick", "last_success_date")
    eventually(lambda: new.admin.hget(f"{P}task:tick", "last_success_date") != before)
    # The server follows too: it takes a job, and reads what Redis has of it.
    accepted = eventually(lambda: _posted(address))
    eventually(lambda: _succeeded(new.admin, [accepted]))
    old.start()
    eventually(lambda: old.role() == "slave")


def _posted(address: str) -> str:
    reply = httpx.post(f"{address}/api/v1/tasks/noop/jobs", json={}, timeout=60)
    return str(reply.json()["id"]) if reply.is_success else ""


def _all_end(system: SentinelSystem, held: list[str], postgres_url: str) -> None:
    """No live worker was declared dead: the jobs that ran all the time end in their first attempt."""
    new: Redis = system.primary.admin
    eventually(lambda: _succeeded(new, held))
    attempts: list[Any] = [new.hget(f"{P}job:{id}", "attempt") for id in held]
    assert set(attempts) == {"1"}
    with psycopg.connect(postgres_url, autocommit=True) as db:
        eventually(
            lambda: (
                db.execute(
                    "SELECT count(*) FROM infinitas_jobs WHERE id = ANY(%s) AND state = 'succeeded'", [held]
                ).fetchone()
                == (HELD,)
            )
        )


def _succeeded(redis: Any, ids: list[str]) -> bool:
    return all(redis.hget(f"{P}job:{id}", "state") == "succeeded" for id in ids)
