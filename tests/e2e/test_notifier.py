"""`infinitas notifier` as a process: killed workers, killed notifiers, and its error without Postgres."""

import os
import signal
import time
from functools import partial
from typing import Any

import orjson
import psycopg
import pytest
from redis import Redis

from infinitas.devservers.servers import Urls
from tests.apps import jobs
from tests.receiver import Receiver, Request, receiving
from tests.support import Processes, eventually

CONFIG = """
[[notify]]
name = "all"
channels = ["ops"]
"""


def rows(url: str, query: str) -> list[Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()


def message(ops: Receiver, type: str, subject: str) -> Any:
    """The first message of a type about a subject; a slow machine may have troubles of its own."""
    found = (
        request.json
        for request in ops.requests
        if request.json["type"] == type
        and subject in [each["subject"] for each in request.json["data"]["incidents"]]
    )
    return next(found, None)


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
        # It reads events from its position on: what is before it is no news.
        eventually(lambda: rows(postgres_url, "SELECT 1 FROM infinitas_notifier_positions"))
        jobs.slow.send(-1)
        opened = eventually(lambda: message(ops, "incident.opened", "slow"))
        jobs.slow.send(0)
        recovered = eventually(lambda: message(ops, "incident.recovered", "slow"))
    (incident,) = opened["data"]["incidents"]
    assert (incident["kind"], incident["task"], incident["attempt"]) == ("failing", "slow", 1)
    assert incident["error"] == "ValueError: sleep length must be non-negative"
    assert recovered["data"]["incidents"][0]["id"] == incident["id"]
    assert set(rows(postgres_url, "SELECT outcome FROM infinitas_deliveries")) == {("sent",)}
    app.close()


@pytest.mark.long
def test_a_notifier_that_is_killed_twenty_times_leaves_nothing_untold(
    processes: Processes, redis: Redis, postgres_url: str
) -> None:
    """Real failures, a real receiver: a message names each task, and what came twice has one id."""
    names = [f"victim-{n}" for n in range(20)]

    def slowly(_: Request) -> int:
        time.sleep(0.1)
        return 200

    def end_claims() -> None:
        """Those of killed notifiers, which are not renewed: each would hold its channel for some seconds."""
        rows(
            postgres_url,
            "UPDATE infinitas_notices SET claimed_until = now()"
            " WHERE claimed_until < now() + interval '5 s' RETURNING 1",
        )

    def named(ops: Receiver) -> set[str]:
        return {each["subject"] for request in ops.requests for each in request.json["data"]["incidents"]}

    with receiving() as ops:

        def message_after(before: int) -> bool:
            end_claims()
            return len(ops.requests) > before

        def all_told() -> bool:
            end_claims()
            return named(ops) >= set(names)

        ops.answer = slowly
        channel = f'[channels.ops]\ntype = "webhook"\nurl = "{ops.url}/hook"\nallow_private = true\n'
        (processes.folder / "infinitas.toml").write_text(
            f'notify_group = 0\nnotify_rate = "1000/h"\n{channel}'
        )
        notifier = processes.start("notifier")
        eventually(lambda: rows(postgres_url, "SELECT 1 FROM infinitas_notifier_positions"))
        for n, name in enumerate(names):
            before = len(ops.requests)
            fields: dict[Any, Any] = {
                "type": "job.failed",
                "task": name,
                "job": name,
                "reason": "error",
                "error": "no",
            }
            redis.xadd("{infinitas:default}:events", {**fields, "at": round(time.time() * 1000)})
            if n % 4 == 3:
                # In the middle of a message, as the receiver sees it; else wherever it is.
                eventually(partial(message_after, before))
            os.kill(notifier.pid, signal.SIGKILL)
            notifier.wait()
            notifier = processes.start("notifier")
        eventually(all_told)
    bodies: dict[str, set[bytes]] = {}
    for each in ops.requests:
        bodies.setdefault(each.headers["webhook-id"], set()).add(each.body)
    assert all(len(found) == 1 for found in bodies.values()), "twins are the same message"
    opened = [
        each["subject"]
        for (body,) in bodies.values()
        for each in orjson.loads(body)["data"]["incidents"]
        if each["kind"] == "failing"
    ]
    assert sorted(opened) == sorted(names), "nothing untold, and nothing twice but twins"


def test_without_postgres_the_notifier_ends_with_one_message(processes: Processes) -> None:
    found = processes.run("notifier")
    assert found.returncode == 2
    assert "without it no message is sent" in found.stderr
    assert found.stderr.count("\n") <= 3
