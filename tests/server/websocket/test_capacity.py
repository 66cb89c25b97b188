"""A worker over WebSocket never gets more jobs than its capacity."""

import httpx
import pytest
from redis import Redis

from tests.server.calls import blocked_clients, of, send
from tests.server_fixtures import MakePeer
from tests.support import eventually


def test_capacity_is_absolute(http: httpx.Client, make_peer: MakePeer) -> None:
    peer = make_peer()
    peer.identify("t", capacity=2)
    for _ in range(4):
        send(http, "t")
    first, second = peer.expect("job"), peer.expect("job")
    for each in (first, second):
        peer.send("accept", **of(each))
    with pytest.raises(AssertionError, match="no job"):
        peer.expect("job", patience=0.5)
    peer.send("capacity", n=3)
    third = peer.expect("job")
    peer.send("accept", **of(third))
    peer.send("done", id="d", **of(first))
    peer.send("accept", **of(peer.expect("job")))


def test_a_waiting_worker_that_sets_its_capacity_to_0_gets_no_job(
    http: httpx.Client, make_peer: MakePeer, redis: Redis
) -> None:
    eventually(lambda: blocked_clients(redis) == 0)
    peer = make_peer()
    peer.identify("t", capacity=1)
    eventually(lambda: blocked_clients(redis) == 2)
    peer.send("capacity", n=0)
    peer.send("beat")
    peer.expect("beat_ack")
    send(http, "t")
    with pytest.raises(AssertionError, match="no job"):
        peer.expect("job", patience=0.5)
    peer.send("capacity", n=1)
    peer.send("accept", **of(peer.expect("job")))
