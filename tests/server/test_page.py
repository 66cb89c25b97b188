"""The page's HTML and files: HEAD, prefixes of proxies, and mounted in another ASGI app."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp

from infinitas import Infinitas
from infinitas.core.errors import ConfigError
from infinitas.server.server import _BehindPrefix, check_root_path, serving


def base_of(page: str) -> str:
    found = re.search('<base href="([^"]*)">', page)
    assert found is not None
    return found[1]


def script_of(page: str) -> str:
    found = re.search('src="(static/[^"]*main.js)"', page)
    assert found is not None
    return found[1]


@asynccontextmanager
async def visiting(app: ASGIApp, address: str = "http://localhost") -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=address) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/tasks", "/jobs/some/id"])
async def test_head_is_get_without_the_body(app: Infinitas, path: str) -> None:
    async with serving(app.settings, local=True, always_open=True) as api, visiting(api) as http:
        page = await http.get(path)
        for address in (path, f"/{script_of(page.text)}"):
            whole, head = await http.get(address), await http.head(address)
            assert (whole.status_code, head.status_code) == (200, 200)
            assert head.headers["content-type"] == whole.headers["content-type"]
        assert (await http.head("/static/old/main.js")).status_code == 404


async def test_under_a_prefix_that_a_proxy_removes(app: Infinitas) -> None:
    async with (
        serving(app.settings, local=True, always_open=True) as api,
        visiting(_BehindPrefix(api, "/cron")) as http,
    ):
        page = await http.get("/tasks")
        assert base_of(page.text) == "/cron/"
        assert (await http.get(f"/{script_of(page.text)}")).status_code == 200
        assert (await http.get("/api/v1/tasks")).json()["items"] == []


async def test_mounted_in_another_app(app: Infinitas) -> None:
    outer = FastAPI()
    async with serving(app.settings, local=True, always_open=True) as api:
        outer.mount("/deep/infinitas", api)
        async with visiting(outer) as http:
            page = await http.get("/deep/infinitas/")
            base = base_of(page.text)
            assert base == "/deep/infinitas/"
            assert (await http.get(base + script_of(page.text))).status_code == 200
            assert (await http.get(f"{base}api/v1/tasks")).json()["items"] == []
            assert (await http.get("/api/v1/tasks")).status_code == 404


@pytest.mark.parametrize(
    ("given", "expected"),
    [("", ""), ("/", ""), ("/a", "/a"), ("/a/", "/a"), ("/a-b/c1/", "/a-b/c1"), ("/a.b/~c", "/a.b/~c")],
)
def test_prefixes(given: str, expected: str) -> None:
    assert check_root_path(given) == expected


@pytest.mark.parametrize(
    "given", ["a", "//evil.example", "/a b", '/"><script>', "/a//b", "https://x", "/" + "a" * 101]
)
def test_other_prefixes_are_refused(given: str) -> None:
    with pytest.raises(ConfigError, match="--root-path"):
        check_root_path(given)
