"""The audit over HTTP: what each change has changed, searched and in pages."""

import itertools
import json
import time
from contextlib import suppress
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from redis import Redis

from infinitas.broker.connection import Connection
from infinitas.broker.intents import Intents
from infinitas.broker.queue import QueueBroker
from infinitas.cli.incidents import actor
from infinitas.devservers.servers import Urls
from infinitas.runtime.config import Settings
from infinitas.server import refusals
from infinitas.server.audit_trail import record_cut_off
from infinitas.server.server import serving
from tests.server.mortal import Killed, Mortal
from tests.server_fixtures import MakeToken, declare_jobs
from tests.support import events, eventually

API = "/api/v1"
INTENTS = "{infinitas:default}:intents"
Entries = list[dict[str, Any]]


def search(http: httpx.Client, **query: str | int) -> Entries:
    answer = http.get(f"{API}/audit", params=query)
    assert answer.status_code == 200, answer.text
    found: Entries = answer.json()["items"]
    return found


def test_changes_of_a_schedule_have_before_and_after(http: httpx.Client, archiver: None) -> None:
    url = f"{API}/schedules/nightly"
    http.put(url, json={"task": "noop", "cron": "0 3 * * *", "args": [1]})
    http.patch(url, json={"every": 90, "args": [2]}, headers={"X-Reason": "more often"})
    http.post(f"{url}/pause", json={"reason": "too loud"})
    http.post(f"{url}/skip", json={"count": 2})
    http.post(f"{url}/resume")
    http.post(f"{url}/resume")
    http.delete(url)
    entries = eventually(lambda: found if len(found := search(http, target="nightly")) == 7 else None)
    actions = [str(each["action"]) for each in entries][::-1]
    assert actions[:2] == ["put_schedule", "change_schedule"]
    changed = [each["changes"] for each in entries][::-1]
    assert changed[0]["cron"] == [None, "0 3 * * *"]
    assert changed[1] == {
        "rule": ["0 3 * * *", "every 1m 30s"],
        "cron": ["0 3 * * *", None],
        "every": [None, 90.0],
        "anchor": [None, changed[1]["anchor"][1]],
        "args": [[1], [2]],
    }
    paused = changed[2]["paused"]
    assert (paused[0], paused[1]["reason"]) == (None, "too loud")
    assert changed[3] == {"skips": [0, 2]}
    assert changed[4] == {"paused": [paused[1], None]}
    assert changed[5] is None, "a resume of a schedule that is not paused changes nothing"
    assert changed[6]["every"] == [90.0, None]


def test_hidden_arguments_stay_hidden(http: httpx.Client, archiver: None) -> None:
    http.put(f"{API}/tasks/pay", json={"redact": ["password"]})
    http.put(f"{API}/schedules/p", json={"task": "pay", "every": 60, "kwargs": {"password": "s3cret"}})
    (entry,) = eventually(lambda: search(http, target="p"))
    assert "s3cret" not in str(entry)
    assert "***" in str(entry["changes"])


@pytest.fixture
def pauses(http: httpx.Client, archiver: None) -> Entries:
    """Nine changes of three schedules."""
    for n in range(3):
        http.put(f"{API}/schedules/s{n}", json={"task": "noop", "every": 60})
        http.post(f"{API}/schedules/s{n}/pause", json={"reason": f"100% LOUD_{n}"})
        http.post(f"{API}/schedules/s{n}/resume")
    return eventually(lambda: found if len(found := search(http)) == 9 else None)


def test_search_and_pages(http: httpx.Client, pauses: Entries) -> None:
    def ids(**query: str | int) -> list[object]:
        return [each["id"] for each in search(http, **query)]

    everything = [each["id"] for each in pauses]
    assert len(ids(action="pause_schedule")) == 3
    assert ids(q="loud_2") == ids(action="pause_schedule", target="s2")
    assert ids(q="0% l") == ids(action="pause_schedule"), "a percent sign is one"
    assert ids(q="loud%2") == []
    assert ids(q="this MACHINE") == everything
    assert ids(actor="this machine", target="s1", q="resume") == ids(action="resume_schedule", target="s1")
    since = str(pauses[4]["at"])
    assert set(everything[:4]) <= set(ids(since=since)) < set(everything)
    first = http.get(f"{API}/audit", params={"limit": 5}).json()
    rest = http.get(f"{API}/audit", params={"limit": 5, "before": first["next"]}).json()
    assert [each["id"] for each in first["items"] + rest["items"]] == everything
    assert rest["next"] is None
    for wrong in ({"q": "x" * 201}, {"since": "yesterday"}, {"before": 0}, {"q": "\0"}):
        assert http.get(f"{API}/audit", params=wrong).json()["code"] == "bad_request", wrong


