"""Attempts to get what no token allows, to damage what is stored, or to hold on to what is scarce.

Each repeats until its time is over, and raises AssertionError where the server gives in.
"""

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from urllib.parse import urlsplit

import httpx

from tests.server.attacks.floods import TEXT, RawSocket, frame
from tests.server.attacks.target import Attack, Target

API = "/api/v1"
RARE = {"cron": "0 0 29 2 0#5", "timezone": "Australia/Lord_Howe"}
HOSTS = [
    "a{b.evil.example",
    'a"b',
    "x@y",
    "",
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
]
STREAMS = 60
SILENT = 150
PARTS = [b"", b"GET / HTTP/1.1\r\nX: ", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"]
CHANNEL = {"name": "c", "config": {"type": "slack", "url": "http://[::1]/"}}
RAW = [
    b"GET /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\nOrigin: http://[::1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
    b"GET /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\nX: 1\r\n folded\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
]
_GIVEN = re.compile(rb'"job":"([^"]{1,100})","attempt":(\d+),"t":"job"')


def until_over(seconds: float) -> Iterator[float]:
    """What is left, again and again, at least once."""
    ends = time.monotonic() + seconds
    while True:
        yield max(ends - time.monotonic(), 0.1)
        if time.monotonic() > ends:
            return


def calls(token: str, *made: tuple[str, str, object, Callable[[int], bool]]) -> Attack:
    """Requests (method, path, body) one after the other, and which statuses are right."""

    def attack(target: Target, seconds: float) -> None:
        with target.http(getattr(target, token) if token else None) as http:
            for _ in until_over(seconds):
                for method, path, body, right in made:
                    with suppress(httpx.TransportError):
                        answer = http.request(method, API + path, json=body)
                        assert right(answer.status_code), (
                            method,
                            path,
                            answer.status_code,
                            answer.text[:200],
                        )

    return attack


def _is_refused(status: int) -> bool:
    return 400 <= status < 500


def _is_answered(status: int) -> bool:
    return status < 500


def odd_hosts(target: Target, seconds: float) -> None:
    """Without a token, under names for which a careless server falls back to its own address."""
    with target.http() as http:
        for _ in until_over(seconds):
            for host in HOSTS:
                with suppress(httpx.TransportError):
                    answer = http.get(f"{API}/tasks", headers={"Host": host})
                    assert answer.status_code in (400, 401, 403), (host, answer.status_code)


def connection_to(target: Target) -> socket.socket:
    where = urlsplit(target.address)
    return socket.create_connection((where.hostname or "", where.port or 80))


def malformed_http(target: Target, seconds: float) -> None:
    for _ in until_over(seconds):
        for data in RAW:
            with suppress(OSError), connection_to(target) as raw:
                raw.sendall(data)
                raw.settimeout(0.2)
                assert not raw.recv(200).startswith(b"HTTP/1.1 500"), data


def begins(target: Target, **identify: object) -> RawSocket:
    raw = RawSocket(target.address, f"{API}/worker", target.worker)
    entry = {"t": "identify", "tasks": [{"name": "noise", "options": {}}], "capacity": 5, **identify}
    raw.socket.sendall(frame(TEXT, json.dumps(entry).encode()))
    return raw


def tasks_of_others(target: Target, seconds: float) -> None:
    for _ in until_over(seconds):
        raw = begins(target, tasks=[{"name": "held", "options": {"redact": []}}])
        assert raw.close_code() == 4403
        raw.close()


def one_wished_name(target: Target, seconds: float) -> None:
    """At most one of them has it, and none is another's session."""
    for _ in until_over(seconds):
        with ExitStack() as stack:
            raws = [begins(target, name="twin") for _ in range(5)]
            for raw in raws:
                stack.callback(raw.close)
                raw.receive_until(lambda raw=raw: b'"welcome"' in raw.received)  # type: ignore[misc]
            assert sum(b'"session":"twin"' in raw.received for raw in raws) <= 1


def rejects(target: Target, seconds: float) -> None:
    """A worker that gives each job back at once."""
    with target.http(target.jobs) as http:
        http.post(f"{API}/tasks/noise/jobs/batch", json={"jobs": [{}] * 20})
    given: set[tuple[bytes, bytes]] = set()
    with closing(begins(target)) as raw:
        for left in until_over(seconds):
            with suppress(OSError):
                raw.socket.settimeout(left)
                raw.received += raw.socket.recv(65_536)
            for job, attempt in set(_GIVEN.findall(raw.received)) - given:
                given.add((job, attempt))
                rejected = {"t": "reject", "job": job.decode(), "attempt": int(attempt)}
                raw.socket.sendall(frame(TEXT, json.dumps(rejected).encode()))
    assert given, "no job was given out"
    assert len(given) < 50, "a rejected job comes back at once"
    raw.close()


def reads_nothing(target: Target, seconds: float) -> None:
    """Workers and pages that take large messages, and never read them."""
    with ExitStack() as stack:
        for _ in range(5):
            raw = begins(target, capacity=200)
            stack.callback(raw.close)
            page = RawSocket(target.address, f"{API}/feed", target.read)
            stack.callback(page.close)
            page.socket.sendall(frame(TEXT, b'{"t":"subscribe","topics":["jobs","task:noise"]}'))
        with target.http(target.jobs) as http:
            for _ in until_over(seconds):
                batch = {"jobs": [{"args": ["x" * 20_000]}] * 10}
                http.post(f"{API}/tasks/noise/jobs/batch", json=batch)


def streams(target: Target, seconds: float) -> None:
    """More log streams than a token may have."""
    with target.http(target.jobs) as http:
        job = http.post(f"{API}/tasks/noise/jobs", json={}).json()["id"]
    with target.http(target.read) as http, ExitStack() as stack:
        statuses = []
        for _ in range(STREAMS):
            follow = http.stream("GET", f"{API}/jobs/{job}/logs", headers={"Accept": "text/event-stream"})
            statuses.append(stack.enter_context(follow).status_code)
        assert 429 in statuses
        time.sleep(seconds)


def silent(target: Target, seconds: float) -> None:
    """Connections that send no request, or half of one, and wait."""
    where = urlsplit(target.address)
    with ExitStack() as stack:
        for n in range(SILENT):
            raw = stack.enter_context(socket.create_connection((where.hostname or "", where.port or 80)))
            raw.sendall(
                [b"", b"GET / HTTP/1.1\r\nX: ", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"][
                    n % 3
                ]
            )
        time.sleep(seconds)


_GUESS = "a" * 26
INTRUSIONS: dict[str, Attack] = {
    "S1 impossible values": calls(
        "jobs",
        ("POST", "/tasks/noise/jobs", {"due": "9999-12-31T23:59:59-12:00"}, _is_refused),
        ("POST", "/tasks/noise/jobs", {"due": "0001-01-01T00:00:00+14:00"}, _is_refused),
        ("PUT", "/tasks/other", {"doc": 5}, _is_refused),
        ("PUT", "/tasks/other", {"queue": None, "max_running": "1"}, _is_refused),
        ("GET", "/tasks", None, _is_refused),
    ),
    "S2 a skip of a rare rule": calls(
        "jobs",
        ("PUT", "/schedules/rare", {"task": "noise", **RARE}, _is_answered),
        ("POST", "/schedules/rare/skip", {"count": 1000}, _is_answered),
    ),
    "S7 odd hosts": odd_hosts,
    "S8 tasks of others": tasks_of_others,
    "S9 one wished name": one_wished_name,
    "S14 rejected jobs": rejects,
    "S15 readers that read nothing": reads_nothing,
    "S16 log streams": streams,
    "S18 silent connections": silent,
    "S23 large lists": calls(
        "read",
        ("GET", "/jobs?limit=500", None, _is_answered),
        ("GET", "/statistics?limit=5000", None, _is_answered),
        ("GET", "/audit?limit=500&q=%25", None, _is_answered),
    ),
    "S24 malformed HTTP": malformed_http,
    "guessed ping addresses": calls(
        "",
        ("GET", f"/ping/{_GUESS}", None, _is_refused),
        ("POST", f"/ping/{_GUESS}/fail", "x" * 100_000, _is_refused),
        ("HEAD", f"/ping/{_GUESS}/0", None, _is_refused),
        ("PUT", f"/ping/{_GUESS}", {}, _is_refused),
    ),
    "drains of unknown workers": calls("jobs", ("POST", "/workers/unknown/drain", {}, _is_refused)),
    "channels without the scope": calls(
        "jobs",
        (
            "POST",
            "/channels",
            {"name": "c", "config": {"type": "slack", "url": "http://[::1]/"}},
            _is_refused,
        ),
        ("GET", "/channels", None, _is_refused),
    ),
}
"""Of the findings of part S of the first attack, those that load a server; and of what was built since.

S3 and S13 are floods (`attacks.py`). The others have tests of their own, since no stranger can do them, or
they cost the server nothing: S4 `test_idempotency`, S5 `test_websocket_silence` and the conformance kit, S6
`test_without_postgres`, S10 `test_redaction`, S12 and S17 `test_resuming`, S19 `test_auth`, S20
`test_masking`, S21 `test_growth`; S11 and S22 are about other users of a machine.
"""
