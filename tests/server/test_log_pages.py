"""`/jobs/{id}/logs`: a refresh of a live log reads only what has come since."""

from typing import Any

import httpx

from tests.server.calls import of, send
from tests.server_fixtures import MakePeer

API = "/api/v1"


def texts(page: Any) -> list[tuple[int, str]]:
    return [(line["n"], line["text"]) for line in page["items"]]


def test_only_new_lines_come_with_a_cursor(http: httpx.Client, make_peer: MakePeer) -> None:
    peer = make_peer()
    peer.identify("noop")
    id = send(http, "noop")
    got = peer.expect("job")
    address = f"{API}/jobs/{id}/logs"
    first = http.get(address).json()
    assert (texts(first), first["next"], first["ended"]) == ([], None, False)

    def log(seq: int, *lines: str) -> None:
        peer.send(
            "log", **of(got), lines=[{"seq": seq + n, "at": 1, "text": text} for n, text in enumerate(lines)]
        )
        peer.expect("ack", job=id)

    log(0, "one", "two")
    second = http.get(address, params={"cursor": first["cursor"]}).json()
    assert texts(second) == [(0, "one"), (1, "two")]
    assert texts(http.get(address, params={"cursor": second["cursor"]}).json()) == []
    log(2, "three")
    third = http.get(address, params={"cursor": second["cursor"]}).json()
    assert (texts(third), third["ended"]) == ([(2, "three")], False)
    whole = http.get(address).json()
    assert (texts(whole), whole["cursor"]) == (texts(second) + texts(third), third["cursor"])
    part = http.get(address, params={"limit": 2}).json()
    assert (texts(part), part["next"], part["cursor"]) == (texts(second), 1, None)
    rest = http.get(address, params={"after": 1}).json()
    assert (texts(rest), rest["cursor"]) == (texts(third), third["cursor"])
    peer.send("done", id="d", **of(got))
    peer.expect("ack", re="d")
    over = http.get(address, params={"cursor": third["cursor"]}).json()
    assert (texts(over), over["ended"]) == ([], True)


def test_a_job_is_shown_without_its_log_where_that_is_not_wanted(
    http: httpx.Client, make_peer: MakePeer
) -> None:
    peer = make_peer()
    peer.identify("noop")
    id = send(http, "noop")
    got = peer.expect("job")
    peer.send("log", **of(got), lines=[{"seq": 0, "at": 1, "text": "one"}])
    peer.expect("ack", job=id)
    assert [line["text"] for line in http.get(f"{API}/jobs/{id}").json()["log"]] == ["one"]
    assert http.get(f"{API}/jobs/{id}", params={"log": False}).json()["log"] == []


def test_a_cursor_that_no_page_has_returned(http: httpx.Client) -> None:
    id = send(http, "noop")
    for cursor in ("", "x", "1-1", "1.1", "-1-1.1", "1-1.-1"):
        answer = http.get(f"{API}/jobs/{id}/logs", params={"cursor": cursor})
        assert answer.status_code == 422, cursor
