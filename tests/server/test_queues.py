"""`/queues`: what waits and runs, and jobs a minute."""

from typing import Any

import httpx
import psycopg
from redis import Redis

from tests.server.calls import of, send
from tests.server_fixtures import MakePeer, Server
from tests.support import eventually

API = "/api/v1"
P = "{infinitas:default}:"


def queue(http: httpx.Client) -> Any:
    return next(each for each in http.get(f"{API}/queues").json() if each["name"] == "default")


def test_what_waits_and_runs_is_one_script_a_queue(
    http: httpx.Client, make_peer: MakePeer, redis: Redis
) -> None:
    peer = make_peer()
    peer.identify("noop", capacity=1)
    send(http, "noop")
    peer.expect("job")
    send(http, "noop")
    send(http, "patient")
    redis.zadd(f"{P}later", {"x": 4_000_000_000_000})
    with redis.monitor() as monitor:  # type: ignore[no-untyped-call]
        found = queue(http)
        redis.echo("over")
        sent = []
        while (seen := monitor.next_command())["command"] != "ECHO over":
            sent += [seen["command"]] if seen["client_type"] != "lua" else []
    assert (found["queued"], found["running"], found["waiting"]) == (2, 1, 1)
    assert found["oldest"]
    assert found["events"] > 0
    assert len([each for each in sent if each.startswith(("XLEN", "XPENDING"))]) == 0


def test_jobs_a_minute_that_came_and_ended(
    http: httpx.Client, archiver: None, make_peer: MakePeer, server: Server
) -> None:
    peer = make_peer()
    peer.identify("noop", capacity=2)
    jobs = []
    for _ in range(6):
        jobs.append(send(http, "noop"))
    for n in range(3):
        peer.send("done", id=f"d{n}", **of(peer.expect("job")))
        peer.expect("ack", re=f"d{n}")

    def rates() -> Any:
        found = queue(http)
        return found if found["ended"] and round(found["came"] / found["ended"]) == 2 else None

    found = eventually(rates)
    # Within five minutes: the fifth of them in part.
    assert 6 / 5 <= found["came"] <= 6 / 4
    with psycopg.connect(server.postgres_url) as postgres:
        rows = postgres.execute(
            "SELECT sum(came), sum(ended), max(start) = date_trunc('minute', max(start)) "
            "FROM infinitas_queue_minutes"
        ).fetchall()
        assert rows == [(6, 3, True)]
        # An hour later the minute's row is used again.
        postgres.execute("UPDATE infinitas_queue_minutes SET start = start - interval '1 hour'")
    assert (queue(http)["came"], queue(http)["ended"]) == (0, 0)
    send(http, "noop")
    eventually(lambda: queue(http)["came"])
    assert queue(http)["came"] < 1
