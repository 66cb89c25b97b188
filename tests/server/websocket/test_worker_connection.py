"""Workers over WebSocket: the same jobs, fences and rescue as for workers beside Redis."""

import asyncio

import httpx
import pytest
from redis import Redis

from infinitas.broker.connection import Connection
from infinitas.broker.queue import QueueBroker
from infinitas.devservers.servers import Urls
from tests.server.calls import blocked_clients, ended, job, of, send
from tests.server.peer import Message
from tests.server_fixtures import MakePeer
from tests.support import Processes, eventually


def test_a_worker_of_any_language_runs_a_job(http: httpx.Client, make_peer: MakePeer) -> None:
    peer = make_peer()
    assert peer.expect("hello")["protocol"] == "infinitas.v1"
    peer.identify({"name": "thumb", "options": {"timeout": 30}}, host="node-7")
    id = send(http, "thumb", 7)
    got = peer.expect("job")
    assert (got["job"], got["task"], got["attempt"], got["args"]) == (id, "thumb", 1, [[7], {}])
    assert got["timeout"] == 30
    peer.send("accept", **of(got))
    peer.send("progress", **of(got), value=0.5, step="half")
    peer.send("log", **of(got), lines=[{"seq": 0, "at": 1_800_000_000_000, "text": "page 41"}])
    assert peer.expect("ack", job=id)["log"] == 0
    assert job(http, id)["progress"] == 0.5
    peer.send("done", id="d1", **of(got), result={"files": 9})
    peer.expect("ack", re="d1")
    found = job(http, id)
    assert (found["state"], found["result"], found["log"][0]["text"]) == (
        "succeeded",
        {"files": 9},
        "page 41",
    )


def test_a_failure_is_retried_as_the_task_declares(
    http: httpx.Client, make_peer: MakePeer, scheduler: None
) -> None:
    peer = make_peer()
    peer.identify({"name": "flaky", "options": {"retries": 1, "retry_delay": 0.1}})
    id = send(http, "flaky")
    first = peer.expect("job")
    peer.send("fail", id="f1", **of(first), error="boom", traceback="line 1")
    peer.expect("ack", re="f1")
    second = peer.expect("job")
    assert second["attempt"] == 2
    peer.send("fail", id="f2", **of(second), error="boom again")
    peer.expect("ack", re="f2")
    assert (ended(http, id)["state"], job(http, id)["error"]) == ("failed", "boom again")


def test_fail_never_fails_for_good(http: httpx.Client, make_peer: MakePeer) -> None:
    peer = make_peer()
    peer.identify({"name": "flaky", "options": {"retries": 5}})
    id = send(http, "flaky")
    peer.send("fail", id="f1", **of(peer.expect("job")), error="no use", retry="never")
    peer.expect("ack", re="f1")
    assert job(http, id)["state"] == "failed"


def test_a_cancel_is_sent_at_once_and_the_job_ends_cancelled(http: httpx.Client, make_peer: MakePeer) -> None:
    peer = make_peer()
    peer.identify("t")
    id = send(http, "t")
    got = peer.expect("job")
    peer.send("accept", **of(got))
    assert http.post(f"/api/v1/jobs/{id}/cancel", json={"reason": "wrong one"}).status_code == 200
    notice = peer.expect("cancel")
    assert (notice["job"], notice["code"], notice["reason"]) == (id, "job_cancelled", "wrong one")
    peer.send("done", id="d", **of(got))
    assert peer.expect("err", re="d")["code"] == "job_cancelled"
    assert ended(http, id)["state"] == "cancelled"
    # Its capacity is free again.
    send(http, "t")
    peer.expect("job")


def test_a_job_beyond_its_limit_is_failed_by_the_server(http: httpx.Client, make_peer: MakePeer) -> None:
    peer = make_peer()
    peer.identify({"name": "slow", "options": {"timeout": 0.3}})
    id = send(http, "slow")
    got = peer.expect("job")
    peer.send("accept", **of(got))
    assert peer.expect("cancel")["code"] == "job_timed_out"
    peer.send("done", id="d", **of(got), result=1)
    assert peer.expect("err", re="d")["code"] == "job_timed_out"
    assert (ended(http, id)["state"], job(http, id)["reason"]) == ("failed", "timed_out")


def test_a_dropped_connection_loses_nothing(http: httpx.Client, make_peer: MakePeer) -> None:
    peer = make_peer()
    session = peer.identify("t")["session"]
    id = send(http, "t")
    got = peer.expect("job")
    peer.send("accept", **of(got))
    peer.send("log", **of(got), lines=[{"seq": 0, "at": 1, "text": "before"}])
    peer.expect("ack", job=id)
    peer.drop()
    again = make_peer()
    welcome = again.identify("t", session=session, in_flight=[of(got)])
    assert welcome["session"] == session
    assert welcome["resumed"] == [{**of(got), "verdict": "keep"}]
    # What was sent twice is kept once.
    lines = [{"seq": 0, "at": 1, "text": "before"}, {"seq": 1, "at": 2, "text": "after"}]
    again.send("log", **of(got), lines=lines)
    again.send("done", id="d", **of(got))
    again.expect("ack", re="d")
    found = job(http, id)
    assert (found["state"], found["attempt"]) == ("succeeded", 1)
    assert [line["text"] for line in found["log"]] == ["before", "after"]
    assert "job" not in [message["t"] for message in again.kept], "a job that it runs already was sent again"


