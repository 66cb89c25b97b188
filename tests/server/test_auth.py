"""Each scope against each route: a token without the scope is refused, whatever else is wrong."""

import httpx
import pytest

from infinitas.core.access import Scope
from tests.server_fixtures import MakePage, MakePeer, MakeToken, address
from tests.support import PATIENCE_S, Processes, eventually

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
    "POST /schedules/{key}/reset": "tasks",
    "DELETE /tasks/{name}": "tasks",
    "POST /schedules/{key}/pause": "tasks",
    "POST /schedules/{key}/resume": "tasks",
    "POST /schedules/{key}/skip": "tasks",
    "POST /schedules/{key}/trigger": "jobs",
    "POST /schedules/{key}/backfill": "tasks",
    "GET /jobs": "read",
    "GET /jobs/{id}": "read",
    "GET /jobs/{id}/attempts": "read",
    "GET /jobs/{id}/waiting": "read",
    "POST /jobs/{id}/cancel": "jobs",
    "POST /jobs/{id}/retry": "jobs",
    "POST /jobs/{id}/rerun": "jobs",
    "GET /status": "read",
    "POST /queues/{name}/purge": "jobs",
    "POST /queues/{name}/pause": "tasks",
    "POST /queues/{name}/resume": "tasks",
    "POST /tasks/{name}/pause": "tasks",
    "POST /tasks/{name}/resume": "tasks",
    "GET /workers": "read",
    "POST /workers/{id}/drain": "tasks",
    "GET /queues": "read",
    "GET /timeline": "read",
    "GET /audit": "read",
    "GET /incidents": "read",
    "GET /incidents/{id}": "read",
    "POST /incidents/{id}/acknowledge": "tasks",
    "GET /mutes": "read",
    "POST /mutes": "tasks",
    "POST /mutes/{id}/end": "tasks",
    "GET /notify-rules": "read",
    "PUT /notify-rules/{name}": "admin",
    "DELETE /notify-rules/{name}": "admin",
    "GET /statistics": "read",
    "GET /tokens": "admin",
    "POST /tokens": "admin",
    "DELETE /tokens/{id}": "admin",
    "GET /logins": "admin",
    "DELETE /logins/{id}": "admin",
    "GET /channels": "admin",
    "POST /channels": "admin",
    "GET /channels/{name}": "admin",
    "PUT /channels/{name}": "admin",
    "DELETE /channels/{name}": "admin",
    "POST /channels/{name}/test": "admin",
    "GET /channels/{name}/deliveries": "admin",
    "POST /deliveries/{id}/replay": "admin",
    "GET /jobs/{id}/logs": "read",
    "POST /jobs/bulk": "jobs",
    "POST /tasks/{name}/jobs/batch": "jobs",
    "PUT /tasks/{name}": "tasks",
    "GET /pings": "read",
    "POST /pings": "tasks",
    "POST /pings/{name}/rotate": "tasks",
    "DELETE /pings/{name}": "tasks",
}

PINGS = {f"{method} /ping/{{token}}{more}" for method in ("GET", "POST") for more in ("", "/{what}")}
SIGN_IN = {"GET /login/options", "GET /login/oidc", "GET /login/oidc/callback"}
OPEN = {"POST /login", "DELETE /login", "GET /login", "GET /asyncapi.json", *SIGN_IN, *PINGS}
"""A login has its token in the body, a logout needs none; any token is shown itself; a ping has its own."""


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
    assert routes - OPEN == NEEDS.keys(), "list each new route here, with the scope that it needs"
    tokens = {scope: make_token(scope.value) for scope in Scope}
    for route, needed in NEEDS.items():
        assert request(http, route, None).status_code == 401, route
        for scope, token in tokens.items():
            allowed = scope in (needed, Scope.ADMIN)
            assert (request(http, route, token).status_code != 403) is allowed, (route, scope)
    assert http.get("/metrics").status_code == 401
    seen = http.get("/metrics", headers={"Authorization": f"Bearer {tokens[Scope.READ]}"})
    assert seen.status_code == 200


def test_invalid_tokens_are_refused(http: httpx.Client, make_token: MakeToken) -> None:
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
    assert request(http, "GET /tasks", None).status_code == 401, "still refused when a token has expired"


def test_a_reachable_server_without_its_last_token_refuses_all(
    processes: Processes, make_token: MakeToken
) -> None:
    """Also after a flushed Redis. `Host: localhost` changes nothing: the caller chooses it."""
    token = make_token("admin")
    processes.start("server", "--host", "127.0.0.2", "--port", "0")
    with httpx.Client(base_url=address(processes, "127.0.0.2"), timeout=PATIENCE_S) as http:
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
    result = processes.run("token", *arguments)
    assert result.returncode != 0
    assert "Traceback" not in result.stderr


FRAMES = {"read": 4403, "jobs": 4403, "tasks": 4403, "worker": None, "admin": None}


