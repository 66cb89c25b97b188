"""Hostile bodies, paths and tokens against every route: refused with a code, never an error."""

import json
from typing import Any

import httpx
import pytest

from tests.server.test_auth import NEEDS, OPEN
from tests.server_fixtures import MakeToken, Server

API = "/api/v1"
DEEP = b"[" * 200_000
NAMES = ["2" * 40, "%00", "%ff", "%2e%2e%2f", "x" * 700, "%0d%0aX-Injected:%201"]
BODIES: list[bytes] = [
    b"null",
    b"[]",
    b"\xff",
    b'"\\ud800"',
    b'{"reason":' + DEEP,
    b'{"reason":' + b"1" * 10_000 + b"}",
    b'{"x":1' + b',"x":1' * 50_000 + b"}",
    b'{"reason":NaN}',
    b"x" * (1 << 20) + b"x",
]
VALUES: list[Any] = ["\0", "x" * 5_000, -1, 2**70, 1e308, True, {}, ["\0"], {"\0": "\0"}, [[[]]], "\ud800"]
SLACK = {"type": "slack", "url": "https://example.com/x"}
RIGHT: dict[str, dict[str, Any]] = {
    "POST /channels": {"name": "nothing", "config": SLACK, "reason": "r"},
    "PUT /channels/{name}": {"config": SLACK, "reason": "r"},
    "PUT /notify-rules/{name}": {
        "channels": ["c"],
        "tasks": "*",
        "tags": ["t"],
        "kinds": ["failing"],
        "remind_every": 60,
        "quiet": "22:00-06:00",
        "timezone": "UTC",
        "urgent": ["failing"],
    },
    "POST /mutes": {"tasks": "*", "kinds": ["failing"], "until": "2030-01-01T00:00:00Z", "reason": "r"},
    "POST /mutes/{id}/end": {"reason": "r"},
    "POST /incidents/{id}/acknowledge": {"reason": "r"},
    "POST /workers/{id}/drain": {"reason": "r"},
    "POST /pings": {
        "name": "p",
        "cron": "1 1 * * *",
        "timezone": "UTC",
        "grace": 60,
        "timeout": 5,
        "monitor": "healthchecks:m",
    },
}
"""Bodies that the routes of channels, incidents, drain and pings take."""
ROUTES = sorted([*NEEDS, *OPEN])
LISTS = ["channels", "mutes", "notify-rules", "pings", "incidents", "tasks", "schedules", "workers", "audit"]


def send(http: httpx.Client, route: str, name: str, body: bytes | None, token: str = "") -> httpx.Response:
    """A request to a route, with `name` for each of its parameters."""
    method, _, path = route.partition(" ")
    parts = [name if part.startswith("{") else part for part in path.split("/")]
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    return http.request(method, API + "/".join(parts), content=body, headers=headers)


def works(http: httpx.Client, server: Server) -> None:
    for path in LISTS:
        assert http.get(f"{API}/{path}").status_code == 200, path
    assert "Traceback" not in server.logs()


@pytest.mark.long
def test_hostile_bodies_and_paths(http: httpx.Client, server: Server) -> None:
    for route in ROUTES:
        for body in BODIES if not route.startswith("GET") else ():
            answer = send(http, route, "nothing", body)
            assert answer.status_code < 500, (route, body[:30], answer.text)
        for name in NAMES:
            answer = send(http, route, name, None if route.startswith("GET") else b"{}")
            assert answer.status_code < 500, (route, name, answer.text)
            assert "x-injected" not in answer.headers
    works(http, server)


def test_hostile_fields(http: httpx.Client, server: Server) -> None:
    for route, right in RIGHT.items():
        answer = send(http, route, "nothing", json.dumps(right).encode())
        assert answer.status_code < 300 or "{id}" in route, (route, answer.text)
        for field in [*right, "unknown"]:
            for value in VALUES:
                body = {**right, **({"name": "new"} if "name" in right else {}), field: value}
                answer = send(http, route, "nothing", json.dumps(body).encode())
                assert 400 <= answer.status_code < 500, (route, field, str(value)[:30], answer.text)
    works(http, server)


def test_the_token_of_a_worker_opens_no_route(http: httpx.Client, make_token: MakeToken) -> None:
    """Nor one that names tasks: it has the socket of workers alone."""
    for token in (make_token("worker"), make_token("worker:*")):
        for route in NEEDS:
            assert send(http, route, "nothing", None, token).status_code == 403, route
