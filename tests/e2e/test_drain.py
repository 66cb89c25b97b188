"""A person drains a worker: it claims no more, finishes what runs, and its process ends."""

import json
from pathlib import Path

import httpx
import psycopg
import pytest
from redis import Redis

from tests.server.calls import send
from tests.server_fixtures import APP, MakePeer, Server, StartNode
from tests.support import PATIENCE_S, Processes, eventually

API = "/api/v1"
NOWHERE = "redis://127.0.0.1:1/0"
P = "{infinitas:default}:"


def state(http: httpx.Client, id: str) -> str:
    return str(http.get(f"{API}/jobs/{id}").json()["state"])


def only_worker(http: httpx.Client) -> str:
    found = eventually(lambda: http.get(f"{API}/workers").json())
    return str(found[0]["id"])


@pytest.mark.parametrize("kind", ["on Redis", "remote"])
def test_what_runs_may_finish_and_nothing_else_begins(
    kind: str,
    http: httpx.Client,
    processes: Processes,
    server: Server,
    redis: Redis,
    archiver: None,
    tmp_path: Path,
) -> None:
    gate = tmp_path / "gate"
    # A person may drain a worker for as long as its jobs run: the deadline of a SIGTERM does not count.
    processes.environment["INFINITAS_SHUTDOWN_TIMEOUT"] = "0.1"
    if kind == "remote":
        processes.environment |= {"INFINITAS_SERVER": server.address, "INFINITAS_REDIS_URL": NOWHERE}
    worker = processes.start("worker", APP)
    running = send(http, "slow_until", str(gate))
    eventually(lambda: state(http, running) == "running")
    id = only_worker(http)
    if kind == "remote":
        drained = http.post(f"{API}/workers/{id}/drain", json={"reason": "the host moves"})
        assert (drained.status_code, drained.json()) == (202, {"worker": id})
    else:
        answer = processes.call("worker", "drain", id, "-o", "json")
        assert json.loads(answer.stdout) == {"worker": id}, answer.stderr
    assert http.get(f"{API}/workers").json()[0]["stops"] is True
    eventually(lambda: "is drained" in processes.logs() + server.logs())
    waiting = send(http, "noop")
    assert worker.poll() is None, "a job still runs"
    assert (state(http, running), state(http, waiting)) == ("running", "queued")
    gate.touch()
    assert worker.wait(PATIENCE_S) == 0
    eventually(lambda: state(http, running) == "succeeded")
    assert state(http, waiting) == "queued"
    assert http.get(f"{API}/workers").json() == []
    assert not redis.exists(f"{P}stopping"), "nothing is left of it"
    if kind == "remote":
        eventually(lambda: ("drain_worker", id, "the host moves") in audited(server.postgres_url))


def audited(url: str) -> list[tuple[str, ...]]:
    with psycopg.connect(url) as postgres:
        return postgres.execute("SELECT action, target, reason FROM infinitas_audit").fetchall()


def test_an_idle_worker_ends_at_once(http: httpx.Client, processes: Processes) -> None:
    worker = processes.start("worker", APP)
    answer = processes.call("worker", "drain", only_worker(http))
    assert "claims no more jobs" in answer.stdout, answer.stderr
    assert worker.wait(PATIENCE_S) == 0


def test_a_worker_of_another_language(http: httpx.Client, server: Server, start_node: StartNode) -> None:
    node = start_node(server.address)
    http.post(f"{API}/workers/{only_worker(http)}/drain")
    assert node.wait(PATIENCE_S) == 0


def test_one_that_does_not_know_the_frame_gets_no_more_jobs(http: httpx.Client, make_peer: MakePeer) -> None:
    peer = make_peer()
    peer.identify("noop")
    http.post(f"{API}/workers/{only_worker(http)}/drain")
    peer.expect("stop")
    peer.send("capacity", n=5)
    id = send(http, "noop")
    peer.send("beat")
    peer.expect("beat_ack")
    assert state(http, id) == "queued"


def test_there_is_no_such_worker(http: httpx.Client, processes: Processes) -> None:
    refused = http.post(f"{API}/workers/nobody/drain")
    assert (refused.status_code, refused.json()["code"]) == (404, "unknown_worker")
    answer = processes.call("worker", "drain", "nobody")
    assert (answer.returncode, "unknown_worker" in answer.stderr) == (5, True)