def test_a_bulk_names_its_jobs_and_a_dry_run_is_no_change(http: httpx.Client, archiver: None) -> None:
    ids = [http.post(f"{API}/tasks/patient/jobs", json={}).json()["id"] for _ in range(2)]
    body = {"action": "cancel", "ids": [*ids, "unknown"]}
    http.post(f"{API}/jobs/bulk", json={**body, "dry_run": True})
    http.delete(f"{API}/tasks/patient", params={"dry_run": True})
    span = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:00:01Z"}
    http.post(f"{API}/schedules/tick/backfill", json={**span, "dry_run": True})
    http.post(f"{API}/jobs/bulk", json=body)
    (bulk,) = eventually(lambda: search(http, action="change_jobs"))
    assert bulk["changes"] == {"action": [None, "cancel"], "jobs": [None, ids]}
    actions = [entry["action"] for entry in search(http)]
    assert sorted(actions) == ["change_jobs", "send_job", "send_job"]


async def test_intents_that_were_cut_off_are_recorded_once(servers: Urls, redis: Redis) -> None:
    facts = {"action": "remove_schedule", "actor": "a", "target": "nightly", "reason": "", "origin": ""}
    redis.hset(INTENTS, "x", json.dumps({**facts, "at": time.time() - 121}))
    redis.hset(INTENTS, "y", json.dumps({**facts, "at": time.time()}))
    connection = Connection(servers.redis, "test")
    intents, broker = Intents(connection), QueueBroker(connection, "default")
    (found,) = await intents.cut_off()
    assert found == ("x", facts)
    for _ in range(2):  # Two servers have found it.
        await broker.audit(**facts, intent="x", was_cut_off=True)
    assert len(events(redis, "audit.remove_schedule")) == 1
    assert await intents.cut_off() == []
    await connection.close()


async def test_a_change_has_one_entry_wherever_its_server_ends(servers: Urls, redis: Redis) -> None:
    """Noted before it happens: what a killed server has not recorded, the next one does."""
    async with (
        serving(Settings(redis_url=servers.redis), local=True, rate=0, always_open=True) as api,
        httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://localhost") as http,
    ):
        mortal = Mortal(api)
        made, cut_off = [], 0
        for left in itertools.count(1):
            redis.flushall()
            await declare_jobs(servers.redis)
            mortal.live(left)
            with suppress(Killed):
                await http.post(f"{API}/tasks/patient/jobs", json={}, headers={"X-Reason": "why"})
            survived = mortal.alive
            mortal.live(None)
            made.append(len(events(redis, "job.created")))
            await sweep(api, redis)
            entries = events(redis, "audit.send_job")
            assert made[-1] <= len(entries) <= 1, left
            assert {each.fields["reason"] for each in entries} <= {"why"}
            cut_off += '{"outcome":[null,"cut_off"]}' in [each.fields.get("changes") for each in entries]
            assert not redis.exists(INTENTS), "what was recorded is no longer intended"
            if survived:
                break
    assert cut_off > 1
    assert (made[0], made[-1]) == (0, 1)


async def sweep(api: FastAPI, redis: Redis) -> None:
    """What a server does once a minute, two minutes later."""
    intents: Any = redis.hgetall(INTENTS)
    for id, text in intents.items():
        redis.hset(INTENTS, id, json.dumps({**json.loads(text), "at": 0}))
    await record_cut_off(api.state.client)


def test_sign_ins_and_tokens_are_in_the_audit_without_secrets(
    http: httpx.Client, archiver: None, make_token: MakeToken
) -> None:
    admin = make_token("admin")
    headers = {"Authorization": f"Bearer {admin}"}
    http.post(f"{API}/login", json={"token": admin})
    pasted = {"X-Reason": f"with {admin}", "X-Forwarded-For": "203.0.113.7"}
    http.put(f"{API}/schedules/n", json={"task": "noop", "cron": "0 3 * * *"}, headers=pasted)
    http.delete(f"{API}/login")

    def found() -> Entries | None:
        entries: Entries = http.get(f"{API}/audit", headers=headers).json()["items"]
        return entries if len(entries) == 4 else None

    entries = eventually(found)
    assert [each["action"] for each in entries] == ["sign_out", "put_schedule", "sign_in", "add_token"]
    assert admin.split("_")[2] not in str(entries)
    assert [each["actor"] for each in entries] == ["admin", "admin", "admin", actor()]
    assert [each["origin"] for each in entries] == ["127.0.0.1", "127.0.0.1", "127.0.0.1", "command line"], (
        "no proxy is trusted"
    )


async def test_a_token_without_the_right_is_in_the_audit_once(
    servers: Urls, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "MOST_AUDITED", 3)
    async with (
        serving(Settings(redis_url=servers.redis), local=True, rate=0) as api,
        httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://localhost") as http,
    ):
        _, text = await api.state.client.tokens.issue("reader", ["read"], None)
        http.headers["Authorization"] = f"Bearer {text}"
        for _ in range(5):
            assert (await http.delete(f"{API}/schedules/k")).status_code == 403
        for path in ("tokens", "logins", "channels", "channels/c"):
            assert (await http.get(f"{API}/{path}")).status_code == 403
        assert api.state.refusals.counts["forbidden"] == 9
    found = [event for event in events(redis) if event.kind.startswith("audit.")]
    assert len(found) == 3, "one of a kind, and no more of a flood"
    facts = found[0].fields
    assert (found[0].kind, facts["actor"], facts["target"]) == ("audit.remove_schedule", "reader", "k")
    assert '"forbidden"' in facts["changes"]
