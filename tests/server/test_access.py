"""Each scope against each route: what a token does not allow is refused, whatever else is wrong."""

import httpx
import pytest

from infinitas.core.access import Scope
from tests.server.conftest import MakeToken, address
from tests.support import Processes, eventually

API = "/api/v1"
NEEDS = {
    "GET /tasks": "read",
    "GET /tasks/{name}": "read",
    "POST /tasks/{name}/jobs": "jobs",
    "GET /schedules": "read",
    "POST /schedules/preview": "read",
    "GET /schedules/{key}": "read",
    "PUT /schedules/{key}": "tasks",
    "PATCH /schedules/{key}": "tasks",
    "DELETE /schedules/{key}": "tasks",
    "POST /schedules/{key}/pause": "tasks",
    "POST /schedules/{key}/resume": "tasks",
    "POST /schedules/{key}/skip": "tasks",
    "POST /schedules/{key}/trigger": "jobs",
    "POST /schedules/{key}/backfill": "tasks",
    "GET /jobs": "read",
    "GET /jobs/{id}": "read",
    "GET /jobs/{id}/attempts": "read",
    "POST /jobs/{id}/cancel": "jobs",
    "POST /jobs/{id}/retry": "jobs",
    "POST /jobs/{id}/rerun": "jobs",
    "GET /workers": "read",
    "GET /queues": "read",
    "GET /timeline": "read",
    "GET /audit": "read",
    "GET /jobs/{id}/logs": "read",
    "POST /jobs/bulk": "jobs",
    "POST /tasks/{name}/jobs/batch": "jobs",
    "PUT /tasks/{name}": "tasks",
}


def request(http: httpx.Client, route: str, token: str | None) -> httpx.Response:
    method, _, path = route.partition(" ")
    for name in ("name", "key", "id"):
        path = path.replace(f"{{{name}}}", "nothing")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return http.request(method, API + path, headers=headers, json={} if method != "GET" else None)


def test_each_scope_against_each_route(http: httpx.Client, make_token: MakeToken) -> None:
    described = http.get(f"{API}/openapi.json").json()["paths"]
    routes = {
        f"{method.upper()} {path.removeprefix(API).replace(':path', '')}"
        for path, methods in described.items()
        for method in methods
        if path.startswith(API)
    }
    assert http.get("/metrics").status_code == 200, "open while there is no token"
    assert routes == NEEDS.keys(), "a new route says here what it needs"
    tokens = {scope: make_token(scope.value) for scope in Scope}
    for route, needed in NEEDS.items():
        assert request(http, route, None).status_code == 401, route
        for scope, token in tokens.items():
            allowed = scope in (needed, Scope.ADMIN)
            assert (request(http, route, token).status_code != 403) is allowed, (route, scope)
    assert http.get("/metrics").status_code == 401
    seen = http.get("/metrics", headers={"Authorization": f"Bearer {tokens[Scope.READ]}"})
    assert seen.status_code == 200


def test_what_is_no_token(http: httpx.Client, make_token: MakeToken) -> None:
    good = make_token("read")
    other = make_token("read")
    id, other_secret = good.split("_")[1], other.split("_")[2]
    bad = ["x", good[:-1], good.upper(), f"inf_{id}_{other_secret}", "inf_00000000_" + "a" * 64]
    for text in bad:
        reply = http.get(f"{API}/tasks", headers={"Authorization": f"Bearer {text}"})
        assert (reply.status_code, reply.json()["code"]) == (401, "unauthorized"), text
        assert reply.headers["www-authenticate"] == "Bearer"
        assert other_secret not in reply.text
    basic = http.get(f"{API}/tasks", headers={"Authorization": f"Basic {good}"})
    assert basic.status_code == 401
    assert request(http, "GET /tasks", good).status_code == 200


def test_tokens_end(http: httpx.Client, make_token: MakeToken, processes: Processes) -> None:
    kept, short = make_token("read"), make_token("read", expires="10ms")
    eventually(lambda: request(http, "GET /tasks", short).status_code == 401)
    listed = processes.run("token", "ls").stdout
    assert kept.split("_")[1] in listed
    assert kept.split("_")[2] not in listed
    processes.run("token", "rm", kept.split("_")[1])
    assert request(http, "GET /tasks", kept).status_code == 401
    assert request(http, "GET /tasks", None).status_code == 401, "nobody is let in when one has expired"


def test_without_its_last_token_a_reachable_server_stays_shut(
    processes: Processes, make_token: MakeToken
) -> None:
    """Also after a flushed Redis; and `Host: localhost` is only what the caller says."""
    token = make_token("admin")
    processes.start("server", "--host", "127.0.0.2", "--port", "0")
    with httpx.Client(base_url=address(processes, "127.0.0.2")) as http:
        assert request(http, "GET /tasks", token).status_code == 200
        processes.run("token", "rm", token.split("_")[1])
        assert request(http, "GET /tasks", token).status_code == 401
        assert http.get(f"{API}/tasks", headers={"Host": "localhost"}).status_code == 401


def test_secrets_are_not_in_redis(make_token: MakeToken, redis: object) -> None:
    from redis import Redis

    assert isinstance(redis, Redis)
    secret = make_token("admin").split("_")[2]
    assert secret not in str(redis.hgetall("infinitas:tokens"))


@pytest.mark.parametrize("arguments", [("add", "n"), ("add", "n", "-s", "root"), ("rm", "nothing")])
def test_wrong_token_commands(processes: Processes, arguments: tuple[str, ...]) -> None:
    said = processes.run("token", *arguments)
    assert said.returncode != 0
    assert "Traceback" not in said.stderr
