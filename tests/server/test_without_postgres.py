"""What is live needs no Postgres: neither a job's answer nor a write's asks the archive."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from redis import Redis

from infinitas.devservers.servers import Urls
from infinitas.runtime.config import Settings
from infinitas.server.server import serving
from tests.server_fixtures import declare_jobs

API = "/api/v1"


async def test_writes_and_live_jobs_ask_no_archive(
    servers: Urls, redis: Redis, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await declare_jobs(servers.redis)
    asked: list[str] = []

    @asynccontextmanager
    async def hang() -> AsyncIterator[None]:
        asked.append("Postgres")
        yield
        raise AssertionError("this request waits for Postgres")

    settings = Settings(redis_url=servers.redis, postgres_url=postgres_url)
    async with (
        serving(settings, local=True, rate=0, always_open=True) as api,
        httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url=f"http://localhost{API}") as http,
    ):
        monkeypatch.setattr(api.state.client.archive.jobs._pool, "transaction", hang)
        sent = (await http.post("/tasks/patient/jobs", json={}, headers={"Idempotency-Key": "k"})).json()
        job = f"/jobs/{sent['id']}"
        for method, path, body in (
            ("GET", job, None),
            ("GET", f"{job}/waiting", None),
            ("GET", f"{job}/logs", None),
            ("POST", f"{job}/rerun", None),
            ("POST", f"{job}/cancel", {}),
            ("POST", f"{job}/retry", None),
            ("POST", "/jobs/bulk", {"action": "cancel", "ids": [sent["id"]]}),
            ("POST", "/tasks/patient/jobs/batch", {"jobs": [{}]}),
            ("POST", "/schedules/tick/trigger", {}),
            ("POST", "/schedules/tick/pause", {"reason": "r"}),
            ("POST", "/schedules/tick/skip", {"count": 1}),
            ("PATCH", "/schedules/tick", {"every": 60}),
            ("GET", "/schedules", None),
            ("GET", "/tasks", None),
            ("GET", "/workers", None),
        ):
            answer = await http.request(method, path, json=body)
            assert (answer.is_success, asked) == (True, []), (method, path, answer.text)
