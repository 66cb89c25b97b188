"""Hostile values in frames about a job: refused with a code, and every view answers."""

import json

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.server.calls import job, of, send
from tests.server.peer import Message
from tests.server_fixtures import MakePeer
from tests.support import eventually
from tests.views.system import RUN

VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["\0", "a" * 700, "\x1b[2J", 10**400, 2**53 - 1, 253402300800000, -1, "{}", 1.0]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
LINE = {"seq": 0, "at": 1_800_000_000_000, "level": "info", "text": "x"}
FRAMES: list[tuple[str, Message]] = [
    ("progress", {"value": 0.5, "step": "half"}),
    ("checkpoint", {"id": "a", "value": 1}),
    ("log", {"lines": [LINE]}),
    ("done", {"id": "a", "result": 1}),
    ("fail", {"id": "a", "error": "e", "traceback": "t", "reason": "error", "retry": "never"}),
    ("release", {"id": "a"}),
    ("reject", {"reason": "r"}),
]
LISTS = ("tasks", "jobs", "schedules", "workers", "queues", "timeline")


BAD_LINES: list[Message] = [
    *({"level": "\0"}, {"level": "in\0fo"}, {"level": "x" * 21}, {"level": ""}, {"level": 5}),
    *({"at": 9007199254740991}, {"at": 253402300800000}, {"at": -1}, {"at": True}),
    *({"seq": "0"}, {"seq": 1 << 30}),
]


def test_lines_that_no_archive_could_keep_are_refused(http: httpx.Client, make_peer: MakePeer) -> None:
    for line in BAD_LINES:
        peer = make_peer()
        peer.identify("t")
        id = send(http, "t")
        got = peer.expect("job", job=id)
        peer.send("log", **of(got), lines=[{**LINE, **line}])
        assert peer.expect("err")["code"] == "bad_frame", line
        peer.send("log", **of(got), lines=[LINE])
        peer.expect("ack", log=0)
        assert len(job(http, id)["log"]) == 1
        peer.send("done", id="d", **of(got))
        peer.expect("ack", re="d")
        peer.drop()


BAD_OPTIONS: list[tuple[Message, str]] = [
    ({"queue": None}, "bad_name"),
    ({"queue": ["a"]}, "bad_name"),
    ({"doc": 5}, "bad_setting"),
    ({"max_running": True}, "bad_setting"),
    ({"name": "x"}, "bad_setting"),
]


def test_options_of_another_type_are_refused(http: httpx.Client, make_peer: MakePeer) -> None:
    for options, code in BAD_OPTIONS:
        peer = make_peer()
        peer.send("identify", tasks=[{"name": "t", "options": options}], capacity=1)
        assert peer.expect("err")["code"] == code
        assert peer.close_code() == 4400
    assert http.get("/api/v1/tasks/t").status_code == 404


def test_a_result_that_is_too_large_is_refused_and_not_acknowledged(
    http: httpx.Client, make_peer: MakePeer
) -> None:
    peer = make_peer()
    peer.identify("t")
    id = send(http, "t")
    peer.send("done", id="d", **of(peer.expect("job")), result="x" * 300_000)
    assert peer.expect("err", re="d")["code"] == "payload_too_large"
    found = eventually(lambda: found if (found := job(http, id))["ended"] else None)
    assert (found["state"], found["reason"]) == ("failed", "bad_result")


def test_an_origin_that_is_none_is_another_site(http: httpx.Client) -> None:
    answer = http.post("/api/v1/tasks/noop/jobs", json={}, headers={"Origin": "http://[::1"})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_after_any_frame_every_view_answers(http: httpx.Client, make_peer: MakePeer, archiver: None) -> None:
    @settings(max_examples=15, **RUN)
    @given(st.sampled_from(FRAMES), st.data())
    def send_hostile(kind: tuple[str, Message], data: st.DataObject) -> None:
        t, fields = kind
        values = {**fields, data.draw(st.sampled_from(sorted(fields))): data.draw(VALUE)}
        if t == "log" and data.draw(st.booleans()):
            values = {"lines": [{**LINE, data.draw(st.sampled_from(sorted(LINE))): data.draw(VALUE)}]}
        peer = make_peer()
        peer.identify("hostile")
        id = send(http, "hostile")
        got = peer.expect("job", job=id)
        peer.socket.send(json.dumps({"t": t, **of(got), **values}))
        peer.send("beat")
        peer.expect("beat_ack")
        assert job(http, id)["unreadable"] is None
        http.post(f"/api/v1/jobs/{id}/cancel")
        peer.drop()
        for name in LISTS:
            assert http.get(f"/api/v1/{name}").status_code == 200

    send_hostile()
    peer = make_peer()
    peer.identify("honest")
    id = send(http, "honest", 1)
    got = peer.expect("job", job=id)
    peer.send("done", id="d", **of(got), result=2)
    peer.expect("ack", re="d")

    def outcomes() -> list[str]:
        return [each["outcome"] for each in http.get(f"/api/v1/jobs/{id}/attempts").json()]

    eventually(lambda: outcomes() == ["succeeded"])
