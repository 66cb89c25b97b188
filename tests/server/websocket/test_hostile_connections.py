"""Hostile and broken connections: a clear answer, stable memory, no effect on other connections."""

import asyncio
import contextlib
import json
import random
import re
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as aconnect
from websockets.exceptions import ConnectionClosed

from tests.server.calls import job, of, send
from tests.server.peer import Message
from tests.server_fixtures import NO_CONNECTIONS, MakePage, MakePeer, Server
from tests.support import PATIENCE_S, eventually

IDLE = 1000
NASTY = [
    "",
    "<b>ü</b>",
    "a/b",
    "\u202e",
    "' OR 1=1",
    "x" * 5000,
    "\u0000",
    -1,
    2**70,
    None,
    [],
    {},
    1.5,
    True,
]


def rss_mb(server: Server) -> float:
    status = Path(f"/proc/{server.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", status)
    assert found is not None
    return int(found[1]) / 1024


def works(http: httpx.Client, make_peer: MakePeer) -> None:
    """An honest worker gets a job and ends it."""
    peer = make_peer()
    peer.identify("honest")
    id = send(http, "honest")
    got = peer.expect("job", job=id)
    peer.send("done", id="d", **of(got))
    peer.expect("ack", re="d")
    peer.send("bye")
    assert peer.close_code() == 1000


def nasty(random: random.Random) -> str:
    """A frame that may be anything: half of one, another type, wrong fields, or not JSON at all."""
    kinds = [
        "identify",
        "capacity",
        "accept",
        "reject",
        "beat",
        "progress",
        "checkpoint",
        "log",
        "done",
        "fail",
        "release",
        "bye",
        "x",
    ]
    names = [
        "job",
        "attempt",
        "id",
        "tasks",
        "capacity",
        "n",
        "session",
        "in_flight",
        "token",
        "value",
        "step",
        "lines",
        "result",
        "retry",
    ]
    frame: Message = {"t": random.choice(kinds)}
    for name in random.sample(names, random.randrange(6)):
        frame[name] = random.choice(NASTY)
    text = json.dumps([frame] * random.choice([1, 1, 600]) if random.random() < 0.2 else frame)
    if random.random() < 0.2:
        text = text[: random.randrange(len(text))]
    return "[" * 50_000 if random.random() < 0.02 else text


@pytest.mark.long
def test_frames_of_any_kind_end_in_an_answer(http: httpx.Client, make_peer: MakePeer) -> None:
    chance = random.Random(7)
    for _ in range(60):
        peer = make_peer()
        if chance.random() < 0.6:
            peer.identify("honest")
        try:
            for _ in range(15):
                peer.socket.send(nasty(chance))
            peer.socket.recv(timeout=1)
        except (ConnectionClosed, TimeoutError):
            pass
        peer.drop()
    # A session whose connection the server still has may be given the job, and keep it for a lease.
    eventually(lambda: set(http.get("/metrics").text.splitlines()) >= NO_CONNECTIONS)
    works(http, make_peer)
    assert "Traceback" not in http.get("/livez").text


def test_nothing_that_was_sent_makes_the_server_fail(
    http: httpx.Client, make_peer: MakePeer, server: Server
) -> None:
    chance = random.Random(8)
    peer = make_peer()
    peer.identify("honest")
    for _ in range(8):
        peer.socket.send(nasty(chance))
        http.get("/api/v1/jobs", params={"cursor": str(chance.choice(NASTY))})
    for name in ("a/b <b>ü</b>", "..", "%2e%2e", "\u202eabc"):
        made = http.put(f"/api/v1/tasks/{quote(name, safe='')}", json={})
        assert made.status_code in (200, 404, 422)
    assert " failed." not in server.logs()
    assert "Traceback" not in server.logs()


def test_a_frame_that_is_too_large_closes_its_own_connection(http: httpx.Client, make_peer: MakePeer) -> None:
    peer = make_peer()
    peer.identify("honest")
    with contextlib.suppress(ConnectionClosed):  # The server may close before it has read all of it.
        peer.socket.send("x" * 2_000_000)
    assert peer.close_code() in (1009, 4400)
    works(http, make_peer)


@pytest.mark.own_server(lease=60)
def test_a_thousand_silent_connections(http: httpx.Client, make_peer: MakePeer, server: Server) -> None:
    url = str(http.base_url).replace("http", "ws", 1).rstrip("/") + "/api/v1/worker"

    async def crowd() -> tuple[float, list[int]]:
        sockets: list[ClientConnection] = []
        for _ in range(IDLE):
            sockets.append(await aconnect(url, proxy=None, compression=None, ping_interval=None).__aenter__())
        grown = rss_mb(server) - before
        await asyncio.to_thread(works, http, make_peer)
        for socket in sockets:
            await asyncio.wait_for(socket.wait_closed(), PATIENCE_S)
        return grown, [socket.close_code or 0 for socket in sockets]

    works(http, make_peer)
    before = rss_mb(server)
    grown, codes = asyncio.run(crowd())
    assert set(codes) == {4408}
    assert grown < 100, f"{grown:.0f} MB for {IDLE} connections"
    works(http, make_peer)
    eventually(lambda: 'infinitas_ws_connections{role="new"} 0.0' in http.get("/metrics").text)


@pytest.mark.own_server(lease=60)
def test_a_page_that_does_not_read_has_no_effect_on_others(
    http: httpx.Client, make_page: MakePage, make_peer: MakePeer, server: Server
) -> None:
    stuck, good = make_page(), make_page()
    topics = [f"task:{name}" for name in ("patient", "honest")]
    for page in (stuck, good):
        page.send("subscribe", topics=topics)
    good.expect("subscribed")
    before = rss_mb(server)
    for _ in range(40):
        jobs = [{"args": ["x" * 500]} for _ in range(30)]
        http.post("/api/v1/tasks/patient/jobs/batch", json={"jobs": jobs})
    assert rss_mb(server) - before < 50

    def receives() -> bool:
        """In a flood a page gets `resync`, also for quiet topics; after it, events again."""
        works(http, make_peer)
        with contextlib.suppress(AssertionError):
            return bool(good.expect("events", patience=2, topic="task:honest"))
        return False

    eventually(receives)


def test_strange_names_are_names(http: httpx.Client, make_peer: MakePeer) -> None:
    peer = make_peer()
    name = "a/b <script>ü</script> 'x\" ?#%"
    peer.identify(name)
    sent = http.post(f"/api/v1/tasks/{quote(name, safe='')}/jobs", json={"args": [name]})
    assert sent.status_code == 202, sent.text
    got = peer.expect("job")
    assert got["args"] == [[name], {}]
    peer.send("done", id="d", **of(got), result=name)
    peer.expect("ack", re="d")
    assert job(http, got["job"])["result"] == name
    assert http.get(f"/api/v1/tasks/{quote(name, safe='')}").json()["name"] == name
