"""Headers of requests and responses, cookies, counters and sizes: what a server among strangers needs."""

from collections.abc import AsyncIterator

import httpx
import pytest
from click.testing import CliRunner
from fastapi import FastAPI, Request
from redis import Redis

from infinitas.cli.main import cli
from infinitas.core.errors import BadName, RateLimited
from infinitas.core.names import check_name
from infinitas.devservers.servers import Urls
from infinitas.runtime.config import Settings
from infinitas.server.audit_trail import origin_of
from infinitas.server.edge import ALWAYS, Edge
from infinitas.server.routes import jobs
from infinitas.server.server import serving
from infinitas.server.streams import OpenStreams
from tests.server_fixtures import declare_jobs

API = "/api/v1"


@pytest.fixture
async def api(servers: Urls, redis: Redis) -> AsyncIterator[FastAPI]:
    await declare_jobs(servers.redis)
    async with serving(Settings(redis_url=servers.redis), local=True, rate=0, always_open=True) as api:
        yield api


def visiting(api: FastAPI, base: str = "http://localhost:3000") -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url=base)


async def test_every_response_has_the_safe_headers(api: FastAPI) -> None:
    async with visiting(api) as http, visiting(api, "https://localhost") as over_tls:
        for path in (f"{API}/tasks", f"{API}/none", "/livez", f"{API}/openapi.json", "/tasks"):
            answer = await http.get(path)
            assert {**ALWAYS, "cache-control": "no-store"}.items() <= {
                **{name: answer.headers[name] for name in ALWAYS},
                "cache-control": answer.headers["cache-control"],
            }.items(), path
            assert "strict-transport-security" not in answer.headers
        assert "strict-transport-security" in (await over_tls.get("/livez")).headers


@pytest.mark.parametrize(
    ("version", "headers", "status"),
    [
        ("1.1", [(b"content-length", b"3"), (b"transfer-encoding", b"chunked")], 400),
        ("9.9", [], 505),
        ("1.1", [], 200),
    ],
)
async def test_ambiguous_requests_are_refused(
    version: str, headers: list[tuple[bytes, bytes]], status: int
) -> None:
    sent: list[dict[str, object]] = []

    async def app(scope: object, receive: object, send: object) -> None:
        assert callable(send)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {"type": "http", "http_version": version, "headers": headers, "scheme": "http", "path": "/"}
    await Edge(app)(scope, None, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == status


async def test_each_port_has_a_login_of_its_own(api: FastAPI) -> None:
    _, text = await api.state.client.tokens.issue("a", ["worker"], None)
    names = []
    for base in ("http://localhost:3000", "http://localhost:3001", "https://localhost"):
        async with visiting(api, base) as http:
            signed = await http.post(f"{API}/login", json={"token": text})
            cookie = signed.headers["set-cookie"]
            names.append(cookie.partition("=")[0])
            assert ("Secure" in cookie) is base.startswith("https")
            assert (await http.get(f"{API}/login")).json()["scopes"] == ["worker"], "any scope will do"
            assert (await http.delete(f"{API}/login")).status_code == 204
            assert (await http.get(f"{API}/login")).status_code == 401
    assert len(set(names)) == 3
    assert names[2].startswith("__Host-")


async def test_refused_requests_are_counted_and_logged(
    api: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    _, text = await api.state.client.tokens.issue("a", ["read"], None)
    async with visiting(api) as http:
        for _ in range(3):
            await http.get(f"{API}/tasks", headers={"Authorization": "Bearer inf_wrong"})
        await http.post(f"{API}/login", json={"token": "inf_wrong"})
        metrics = await http.get("/metrics", headers={"Authorization": f"Bearer {text}"})
    assert 'infinitas_refused_requests_total{code="unauthorized"} 4.0' in metrics.text
    assert caplog.text.count("Refused 1 request;") == 1
    assert "inf_wrong" not in caplog.text


async def test_the_description_has_the_token_and_bounds(api: FastAPI) -> None:
    async with visiting(api) as http:
        described = (await http.get(f"{API}/openapi.json")).json()
    assert described["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert described["security"] == [{"token": []}]
    schemas = described["components"]["schemas"]
    assert schemas["SkipBody"]["properties"]["count"]["maximum"] == 1000
    assert schemas["BackfillBody"]["properties"]["limit"]["maximum"] == 100


def test_a_token_has_a_limited_number_of_streams() -> None:
    streams = OpenStreams(most_of_token=2, most=3)
    with streams.open("a"):
        with streams.open("a"), pytest.raises(RateLimited):
            streams.check("a")
        with streams.open("b"), streams.open("b"), pytest.raises(RateLimited):
            streams.check("c")
        streams.check("a")


@pytest.mark.parametrize("name", [".", ".."])
def test_a_name_that_no_path_can_have_is_refused(name: str) -> None:
    with pytest.raises(BadName):
        check_name(name, "task")


async def test_a_page_is_bounded_in_bytes(api: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MOST_PAGE_BYTES", 10_000)
    sent = set()
    async with visiting(api) as http:
        for _ in range(9):
            body = {"jobs": [{"args": ["x" * 3_000]}]}
            sent |= set((await http.post(f"{API}/tasks/patient/jobs/batch", json=body)).json()["ids"])
        found: list[str] = []
        cursor: dict[str, str | int] = {}
        pages = 0
        while True:
            answer = await http.get(f"{API}/jobs", params={"limit": 500, **cursor})
            assert len(answer.content) < 15_000
            found += [job["id"] for job in answer.json()["items"]]
            pages += 1
            if answer.json()["next"] is None:
                break
            cursor = {"cursor": answer.json()["next"]}
    assert (sorted(found), pages) == (sorted(sent), 3)


async def test_a_list_of_schedules_has_no_long_arguments(api: FastAPI) -> None:
    async with visiting(api) as http:
        rule = {"task": "noop", "cron": "0 4 1 1 *", "args": ["x" * 20_000]}
        assert (await http.put(f"{API}/schedules/long", json=rule)).status_code == 200
        listed = {each["key"]: each for each in (await http.get(f"{API}/schedules")).json()["items"]}
        assert listed["long"]["args"] == ["…"]
        assert (await http.get(f"{API}/schedules/long")).json()["args"] == rule["args"]


@pytest.mark.parametrize(
    ("client", "origin"), [("203.0.113.7", "203.0.113.7"), ("::1", "::1"), ("x" * 30_000, "")]
)
def test_the_origin_of_a_change_is_an_address(client: str, origin: str) -> None:
    """A trusted proxy may pass on any text."""
    assert origin_of(Request({"type": "http", "headers": [], "client": (client, 0)})) == origin


def test_a_password_on_the_command_line_is_warned_of() -> None:
    for url, warned in (("redis://:hunter2@127.0.0.1:1", True), ("redis://127.0.0.1:1", False)):
        result = CliRunner().invoke(cli, ["--redis-url", url, "token", "ls"])
        assert ("INFINITAS_REDIS_URL instead" in result.output) is warned
        assert "hunter2" not in result.output
