"""Access tokens over HTTP: made, listed without secrets, revoked; the first one ends open access."""

import httpx
import pytest
from redis import Redis

from tests.server_fixtures import MakeToken
from tests.support import eventually

API = "/api/v1"
BOSS = {"name": "boss", "scopes": ["admin"], "expires_in": None}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_the_first_token_warns_and_a_revoked_one_is_refused(http: httpx.Client, redis: Redis) -> None:
    made = http.post(f"{API}/tokens", json=BOSS)
    assert made.status_code == 201, made.text
    boss = made.json()
    assert "needs a token" in boss["warning"]
    assert "admin:" not in boss["warning"]
    assert http.get(f"{API}/tokens").status_code == 401
    body = {"name": "ci", "scopes": ["read", "jobs", "read"], "expires_in": 3600}
    second = http.post(f"{API}/tokens", json=body, headers=bearer(boss["token"])).json()
    assert (second["warning"], second["scopes"]) == (None, ["jobs", "read"])
    listed = http.get(f"{API}/tokens", headers=bearer(boss["token"]))
    assert [(each["id"], each["name"]) for each in listed.json()] == [
        (boss["id"], "boss"),
        (second["id"], "ci"),
    ]
    assert set(listed.json()[0]) == {"id", "name", "scopes", "created", "expires"}
    for token in (boss["token"], second["token"]):
        assert token.split("_")[2] not in listed.text + str(redis.hgetall("infinitas:tokens"))
    assert http.get(f"{API}/tasks", headers=bearer(second["token"])).status_code == 200
    gone = http.delete(f"{API}/tokens/{second['id']}", headers=bearer(boss["token"]))
    assert (gone.status_code, gone.content) == (204, b"")
    refused = http.get(f"{API}/tasks", headers=bearer(second["token"]))
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
    assert "was revoked or is unknown" in refused.json()["detail"]
    assert "Send a valid token" in http.get(f"{API}/tasks", headers=bearer("inf_x")).json()["detail"]
    again = http.delete(f"{API}/tokens/{second['id']}", headers=bearer(boss["token"]))
    assert (again.status_code, again.json()["code"]) == (404, "unknown_token")


def test_a_first_token_without_the_scope_admin_names_the_command(http: httpx.Client) -> None:
    made = http.post(f"{API}/tokens", json={"name": "r", "scopes": ["read"]}).json()
    assert "infinitas token add" in made["warning"]


def test_a_revoked_token_ends_its_logins(http: httpx.Client) -> None:
    boss = http.post(f"{API}/tokens", json=BOSS).json()
    assert http.post(f"{API}/login", json={"token": boss["token"]}).status_code == 200
    assert http.get(f"{API}/tokens").status_code == 200, "by the cookie"
    assert http.delete(f"{API}/tokens/{boss['id']}").status_code == 204
    assert http.get(f"{API}/tokens").status_code == 401


WRONG = [
    ({"name": "", "scopes": ["read"]}, "bad_name"),
    ({"name": "x\n", "scopes": ["read"]}, "bad_name"),
    ({"name": "x", "scopes": []}, "bad_request"),
    ({"name": "x", "scopes": ["everything"]}, "bad_args"),
    ({"name": "x", "scopes": ["worker:"]}, "bad_args"),
    ({"name": "x", "scopes": "read"}, "bad_request"),
    ({"name": "x", "scopes": ["read"], "expires_in": 0}, "bad_request"),
    ({"name": "x", "scopes": ["read"], "expires_in": 1e12}, "bad_request"),
    ({"name": "x", "scopes": ["read"], "expires_in": "60"}, "bad_request"),
    ({"name": "x", "scopes": ["read"], "digest": "0"}, "bad_request"),
    ({"name": "y" * 201, "scopes": ["read"]}, "bad_request"),
]


@pytest.mark.parametrize(("body", "code"), WRONG)
def test_wrong_tokens_are_refused_and_nothing_is_stored(
    http: httpx.Client, redis: Redis, body: dict[str, object], code: str
) -> None:
    assert http.post(f"{API}/tokens", json=body).json()["code"] == code
    assert not redis.exists("infinitas:tokens")


def test_tokens_are_in_the_audit_without_their_secrets(
    http: httpx.Client, archiver: None, make_token: MakeToken
) -> None:
    admin = bearer(make_token("admin"))
    made = http.post(f"{API}/tokens", json=BOSS, headers=admin).json()
    http.delete(f"{API}/tokens/{made['id']}", headers=admin)
    query = {"target": made["id"]}

    def audit() -> httpx.Response:
        return http.get(f"{API}/audit", params=query, headers=admin)

    entries = eventually(lambda: found if len(found := audit().json()["items"]) == 2 else None)
    assert [each["action"] for each in entries] == ["remove_token", "add_token"]
    assert entries[1]["changes"]["name"] == [None, "boss"]
    assert entries[0]["changes"]["scopes"] == [["admin"], None]
    assert made["token"].split("_")[2] not in audit().text
