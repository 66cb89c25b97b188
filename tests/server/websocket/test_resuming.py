"""A session outlives its connections: which worker may resume it, with which jobs."""

import asyncio
import threading

import httpx
import pytest
from redis import Redis

from infinitas.broker.connection import Connection
from infinitas.broker.workers import WorkerFacts
from infinitas.devservers.servers import Urls
from tests.server.calls import ended, job, of, send
from tests.server.peer import Peer
from tests.server.thread_server import ThreadServer
from tests.server_fixtures import MakePeer
from tests.support import eventually

AT_MOST_ONCE = {"name": "once", "options": {"on_lost": "fail"}}


def test_an_unaccepted_job_stays_with_its_worker(http: httpx.Client, make_peer: MakePeer) -> None:
    """Its code may have begun, and the `accept` was lost."""
    peer = make_peer()
    session = peer.identify("t")["session"]
    id = send(http, "t")
    got = peer.expect("job")
    peer.drop()
    other = make_peer()
    other.identify("t")
    again = make_peer()
    welcome = again.identify("t", session=session, in_flight=[of(got)])
    assert welcome["resumed"] == [{**of(got), "verdict": "keep"}]
    again.send("done", id="d", **of(got))
    again.expect("ack", re="d")
    assert job(http, id)["attempt"] == 1
    assert [each["t"] for each in other.kept] == ["hello"]


def test_a_job_that_never_arrived_is_sent_again(http: httpx.Client, make_peer: MakePeer) -> None:
    peer = make_peer()
    session = peer.identify("t")["session"]
    send(http, "t")
    got = peer.expect("job")
    peer.drop()
    again = make_peer()
    again.identify("t", session=session)
    assert of(again.expect("job")) == of(got)


def test_a_rejected_job_goes_back_even_if_it_must_not_run_twice(
    http: httpx.Client, make_peer: MakePeer
) -> None:
    peer = make_peer()
    peer.identify(AT_MOST_ONCE)
    id = send(http, "once")
    first = peer.expect("job")
    peer.send("reject", **of(first), reason="not me")
    other = make_peer()
    other.identify(AT_MOST_ONCE)
    got = other.expect("job", job=id)
    assert (got["attempt"], got["uncharged"]) == (2, 1)
    other.send("accept", **of(got))
    other.send("release", id="r", **of(got))
    assert (ended(http, id)["state"], job(http, id)["reason"]) == ("failed", "lost"), "it had begun"


@pytest.mark.own_server(lease=8)
def test_a_job_that_is_not_accepted_in_time_goes_back(http: httpx.Client, make_peer: MakePeer) -> None:
    peer = make_peer()
    peer.identify(AT_MOST_ONCE)
    id = send(http, "once")
    peer.expect("job")
    peer.beating = True
    assert peer.close_code() == 4408
    eventually(lambda: job(http, id)["state"] == "queued")


def test_a_worker_that_comes_back_with_fewer_tasks_loses_the_jobs_of_the_others(
    http: httpx.Client, make_peer: MakePeer, redis: Redis
) -> None:
    elsewhere = {"name": "elsewhere", "options": {"queue": "other"}}
    redis.sadd("infinitas:queues", "other")
    peer = make_peer()
    session = peer.identify("t", "u", AT_MOST_ONCE, elsewhere, capacity=4)["session"]
    ids = {task: send(http, task) for task in ("t", "u", "once", "elsewhere")}
    got = {task: peer.expect("job", task=task) for task in ids}
    for each in got.values():
        peer.send("progress", **of(each), value=0.5)
    eventually(lambda: all(job(http, id)["progress"] for id in ids.values()))
    peer.drop()
    again = make_peer()
    welcome = again.identify("t", session=session, in_flight=[of(each) for each in got.values()])
    assert welcome["session"] == session
    assert {each["job"]: each["verdict"] for each in welcome["resumed"]} == {
        ids["t"]: "keep",
        ids["u"]: "lost",
        ids["once"]: "lost",
        ids["elsewhere"]: "lost",
    }
    again.send("done", id="d", **of(got["t"]))
    again.expect("ack", re="d")
    states = {task: job(http, id)["state"] for task, id in ids.items()}
    assert states == {"t": "succeeded", "u": "queued", "once": "failed", "elsewhere": "queued"}
    (worker,) = http.get("/api/v1/workers").json()
    assert worker["tasks"] == ["t"]
    other = make_peer()
    other.identify("u")
    other.expect("job", job=ids["u"])


def test_a_worker_that_comes_back_with_more_tasks_serves_them(
    http: httpx.Client, make_peer: MakePeer, redis: Redis
) -> None:
    peer = make_peer()
    session = peer.identify("t")["session"]
    peer.drop()
    again = make_peer()
    assert again.identify("t", "u", session=session)["session"] == session
    again.expect("job", job=send(http, "u"))
    # A rescuer looks only at these.
    assert redis.hget("{infinitas:default}:members", session) == '["t","u"]'


async def test_one_of_many_gets_a_name(servers: Urls, redis: Redis) -> None:
    connection = Connection(servers.redis, "test")
    facts = WorkerFacts(connection)
    taken = await asyncio.gather(*(facts.take("twin", "token:a", 10) for _ in range(20)))
    assert sum(taken) == 1
    assert 0 < redis.pttl("infinitas:worker:twin") <= 30_000
    await connection.close()


def test_workers_that_wish_for_one_name_at_once_are_two(http: httpx.Client, make_peer: MakePeer) -> None:
    peers = [make_peer() for _ in range(4)]
    sessions: list[str] = []
    beginning = [
        threading.Thread(target=lambda peer=peer: sessions.append(peer.identify("t", name="twin")["session"]))
        for peer in peers
    ]
    for each in beginning:
        each.start()
    for each in beginning:
        each.join()
    assert len(set(sessions)) == 4
    assert sessions.count("twin") == 1


def test_a_session_that_goes_on_at_another_server_is_over_at_the_first(
    http: httpx.Client, make_peer: MakePeer, thread_server: ThreadServer
) -> None:
    """The first server still has the connection, as behind a cut cable."""
    first = make_peer()
    session = first.identify("t", capacity=5)["session"]
    id = send(http, "t")
    got = first.expect("job", job=id)
    second = Peer(thread_server.address)
    second.beating = True
    second.identify("t", session=session, in_flight=[of(got)], capacity=5)
    ids = {send(http, "t") for _ in range(4)}
    arrived = {second.expect("job")["job"] for _ in range(4)}
    assert arrived == ids
    first.send("beat")
    assert first.close_code() == 4409
    assert [each for each in first.kept if each["t"] == "job"] == []
    second.send("done", id="d", **of(got))
    second.expect("ack", re="d")
    assert job(http, id)["attempt"] == 1
    second.drop()
