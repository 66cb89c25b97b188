"""The address leads to another primary: long-lived senders, workers and schedulers follow by themselves."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from infinitas import ServerUnreachable
from tests.apps import jobs
from tests.own_redis import OwnRedis, own_redis
from tests.proxy import Proxy
from tests.support import Processes, aeventually, descendants, eventually

P = "{infinitas:default}:"


@pytest.fixture
def pair() -> Iterator[tuple[OwnRedis, OwnRedis]]:
    with own_redis() as first, own_redis() as second:
        second.admin.replicaof("127.0.0.1", first.port)
        eventually(lambda: second.admin.info("replication")["master_link_status"] == "up")
        yield first, second


def fail_over(first: OwnRedis, second: OwnRedis, proxy: Proxy) -> None:
    """As managed services do: connections that stand stay with the server that is a replica from now on."""
    written = first.admin.info("replication")["master_repl_offset"]
    eventually(lambda: second.admin.info("replication")["slave_repl_offset"] >= written)
    second.admin.replicaof("no", "one")
    proxy.target = second.port
    first.admin.replicaof("127.0.0.1", second.port)


def test_all_processes_and_senders_follow(pair: tuple[OwnRedis, OwnRedis], tmp_path: Path) -> None:
    first, second = pair
    proxy = Proxy(first.port)
    url = f"redis://127.0.0.1:{proxy.port}"
    processes = Processes(tmp_path, {"INFINITAS_REDIS_URL": url})
    app = jobs.app.configure(redis_url=url)
    new: Redis = second.admin
    try:
        processes.start("scheduler")
        processes.start("worker", "tests.apps.jobs:app")
        noop = app.find("noop")
        eventually(lambda: first.admin.exists(f"{P}tasks"))
        ids = [noop.send().id, noop.send().id, asyncio.run(noop.asend()).id]
        eventually(lambda: all(app.fetch_job(id).ended for id in ids))
        fail_over(first, second, proxy)

        def send() -> str:
            try:
                return noop.send().id
            except ServerUnreachable:
                return ""

        async def asend() -> str:
            try:
                return (await noop.asend()).id
            except ServerUnreachable:
                return ""

        async def sent() -> str:
            return await aeventually(asend)

        for id in (eventually(send), asyncio.run(sent())):
            eventually(lambda id=id: new.hget(f"{P}job:{id}", "state") == "succeeded")  # type: ignore[misc]
        before = new.hgetall(f"{P}task:tick")
        eventually(lambda: new.hgetall(f"{P}task:tick") != before)
        assert "Traceback" not in processes.logs()
    finally:
        processes.kill_all()
        app.close()
        proxy.close()


@pytest.mark.parametrize("code", ["OOM", "MISCONF", "NOREPLICAS", "READONLY"])
def test_workers_and_their_supervisor_outlive_refused_writes(code: str, tmp_path: Path) -> None:
    with own_redis() as own:
        processes = Processes(tmp_path, {"INFINITAS_REDIS_URL": own.url, "INFINITAS_LEASE": "2"})
        app = jobs.app.configure(redis_url=own.url)
        try:
            processes.start("scheduler")
            alone = processes.start("worker", "tests.apps.jobs:app")
            supervisor = processes.start("worker", "tests.apps.jobs:app", "-p", "2")
            eventually(lambda: own.admin.hlen(f"{P}members") == 3)
            own.refuse(code)
            # A full Redis refuses only what needs memory: of these processes, the scheduler alone.
            refused_loops = 1 if code == "OOM" else 3
            eventually(lambda: processes.logs().count("Trying again") >= refused_loops)
            # As if they had been declared dead: they must join again, and can't yet.
            own.accept()
            own.admin.delete(f"{P}members", f"{P}beats")
            own.refuse(code)
            own.accept()
            eventually(lambda: own.admin.hlen(f"{P}members") == 3)
            job = app.find("noop").send().id
            eventually(lambda: app.fetch_job(job).ended)
            assert alone.poll() is None
            assert supervisor.poll() is None
            assert "Traceback" not in processes.logs()
            assert processes.logs().count("can't join again") <= 3
        finally:
            processes.kill_all()
            app.close()


def test_a_process_that_dies_while_writes_are_refused_is_replaced(tmp_path: Path) -> None:
    with own_redis() as own:
        processes = Processes(tmp_path, {"INFINITAS_REDIS_URL": own.url, "INFINITAS_LEASE": "60"})
        try:
            supervisor = processes.start("worker", "tests.apps.jobs:app", "-p", "2")
            eventually(lambda: own.admin.hlen(f"{P}members") == 2)
            own.refuse("NOREPLICAS")
            victim = descendants(supervisor.pid)[0]
            os.kill(victim, signal.SIGKILL)
            eventually(lambda: "wait for the rescuer" in processes.logs())
            before = set(own.admin.hkeys(f"{P}members"))
            own.accept()
            eventually(lambda: set(own.admin.hkeys(f"{P}members")) - before)
            assert supervisor.poll() is None
        finally:
            processes.kill_all()
