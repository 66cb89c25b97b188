"""A POST with an Idempotency-Key is carried out once, also when the server is killed in the middle of it."""

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from redis import Redis

from infinitas.devservers.servers import Urls
from infinitas.runtime.config import Settings
from infinitas.server.server import serving
from tests.server.mortal import Killed, Mortal
from tests.server_fixtures import declare_jobs
from tests.support import events

API = "/api/v1"
KEY = {"Idempotency-Key": "order-7"}
FIRST = "00000000000000000000000001"
SECOND = "00000000000000000000000003"
ENDED = "00000000000000000000000002"


@pytest.fixture
async def api(servers: Urls, redis: Redis) -> AsyncIterator[FastAPI]:
    async with serving(Settings(redis_url=servers.redis), local=True, rate=0, always_open=True) as api:
        yield api


@pytest.fixture
async def http(api: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://localhost") as http:
        yield http


POSTS: dict[str, tuple[str, dict[str, Any]]] = {
    "send with a business key": ("/tasks/patient/jobs", {}),
    "batch": ("/tasks/patient/jobs/batch", {"jobs": [{"args": []}, {"args": []}]}),
    "trigger": ("/schedules/tick/trigger", {}),
    "rerun": (f"/jobs/{FIRST}/rerun", {}),
    "retry": (f"/jobs/{ENDED}/retry", {}),
    "bulk retry": ("/jobs/bulk", {"action": "retry", "ids": [ENDED]}),
    "bulk cancel": ("/jobs/bulk", {"action": "cancel", "filter": {"task": "patient"}, "limit": 1}),
}


@pytest.mark.parametrize("post", POSTS)
async def test_killed_at_every_point_it_makes_one_job(
    api: FastAPI, http: httpx.AsyncClient, redis: Redis, servers: Urls, post: str
) -> None:
    path, body = POSTS[post]
    mortal = Mortal(api)
    await declare_jobs(servers.redis)
    for id in (FIRST, SECOND, ENDED):
        assert (await http.post(f"{API}/tasks/patient/jobs", json={"id": id})).status_code == 202
    await end(http, ENDED)
    commands, done = 0, False
    while not done:
        commands += 1
        key = {"Idempotency-Key": f"{commands}"}
        wanted = {**body, "key": f"{commands}"} if "business" in post else body
        before = made(redis, post)
        mortal.live(commands)
        with suppress(Killed):
            first = await http.post(API + path, json=wanted, headers=key)
            done = True
        mortal.live(None)
        if "retry" in post:
            # Whoever repeats the request may come when the job has ended again.
            await end(http, ENDED)
        second = await http.post(API + path, json=wanted, headers=key)
        assert second.is_success, (commands, second.text)
        expected = 2 if post == "batch" else 1
        assert made(redis, post) - before == expected, f"killed behind command {commands}"
        if "retry" in post:
            await end(http, ENDED)
        if "cancel" in post:
            await http.post(f"{API}/tasks/patient/jobs", json={})
    assert first.json() == second.json() or "retry" in post
    assert second.headers["idempotency-replayed"] == "true"
    assert commands > 3


async def end(http: httpx.AsyncClient, id: str) -> None:
    await http.post(f"{API}/jobs/{id}/cancel")


def made(redis: Redis, post: str = "") -> int:
    """Jobs that were created or retried, or what else the request is about."""
    return len(events(redis, *(["job.cancelled"] if "cancel" in post else ["job.created", "job.revived"])))


async def test_a_key_belongs_to_the_token_however_it_is_presented(
    api: FastAPI, http: httpx.AsyncClient, redis: Redis, servers: Urls
) -> None:
    await declare_jobs(servers.redis)
    _, text = await api.state.client.tokens.issue("a", ["jobs"], None)
    _, other = await api.state.client.tokens.issue("b", ["jobs"], None)
    ids = set()
    for headers in (
        {"Authorization": f"Bearer {text}"},
        {"Authorization": f"bearer  {text}"},
        {"Authorization": f"Bearer {text}", "Cookie": "theme=dark"},
    ):
        sent = await http.post(f"{API}/tasks/patient/jobs", json={}, headers={**KEY, **headers})
        ids.add(sent.json()["id"])
    assert len(ids) == 1
    elses = await http.post(
        f"{API}/tasks/patient/jobs", json={}, headers={**KEY, "Authorization": f"Bearer {other}"}
    )
    assert elses.json()["id"] not in ids


async def test_a_key_keeps_ids_and_no_arguments(http: httpx.AsyncClient, redis: Redis, servers: Urls) -> None:
    await declare_jobs(servers.redis)
    body = {"args": ["x" * 100_000]}
    first = await http.post(f"{API}/tasks/patient/jobs", json=body, headers=KEY)
    stored: Any = [redis.get(key) for key in redis.keys("infinitas:idempotency:*")]
    assert 0 < sum(map(len, stored)) < 1_000
    second = await http.post(f"{API}/tasks/patient/jobs", json=body, headers=KEY)
    assert second.json() == first.json()
    changed = await http.post(f"{API}/tasks/patient/jobs", json={}, headers=KEY)
    assert (changed.status_code, changed.json()["code"]) == (412, "changed")


async def test_a_batch_that_was_refused_in_part_is_not_sent_twice(
    http: httpx.AsyncClient, redis: Redis, servers: Urls
) -> None:
    await declare_jobs(servers.redis)
    await http.post(f"{API}/tasks/patient/jobs", json={"key": "k"})
    body = {"jobs": [{}, {"key": "k"}]}
    for _ in range(2):
        refused = await http.post(f"{API}/tasks/patient/jobs/batch", json=body, headers=KEY)
        assert (refused.status_code, refused.json()["code"]) == (409, "key_taken")
    assert made(redis) == 2


async def test_a_refused_request_leaves_its_key_free(
    http: httpx.AsyncClient, redis: Redis, servers: Urls
) -> None:
    await declare_jobs(servers.redis)
    assert (await http.post(f"{API}/tasks/none/jobs", json={}, headers=KEY)).status_code == 404
    assert (await http.post(f"{API}/tasks/patient/jobs", json={}, headers=KEY)).status_code == 202


async def test_a_schedule_that_was_resumed_stays_so(
    http: httpx.AsyncClient, redis: Redis, servers: Urls
) -> None:
    """A repetition changes nothing, whatever was changed since."""
    await declare_jobs(servers.redis)
    paused = await http.post(f"{API}/schedules/tick/pause", json={"reason": "r"}, headers=KEY)
    assert paused.json()["paused"]["reason"] == "r"
    await http.post(f"{API}/schedules/tick/resume")
    again = await http.post(f"{API}/schedules/tick/pause", json={"reason": "r"}, headers=KEY)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "true")
    assert (await http.get(f"{API}/schedules/tick")).json()["paused"] is None


async def test_a_request_that_was_cut_off_is_not_repeated_when_redis_may_have_forgotten_its_job(
    api: FastAPI, http: httpx.AsyncClient, servers: Urls, redis: Redis
) -> None:
    await declare_jobs(servers.redis)
    mortal = Mortal(api)
    mortal.live(4)
    with suppress(Killed):
        await http.post(f"{API}/tasks/patient/jobs", json={}, headers=KEY)
    mortal.live(None)
    names: Any = redis.keys("infinitas:idempotency:*")
    (name,) = names
    record: Any = redis.get(name)
    stored = json.loads(record)
    redis.set(name, json.dumps({**stored, "begun": stored["begun"] - 1_801_000}))
    late = await http.post(f"{API}/tasks/patient/jobs", json={}, headers=KEY)
    assert (late.status_code, late.json()["code"]) == (409, "in_progress")
    assert made(redis) == 0