def test_an_outcome_repeated_after_a_lost_answer_is_acknowledged(
    http: httpx.Client, make_peer: MakePeer
) -> None:
    peer = make_peer()
    session = peer.identify("t")["session"]
    send(http, "t")
    got = peer.expect("job")
    peer.send("done", id="d", **of(got), result=1)
    peer.expect("ack", re="d")
    peer.drop()
    again = make_peer()
    welcome = again.identify("t", session=session, in_flight=[of(got)])
    assert welcome["resumed"] == [{**of(got), "verdict": "lost"}]
    again.send("done", id="d", **of(got), result=1)
    again.expect("ack", re="d")


@pytest.mark.own_server(lease=6)
def test_a_silent_worker_is_disconnected_and_its_jobs_rescued(
    http: httpx.Client, make_peer: MakePeer, processes: Processes
) -> None:
    processes.environment["INFINITAS_LEASE"] = "6"
    processes.start("scheduler")
    # Before it connects: its silence begins with its last frame.
    http.put("/api/v1/tasks/t", json={})
    id = send(http, "t")
    peer = make_peer()
    session = peer.identify("t")["session"]
    got = peer.expect("job")
    peer.send("accept", **of(got))
    assert peer.close_code() == 4408
    other = make_peer()
    other.beating = True
    other.identify("t")
    second = other.expect("job")
    assert (second["job"], second["attempt"], second["lost"]) == (id, 2, True)
    late = make_peer()
    late.beating = True
    welcome = late.identify("t", session=session, in_flight=[of(got)])
    assert welcome["session"] != session
    assert welcome["resumed"] == [{**of(got), "verdict": "lost"}]
    late.send("done", id="d", **of(got), result="late")
    assert late.expect("err", re="d")["code"] == "job_lost"
    other.send("done", id="d", **of(second), result="right")
    other.expect("ack", re="d")
    assert job(http, id)["result"] == "right"


def test_release_hands_a_job_back_uncharged(http: httpx.Client, make_peer: MakePeer) -> None:
    peer = make_peer()
    peer.identify("t")
    send(http, "t")
    got = peer.expect("job")
    peer.send("release", id="r", **of(got))
    peer.expect("ack", re="r")
    again = peer.expect("job")
    assert (again["attempt"], again["uncharged"]) == (2, 1)


def test_bye_lets_jobs_finish_then_ends_the_session(http: httpx.Client, make_peer: MakePeer) -> None:
    peer = make_peer()
    session = peer.identify("t")["session"]
    send(http, "t")
    got = peer.expect("job")
    peer.send("accept", **of(got))
    peer.send("bye")
    waiting = send(http, "t")
    peer.send("done", id="d", **of(got))
    peer.expect("ack", re="d")
    assert peer.close_code() == 1000
    assert job(http, waiting)["state"] == "queued"
    assert session not in [each["id"] for each in http.get("/api/v1/workers").json()]


def test_jobs_go_round_among_socket_workers(http: httpx.Client, redis: Redis, make_peer: MakePeer) -> None:
    """Each job to the worker that has waited longest; so each waits before the next job comes."""
    eventually(lambda: blocked_clients(redis) == 0)
    peers = [make_peer() for _ in range(3)]
    # One client more waits for the cancel notices of all workers.
    for waiting, peer in enumerate(peers, 2):
        peer.identify("t", capacity=10)
        eventually(lambda waiting=waiting: blocked_clients(redis) == waiting)  # type: ignore[misc]
    for i in range(6):
        send(http, "t")
        got = peers[i % 3].expect("job")
        peers[i % 3].send("done", id=f"d{i}", **of(got))
        peers[i % 3].expect("ack", re=f"d{i}")
        eventually(lambda: blocked_clients(redis) == 4)


def test_another_connection_takes_a_session_over(http: httpx.Client, make_peer: MakePeer) -> None:
    """Even right after it has begun."""
    for _ in range(10):
        peer, again = make_peer(), make_peer()
        session = peer.identify("t")["session"]
        assert again.identify("t", session=session)["session"] == session
        assert peer.close_code() == 4409


def test_a_schedule_may_come_with_the_task(http: httpx.Client, make_peer: MakePeer, scheduler: None) -> None:
    peer = make_peer()
    peer.identify({"name": "tick", "options": {}, "schedule": {"every": 1}})
    got = peer.expect("job")
    assert got["schedule"] == "tick"
    peer.send("done", id="d", **of(got))
    peer.expect("ack", re="d")
    assert http.get("/api/v1/schedules/tick").json()["origin"] == "code"


