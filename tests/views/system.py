"""Every view of a system: the HTTP API, the Python client beside Redis and over HTTP, the command line."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx
from click.testing import CliRunner
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase
from redis import Redis

from infinitas import Infinitas, every
from infinitas.cli.main import cli as command_line
from infinitas.client.http_client import HttpClient
from infinitas.server.server import serving
from infinitas.wire.paths import PREFIX
from tests.support import PATIENCE_S

P = "{infinitas:default}:"
RUN: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "phases": (Phase.generate, Phase.shrink),
    "suppress_health_check": list(HealthCheck),
}
"""Settings of a property that is tried on one system."""
LISTS = ("/tasks", "/jobs", "/schedules", "/workers", "/queues", "/timeline")
KEPT = ("id", "task", "state", "args", "key", "unreadable")


class System:
    """The servers, an app, and the API in this process."""

    def __init__(self, app: Infinitas, redis: Redis) -> None:
        self.app = app
        self.redis = redis
        self.job = ""
        self.runner = asyncio.Runner()
        self.api: FastAPI

    @contextmanager
    def open(self) -> Iterator["System"]:
        """Open it, with an honest task that has a schedule and a waiting job."""

        @self.app.task(name="honest", schedule=every(hours=1), redact=["secret"])
        def honest(number: int = 0, secret: str = "") -> None: ...

        with self.runner:
            served = serving(self.app.settings, local=True, rate=0)
            self.api = self.runner.run(served.__aenter__())
            try:
                self.seed()
                yield self
            finally:
                self.runner.run(served.__aexit__(None, None, None))

    def seed(self) -> None:
        """Store the honest records, and nothing else."""
        self.redis.flushall()
        task = self.app.tasks["honest"]
        self.app.schedule(task, every(hours=2), key="honest too")
        self.job = task.using(key="k").send(7, "hidden").id
        self.redis.hset(f"{P}members", "w-honest", "{}")
        facts: dict[Any, Any] = {"host": "h", "pid": 1, "version": "1", "started": 1, "last_beat": 2}
        facts |= {"capacity": 3, "busy": 1, "queues": '["default"]', "tasks": '["honest"]'}
        self.redis.hset("infinitas:worker:w-honest", mapping=facts)

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """One request to the API. An error that it does not handle is raised here."""

        async def send() -> httpx.Response:
            async with self._client() as client:
                content = None if body is None else json.dumps(body).encode()
                kind = {"content-type": "application/json", **headers}
                return await client.request(method, path, content=content, headers=kind)

        return self.runner.run(send())

    def get(self, path: str) -> Any:
        answer = self.request("GET", PREFIX + path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()

    def remote(self, verb: Any) -> Any:
        """The result of a verb of the client over HTTP."""

        async def call() -> Any:
            client = HttpClient("http://localhost", None)
            async with self._client() as http:
                http.base_url = httpx.URL(f"http://localhost{PREFIX}")
                client._http._client = http
                return await verb(client)

        return self.runner.run(call())

    def cli(self, *arguments: str) -> str:
        result = CliRunner().invoke(command_line, list(arguments), catch_exceptions=False)
        assert result.exit_code == 0, (arguments, result.output)
        return result.output

    def check(
        self, jobs: Sequence[str] = (), tasks: Sequence[str] = (), schedules: Sequence[str] = ()
    ) -> None:
        """Every view answers, also for these records, and shows the honest ones unchanged."""
        for path in LISTS:
            self.get(path)
        assert self.request("GET", "/metrics").status_code == 200
        for kind, names in (("jobs", jobs), ("tasks", tasks), ("schedules", schedules)):
            for name in names:
                for part in ("", "/logs", "/attempts") if kind == "jobs" else ("",):
                    answer = self.request("GET", f"{PREFIX}/{kind}/{quote(name, safe='')}{part}")
                    assert answer.status_code in (200, 404), (kind, name, part, answer.text)
        self._check_what_is_honest()
        self._check_clients()

    def check_commands(self) -> None:
        for command in ("task", "job", "schedule", "worker"):
            for form in ((), ("-o", "json")):
                assert "honest" in self.cli(command, "ls", *form)
        assert self.job in self.cli("job", "show", self.job)
        assert "honest" in self.cli("task", "show", "honest")
        assert "honest too" in self.cli("schedule", "show", "honest too")

    def _check_what_is_honest(self) -> None:
        wanted = {
            "id": self.job,
            "task": "honest",
            "state": "queued",
            "args": [7, "***"],
            "key": "k",
            "unreadable": None,
        }
        (listed,) = (job for job in self.get("/jobs?limit=500")["items"] if job["id"] == self.job)
        for shown in (listed, self.get(f"/jobs/{self.job}")):
            assert {name: shown[name] for name in KEPT} == wanted
        (line,) = (each for each in self.get("/tasks?recent=true")["items"] if each["name"] == "honest")
        task = self.get("/tasks/honest")
        for shown in (line, task):
            assert (shown["queued"] >= 1, shown["unreadable"]) == (True, None)
        assert task["options"]["redact"] == ["secret", "1"]
        readable = [each["key"] for each in self.get("/schedules")["items"] if not each["unreadable"]]
        assert "honest too" in readable
        (worker,) = (each for each in self.get("/workers") if each["id"] == "w-honest")
        assert (worker["capacity"], worker["unreadable"]) == (3, None)
        assert 'infinitas_queue_depth{task="honest"} ' in self.request("GET", "/metrics").text

    def _check_clients(self) -> None:
        here = self.app.fetch_job(self.job)
        there = self.remote(lambda client: client.job(self.job))
        assert (here.state, here.task) == (there.state, there.task) == ("queued", "honest")
        assert self.app.fetch_task("honest").queued >= 1
        assert "honest" in [each.name for each in self.remote(lambda client: client.tasks())]
        assert self.job in [each.id for each in self.remote(lambda client: client.jobs(None, None, 500))]
        for found in (
            self.app.schedules.list(),
            self.remote(lambda client: client.schedules.next(None, 100)),
        ):
            assert "honest too" in [each.schedule.key for each in found]
        assert "w-honest" in [each.id for each in self.remote(lambda client: client.workers())]

    def _client(self) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.api)
        return httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=PATIENCE_S)