@pytest.mark.parametrize(("scope", "close"), FRAMES.items())
def test_each_scope_against_the_worker_socket(
    make_peer: MakePeer, make_token: MakeToken, scope: str, close: int | None
) -> None:
    for in_header in (True, False):
        token = make_token(scope)
        peer = make_peer(token if in_header else None)
        more = {} if in_header else {"token": token}
        peer.send("identify", tasks=[{"name": "t", "options": {}}], capacity=1, **more)
        if close is None:
            peer.expect("welcome")
        else:
            assert peer.expect("err")["code"] == "forbidden"
            assert peer.close_code() == close


def test_a_worker_serves_only_the_tasks_of_its_token(make_peer: MakePeer, make_token: MakeToken) -> None:
    token = make_token("worker:thumb-*")
    peer = make_peer(token)
    peer.identify("thumb-a", "thumb-b")
    other = make_peer(token)
    other.send("identify", tasks=[{"name": "thumb-a"}, {"name": "noop"}], capacity=1)
    refused = other.expect("err")
    assert (refused["code"], "'noop'" in refused["detail"]) == ("forbidden", True)


def test_once_a_token_exists_every_worker_needs_one(make_peer: MakePeer, make_token: MakeToken) -> None:
    make_token("read")
    for token in (None, "inf_wrong"):
        peer = make_peer(token)
        peer.send("identify", tasks=[{"name": "t", "options": {}}], capacity=1)
        assert peer.expect("err")["code"] == "unauthorized"
        assert peer.close_code() == 4401


def test_one_token_cannot_resume_the_session_of_another(make_peer: MakePeer, make_token: MakeToken) -> None:
    session = make_peer(make_token("worker")).identify("t")["session"]
    thief = make_peer(make_token("worker"))
    assert thief.identify("t", session=session, name=session)["session"] != session


def test_login_and_logout_with_a_cookie(http: httpx.Client, make_token: MakeToken) -> None:
    token = make_token("read")
    wrong = http.post(f"{API}/login", json={"token": "inf_wrong"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "unauthorized")
    foreign = http.post(f"{API}/login", json={"token": token}, headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403
    signed = http.post(f"{API}/login", json={"token": token})
    assert signed.json()["scopes"] == ["read"]
    cookie = signed.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert token not in cookie
    assert http.get(f"{API}/login").json()["name"] == "read"
    assert http.get(f"{API}/tasks").status_code == 200
    assert http.post(f"{API}/jobs/x/retry").status_code == 403
    kept = dict(http.cookies)
    assert http.delete(f"{API}/login").status_code == 204
    again = httpx.get(f"{http.base_url}{API}/tasks", cookies=kept)
    assert again.status_code == 401


def test_a_post_repeated_with_one_key_is_carried_out_once(http: httpx.Client, make_token: MakeToken) -> None:
    key = {"Idempotency-Key": "order-7"}
    first = http.post(f"{API}/tasks/patient/jobs", json={"args": [1]}, headers=key)
    second = http.post(f"{API}/tasks/patient/jobs", json={"args": [1]}, headers=key)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["idempotency-replayed"] == "true"
    other = http.post(f"{API}/tasks/patient/jobs", json={"args": [2]}, headers=key)
    assert (other.status_code, other.json()["code"]) == (412, "changed")
    refused = http.post(f"{API}/tasks/no-such/jobs", json={}, headers={"Idempotency-Key": "x"})
    assert refused.status_code == 404
    assert http.get(f"{API}/tasks/patient").json()["queued"] == 1
    make_token("read")
    assert http.post(f"{API}/tasks/patient/jobs", json={"args": [1]}, headers=key).status_code == 401


def test_too_many_requests_wait(processes: Processes) -> None:
    processes.start("server", "--port", "0", "--rate", "5", "--open")
    with httpx.Client(base_url=address(processes), timeout=PATIENCE_S) as http:
        answers = [http.get(f"{API}/tasks") for _ in range(30)]
        refused = [each for each in answers if each.status_code == 429]
        assert refused
        assert refused[0].json()["code"] == "rate_limited"
        assert int(refused[0].headers["retry-after"]) >= 1
        assert http.get("/livez").status_code == 200
        eventually(lambda: http.get(f"{API}/tasks").status_code == 200)


def test_a_revoked_token_ends_its_connections(
    processes: Processes, make_peer: MakePeer, make_page: MakePage, make_token: MakeToken
) -> None:
    worker, reader = make_token("worker"), make_token("read")
    make_token("admin")
    peer, page = make_peer(worker), make_page(reader)
    peer.beating = True
    peer.identify("t")
    page.send("subscribe", topics=["jobs"])
    page.expect("subscribed")
    for token in (worker, reader):
        assert processes.run("token", "rm", token.split("_")[1]).returncode == 0
    assert peer.close_code() == 4401
    assert page.close_code() == 4401


def test_the_session_of_a_worker_beside_redis_cannot_be_resumed(
    http: httpx.Client, processes: Processes, make_peer: MakePeer
) -> None:
    processes.start("worker", "tests.apps.jobs:app")
    (worker,) = eventually(lambda: http.get(f"{API}/workers").json())
    assert make_peer().identify("noop", session=worker["id"])["session"] != worker["id"]
