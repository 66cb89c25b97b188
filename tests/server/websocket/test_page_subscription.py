"""Pages that subscribe to events: topics, numbers, resync, tokens."""

import json

import httpx
import pytest

from tests.server.calls import of, send
from tests.server_fixtures import MakePage, MakePeer, MakeToken


@pytest.mark.own_server
def test_a_page_receives_its_topics_in_order(
    http: httpx.Client, make_peer: MakePeer, make_page: MakePage
) -> None:
    peer, page = make_peer(), make_page()
    peer.identify("t")
    page.send("subscribe", topics=["task:t", "workers"])
    numbers = page.expect("subscribed")["topics"]
    id = send(http, "t")
    send(http, "patient")
    got = peer.expect("job")
    peer.send("done", id="d", **of(got), result="secret")
    kinds: list[str] = []
    while "job.succeeded" not in kinds:
        frame = page.expect("events", topic="task:t")
        numbers["task:t"] += 1
        assert frame["n"] == numbers["task:t"]
        assert {item["job"] for item in frame["items"]} == {id}
        assert "secret" not in json.dumps(frame)
        kinds += [item["kind"] for item in frame["items"]]
    assert kinds == ["job.created", "job.running", "job.succeeded"]
    make_peer().identify("t")
    assert page.expect("events", topic="workers")["items"][0]["kind"] == "worker.joined"


@pytest.mark.own_server
def test_more_than_a_page_can_show_is_a_resync(http: httpx.Client, make_page: MakePage) -> None:
    page = make_page()
    page.send("subscribe", topics=["jobs", "task:noop"])
    page.expect("subscribed")
    http.post("/api/v1/tasks/patient/jobs/batch", json={"jobs": [{}] * 300})
    assert page.expect("resync")["topic"] == "jobs"
    send(http, "noop")
    assert page.expect("events", topic="task:noop")["n"] == 1


@pytest.mark.parametrize(
    ("frame", "close"),
    [("nonsense", 4400), ("[]", 4400)],
)
def test_a_wrong_subscription_is_explained(
    http: httpx.Client, make_page: MakePage, frame: str, close: int
) -> None:
    page = make_page()
    page.socket.send(frame)
    assert page.expect("err")["code"] == "bad_frame"
    assert page.close_code() == close


def test_a_page_needs_the_scope_read(http: httpx.Client, make_page: MakePage, make_token: MakeToken) -> None:
    for scope, close in (("jobs", 4403), ("worker", 4403), (None, 4401)):
        page = make_page(make_token(scope)) if scope else make_page()
        page.send("subscribe", topics=["jobs"])
        assert page.close_code() == close
    page = make_page()
    page.send("subscribe", topics=["jobs"], token=make_token("read"))
    page.expect("subscribed")


def test_a_page_of_a_later_version_is_served(http: httpx.Client, make_page: MakePage) -> None:
    page = make_page()
    page.send("of-the-future", what=1)
    page.send("subscribe", topics=["jobs"], what="new")
    assert page.expect("subscribed")["topics"] == {"jobs": 0}
