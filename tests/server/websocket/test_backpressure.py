"""What a connection may cost: frames, look-ups, memory, and jobs that are never wanted."""

import itertools
import time

import httpx
import pytest
from click.testing import CliRunner
from redis import Redis

from infinitas.broker.connection import Connection
from infinitas.cli.main import cli
from infinitas.core.errors import RateLimited
from infinitas.devservers.servers import Urls
from infinitas.server.rate_limit import RateLimit
from infinitas.server.websocket import frame_budget
from infinitas.server.websocket.event_broadcaster import EventBroadcaster
from infinitas.server.websocket.frame_budget import BURST, PER_JOB, FrameBudget
from tests.server.calls import ended, job, of, send
from tests.server_fixtures import MakePeer
from tests.support import events


async def waited(budget: FrameBudget, frames: int, size: int = 0) -> float:
    begun = time.monotonic()
    await budget.spend(frames, size)
    return time.monotonic() - begun


async def test_frames_beyond_the_rate_are_read_later() -> None:
    rate = RateLimit(1000)
    one, other = FrameBudget(rate), FrameBudget(rate)
    for each in (one, other):
        each.begin("token:a")
    assert await waited(one, BURST) < 0.05, "of its own"
    one.grant()
    assert await waited(one, PER_JOB) < 0.05, "of a job"
    assert await waited(one, 2000) < 0.05, "a burst of the rate"
    assert await waited(one, 200) > 0.15
    assert await waited(other, BURST) < 0.05
    assert await waited(other, 0, 16 * 1024 * 200) > 0.15, "bytes count, of all connections of the token"


async def test_a_connection_that_goes_on_for_too_long_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_budget, "LONGEST_S", 0.05)
    budget = FrameBudget(RateLimit(10_000))
    await budget.spend(21_000, 0)
    with pytest.raises(RateLimited):
        await budget.spend(21_000, 0)
    await FrameBudget(RateLimit(0)).spend(1_000_000, 0)


def test_look_ups_for_unknown_jobs_stop_the_reading_of_that_socket_alone(
    http: httpx.Client, make_peer: MakePeer
) -> None:
    noisy, honest = make_peer(), make_peer()
    noisy.identify("noise")
    honest.identify("honest")
    for n in range(3000):
        noisy.send("done", id=f"{n}", job="nobody", attempt=1)
    id = send(http, "honest")
    got = honest.expect("job", job=id)
    honest.send("done", id="d", **of(got))
    honest.expect("ack", re="d")
    for n in range(3000):
        noisy.expect("err", re=f"{n}", code="unknown_job")


def test_a_worker_that_rejects_its_jobs_gets_them_ever_more_rarely(
    http: httpx.Client, make_peer: MakePeer, redis: Redis, servers: Urls
) -> None:
    peer = make_peer()
    session = peer.identify("t", capacity=10)["session"]
    send(http, "t")
    begun = time.monotonic()
    for _ in range(3):
        peer.send("reject", reason="not ready", **of(peer.expect("job")))
    assert time.monotonic() - begun > 2.9, "1 s, then 2 s"
    other = make_peer()
    other.identify("t")
    got = other.expect("job")
    assert got["attempt"] == 4
    kinds = [event.kind for event in events(redis) if event.kind.startswith("job.")]
    assert kinds == ["job.created", "job.running", "job.released", "job.running"], "of the first rejection"
    (released,) = events(redis, "job.released")
    assert "not ready" in released.fields["error"]
    shown = CliRunner().invoke(cli, ["--redis-url", servers.redis, "job", "show", str(got["job"])])
    assert f"by {session}: not ready" in shown.output
    assert job(http, str(got["job"]))["rejections"] == {session: "not ready"}
    other.send("done", id="d", **of(got))
    other.expect("ack", re="d")
    assert ended(http, str(got["job"]))["state"] == "succeeded"


def test_a_fast_reader_gets_more_than_fits_into_its_channel_at_once(
    http: httpx.Client, make_peer: MakePeer
) -> None:
    peer = make_peer()
    peer.identify("big", capacity=200)
    for _ in range(4):
        batch = {"jobs": [{"args": ["x" * 30_000]}] * 30}
        assert http.post("/api/v1/tasks/big/jobs/batch", json=batch).status_code == 202
    for n in range(120):
        got = peer.expect("job")
        peer.send("done", id=f"{n}", **of(got))
    for n in range(120):
        peer.expect("ack", re=f"{n}")


async def test_topics_without_subscribers_are_forgotten(servers: Urls, redis: Redis) -> None:
    connection = Connection(servers.redis, "test")
    broadcaster = EventBroadcaster(connection)
    counter = itertools.count()

    def subscriber(topic: str, frame: bytes) -> None: ...

    for _ in range(10):
        topics = [f"task:{next(counter)}" for _ in range(100)]
        assert await broadcaster.subscribe(topics, subscriber) == dict.fromkeys(topics, 0)
        broadcaster.unsubscribe(topics, subscriber)
    assert not broadcaster.topics
    await broadcaster.close()
    await connection.close()
