"""`infinitas notifier` as a process: killed workers, killed notifiers, and what it says without Postgres."""

import os
import signal
from typing import Any

import psycopg
import pytest
from redis import Redis

from infinitas.devservers.servers import Urls
from tests.apps import jobs
from tests.receiver import receiving
from tests.support import Processes, eventually

CONFIG = """
[[notify]]
name = "all"
channels = ["ops"]
"""


def rows(url: str, query: str) -> list[Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()


@pytest.mark.long
def test_the_death_of_the_only_worker_is_one_message_however_often_the_notifier_dies(
    processes: Processes, redis: Redis, postgres_url: str
) -> None:
    processes.environment |= {"INFINITAS_LEASE": "1"}
    (processes.folder / "infinitas.toml").write_text(CONFIG)
    processes.start("scheduler")
    worker = processes.start("worker", "tests.apps.jobs:app")
    notifier = processes.start("notifier")
    eventually(lambda: rows(postgres_url, "SELECT 1 FROM infinitas_notifier_positions"))
    eventually(lambda: redis.hlen("{infinitas:default}:members"))
    os.kill(worker.pid, signal.SIGKILL)
    query = "SELECT kind FROM infinitas_incidents ORDER BY 1"
    eventually(lambda: ("worker_lost",) in rows(postgres_url, query))
    for _ in range(2):
        os.kill(notifier.pid, signal.SIGKILL)
        notifier = processes.start("notifier")
    notified = (
        "SELECT t -> 'incident' ->> 'kind', t -> 'incident' ->> 'subject' FROM infinitas_notices AS n,"
        " json_array_elements(n.notice -> 'troubles') AS t WHERE n.reason = 'opened'"
    )
    eventually(lambda: ("worker_lost" in [kind for kind, _ in rows(postgres_url, notified)]) or None)
    notifier.send_signal(signal.SIGTERM)
    assert notifier.wait(30) == 0
    found = rows(postgres_url, notified)
    assert len(found) == len(set(found)), "nothing twice"


def test_a_failure_and_its_recovery_arrive_at_a_channel_without_any_rule(
    processes: Processes, servers: Urls, redis: Redis, postgres_url: str
) -> None:
    app = jobs.app.configure(redis_url=servers.redis)
    with receiving() as ops:
        channel = f'[channels.ops]\ntype = "webhook"\nurl = "{ops.url}/hook"\nallow_private = true\n'
        (processes.folder / "infinitas.toml").write_text(f"notify_group = 0\n{channel}")
        processes.start("notifier")
        processes.start("worker", "tests.apps.jobs:app")
        eventually(lambda: rows(postgres_url, "SELECT 1 FROM infinitas_channels"))
        jobs.slow.send(-1)
        eventually(lambda: len(ops.requests) == 1)
        jobs.slow.send(0)
        eventually(lambda: len(ops.requests) == 2)
    opened, recovered = (request.json for request in ops.requests)
    assert (opened["type"], recovered["type"]) == ("incident.opened", "incident.recovered")
    (incident,) = opened["data"]["incidents"]
    assert (incident["kind"], incident["task"], incident["attempt"]) == ("failing", "slow", 1)
    assert incident["error"] == "ValueError: sleep length must be non-negative"
    assert recovered["data"]["incidents"][0]["id"] == incident["id"]
    assert rows(postgres_url, "SELECT outcome FROM infinitas_deliveries") == [("sent",), ("sent",)]
    app.close()


def test_without_postgres_the_notifier_ends_with_one_message(processes: Processes) -> None:
    found = processes.run("notifier")
    assert found.returncode == 2
    assert "without it no message is sent" in found.stderr
    assert found.stderr.count("\n") <= 3