@pytest.mark.parametrize(
    ("frame", "code", "close"),
    [
        ("nonsense", "bad_frame", 4400),
        ("[]", "bad_frame", 4400),
        ('{"t":"beat"}', "bad_frame", 4400),
        ('{"t":"identify","tasks":[],"capacity":1}', "bad_frame", 4400),
        ('{"t":"identify","tasks":[{"name":"t"}],"capacity":-1}', "bad_frame", 4400),
        ('{"t":"identify","tasks":[{"name":"undeclared"}],"capacity":1}', "unknown_task", 4400),
        ('{"t":"identify","tasks":[{"name":" ","options":{}}],"capacity":1}', "bad_name", 4400),
        ('{"t":"identify","tasks":[{"name":"t","options":{"tmeout":1}}],"capacity":1}', "bad_setting", 4400),
        (
            '{"t":"identify","tasks":[{"name":"t","options":{},"schedule":{"cron":"x"}}],"capacity":1}',
            "bad_schedule",
            4400,
        ),
    ],
)
def test_a_wrong_beginning_is_explained(
    http: httpx.Client, make_peer: MakePeer, frame: str, code: str, close: int
) -> None:
    peer = make_peer()
    peer.expect("hello")
    peer.socket.send(frame)
    assert peer.expect("err")["code"] == code
    assert peer.close_code() == close


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"t": "done", "id": "x", "job": "no-such", "attempt": 1}, "unknown_job"),
        (
            {"t": "log", "job": "no-such", "attempt": 1, "lines": [{"seq": 0, "at": 1, "text": "x"}]},
            "unknown_job",
        ),
        ({"t": "identify", "tasks": [{"name": "t"}], "capacity": 1}, "bad_frame"),
        ({"t": "done", "id": "x", "job": "no-such"}, "bad_frame"),
    ],
)
def test_a_wrong_frame_is_explained_and_disturbs_nothing(
    http: httpx.Client, make_peer: MakePeer, frame: Message, code: str
) -> None:
    peer = make_peer()
    peer.identify("t")
    peer.send(**frame)
    assert peer.expect("err")["code"] == code
    send(http, "t")
    got = peer.expect("job")
    peer.send("done", id="d", **of(got))
    peer.expect("ack", re="d")


def test_a_stale_fence_changes_nothing(http: httpx.Client, make_peer: MakePeer) -> None:
    peer = make_peer()
    peer.identify("t")
    id = send(http, "t")
    got = peer.expect("job")
    peer.send("accept", **of(got))
    peer.send("done", id="x", job=id, attempt=7, result="wrong")
    assert peer.expect("err", re="x")["code"] == "job_lost"
    assert job(http, id)["state"] == "running"
    peer.send("done", id="d", **of(got), result="right")
    peer.expect("ack", re="d")
    assert job(http, id)["result"] == "right"


def test_one_worker_cannot_end_the_job_of_another(http: httpx.Client, make_peer: MakePeer) -> None:
    one, other = make_peer(), make_peer()
    one.identify("t")
    other.identify("other")
    id = send(http, "t")
    got = one.expect("job")
    one.send("accept", **of(got))
    other.send("done", id="x", **of(got))
    assert other.expect("err", re="x")["code"] == "unknown_job"
    assert job(http, id)["state"] == "running"


def test_lines_sent_twice_are_stored_once(http: httpx.Client, make_peer: MakePeer, redis: Redis) -> None:
    peer = make_peer()
    peer.identify("t")
    id = send(http, "t")
    got = peer.expect("job")
    line = {"seq": 0, "at": 1, "text": "once"}
    for _ in range(2):
        peer.send("log", **of(got), lines=[line])
        assert peer.expect("ack", job=id)["log"] == 0
    peer.send("done", id="d", **of(got))
    peer.expect("ack", re="d")
    assert redis.xlen(f"{{infinitas:default}}:log:{id}") == 1


def test_a_worker_that_was_declared_dead_gets_a_new_session(
    http: httpx.Client, make_peer: MakePeer, servers: Urls, redis: Redis
) -> None:
    peer = make_peer()
    session = peer.identify("t")["session"]
    id = send(http, "t")
    got = peer.expect("job")
    peer.send("accept", **of(got))
    eventually(lambda: job(http, id)["state"] == "running")

    async def declare_dead() -> None:
        connection = Connection(servers.redis, "test")
        broker = QueueBroker(connection, "default")
        await broker.workers.rescue_all(session, (await broker.workers.beats())[session] or 0, 3600)
        await connection.close()

    asyncio.run(declare_dead())
    peer.send("beat")
    assert peer.expect("cancel")["code"] == "job_lost"
    peer.send("done", id="late", **of(got), result="late")
    welcome = peer.expect("welcome")
    assert welcome["session"] != session
    assert welcome["resumed"] == []
    again = peer.expect("job")
    assert (again["job"], again["attempt"], again["lost"]) == (id, 2, True)
    peer.send("done", id="right", **of(again), result="right")
    peer.expect("ack", re="right")
    assert job(http, id)["result"] == "right"
