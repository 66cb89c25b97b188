"""Channels over HTTP: secrets go in and never come out, every change is in the audit."""

from collections.abc import Iterator, Mapping

import httpx
import psycopg
import pytest

from tests.server.test_audit import search
from tests.server_fixtures import Server
from tests.support import eventually

API = "/api/v1"
HOOK = {"type": "webhook", "url": "https://example.com/hooks/s3cret"}
MAIL = {
    "type": "email",
    "host": "mail.example.com",
    "username": "ops",
    "password": "s3cret pass",
    "sender": "cron@example.com",
    "to": ["ops@example.com"],
}


@pytest.fixture
def database(server: Server) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    server.recorded = True
    with psycopg.connect(server.postgres_url, autocommit=True) as found:
        yield found


def add(http: httpx.Client, name: str, config: Mapping[str, object]) -> httpx.Response:
    answer = http.post(f"{API}/channels", json={"name": name, "config": config, "reason": "on call"})
    assert answer.status_code == 201, answer.text
    return answer


@pytest.mark.usefixtures("archiver")
def test_secrets_go_in_and_never_come_out(
    http: httpx.Client, database: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    made = add(http, "hook", HOOK).json()
    assert made["secret"].startswith("whsec_")
    assert made["config"] == {"type": "webhook", "url": "***", "secret": "***"}
    assert (made["target"], made["state"], made["origin"]) == ("https://example.com/…", "new", "api")
    add(http, "mail", MAIL)
    other = {**MAIL, "to": ["new@example.com"]}
    del other["password"]
    changed = http.put(f"{API}/channels/mail", json={"config": other})
    assert changed.json()["config"]["password"] == "***"
    assert changed.json()["config"]["to"] == ["new@example.com"]
    moved = http.put(f"{API}/channels/mail", json={"config": {**other, "host": "evil.example"}})
    assert "password" not in moved.json()["config"], "a password does not follow to another server"
    listed = http.get(f"{API}/channels")
    assert [each["name"] for each in listed.json()] == ["hook", "mail"]
    assert http.delete(f"{API}/channels/hook").status_code == 204
    assert http.get(f"{API}/channels/hook").json()["code"] == "unknown_channel"
    entries = eventually(lambda: found if len(found := search(http)) >= 5 else None)
    assert [each["action"] for each in entries][::-1] == [
        "add_channel",
        "add_channel",
        "put_channel",
        "put_channel",
        "remove_channel",
    ]
    assert entries[-1]["reason"] == "on call"
    assert entries[1]["changes"]["config"][1]["host"] == "evil.example"
    for text in (listed.text, changed.text, str(entries)):
        assert "s3cret" not in text
    stored = database.execute("SELECT config ->> 'host' FROM infinitas_channels").fetchall()
    assert stored == [("evil.example",)]


def test_a_test_waits_for_a_notifier_and_a_delivery_is_replayed(
    http: httpx.Client, database: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    add(http, "hook", HOOK)
    queued = http.post(f"{API}/channels/hook/test")
    assert queued.status_code == 202
    notice = queued.json()["notice"]
    assert http.get(f"{API}/channels/hook").json()["waiting"] == 1
    assert http.get(f"{API}/channels/hook/deliveries").json() == {"items": [], "next": None}
    database.execute(
        "INSERT INTO infinitas_deliveries (channel, notice, reason, title, try, outcome, answer, took_ms)"
        " SELECT 'hook', %s, 'test', 'Test', number, 'sent', '204', 7 FROM generate_series(1, 3) number",
        (notice,),
    )
    database.execute("UPDATE infinitas_notices SET state = 'sent', ended_at = now()")
    page = http.get(f"{API}/channels/hook/deliveries", params={"limit": 2, "notice": notice}).json()
    assert [each["number"] for each in page["items"]] == [3, 2]
    rest = http.get(f"{API}/channels/hook/deliveries", params={"limit": 2, "before": page["next"]}).json()
    assert ([each["number"] for each in rest["items"]], rest["next"]) == ([1], None)
    replayed = http.post(f"{API}/deliveries/{rest['items'][0]['id']}/replay")
    assert replayed.json() == {"notice": notice, "channel": "hook"}
    assert http.get(f"{API}/channels/hook").json()["waiting"] == 1
    assert http.post(f"{API}/deliveries/99999999/replay").json()["code"] == "unknown_delivery"
    assert http.post(f"{API}/channels/nothing/test").json()["code"] == "unknown_channel"


def test_channels_of_a_file_are_changed_there(
    http: httpx.Client, database: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    database.execute(
        "INSERT INTO infinitas_channels (name, type, origin, target, shown, actor)"
        " VALUES ('ops', 'slack', 'file', 'https://example.com/…', '{\"type\": \"slack\"}', 'infinitas.toml')"
    )
    assert http.get(f"{API}/channels/ops").json()["origin"] == "file"
    for answer in (
        http.delete(f"{API}/channels/ops"),
        http.put(f"{API}/channels/ops", json={"config": HOOK}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "channel_of_file")
    taken = http.post(f"{API}/channels", json={"name": "ops", "config": HOOK})
    assert (taken.status_code, taken.json()["code"]) == (422, "bad_args")


@pytest.mark.parametrize(
    "config",
    [
        {"type": "apprise", "url": "ntfy://s3cret"},
        {"type": "webhook", "url_env": "INFINITAS_POSTGRES_URL"},
        {"type": "webhook", "url": "https://u:s3cret@example.com/"},
        {"type": "webhook", "url": "https://example.com/", "allow_private": True},
        {**MAIL, "password_file": "/etc/shadow"},
        {**MAIL, "to": ["s3cret@example.com\nBcc: x@example.com"]},
        {**MAIL, "host": None},
        {},
    ],
)
def test_what_the_api_does_not_take(http: httpx.Client, config: dict[str, object]) -> None:
    """No apprise, no references to variables or files, no leave to reach private addresses."""
    answer = http.post(f"{API}/channels", json={"name": "x", "config": config})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_request")
    assert "s3cret" not in answer.text
