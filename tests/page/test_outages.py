"""Redis is away, Postgres is away: what is left goes on, and the page names what is missing."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from playwright.sync_api import expect

from infinitas.devservers.redis import start_redis
from tests.databases import Databases
from tests.own_redis import OwnRedis, own_redis
from tests.page.conftest import OpenPage
from tests.page.world import World
from tests.server_fixtures import Server
from tests.support import eventually


@pytest.fixture(scope="module")
def redis_server() -> Iterator[OwnRedis]:
    with own_redis() as own:
        yield own


@pytest.fixture(scope="module")
def ill(
    redis_server: OwnRedis, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """A world on a Redis and a database of its own, so that both can go away."""
    with databases.database() as url:
        environment = {"INFINITAS_REDIS_URL": redis_server.url, "INFINITAS_POSTGRES_URL": url}
        server = Server(tmp_path_factory.mktemp("ill"), environment, "--rate", "0")
        world = World(server, redis_server.url)
        world.start()
        yield world
        world.close()
        server.stop()


def test_without_postgres_the_live_view_goes_on(
    open_page: OpenPage, ill: World, databases: Databases
) -> None:
    world = ill
    world.ended("chatty", 1)
    shown = open_page("", base=world.server.address)
    page = shown.page
    expect(page.locator("inf-lane").first).to_be_visible()
    name = urlsplit(world.server.postgres_url).path[1:]
    with psycopg.connect(databases.url_of("postgres"), autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            page.reload()
            expect(page.locator("section[aria-label=Lanes]")).to_contain_text("Postgres is away")
            expect(page.locator(".live")).to_have_text("live")
            id = world.send("chatty", 1)
            page.goto(f"{shown.base}/jobs/{id}")
            expect(page.locator(".head .badge.is-succeeded")).to_be_visible()
            page.goto(f"{shown.base}/audit")
            expect(page.get_by_role("alert").first).to_contain_text("Postgres")
        finally:
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
    page.get_by_role("button", name="Try now").click()
    expect(page.locator(".banner")).to_have_count(0)
    shown.expect_faults("503")


def test_without_redis_the_page_keeps_what_it_has_and_returns(
    open_page: OpenPage, ill: World, redis_server: OwnRedis, tmp_path: Path
) -> None:
    world = ill
    id = world.ended("chatty", 1)
    eventually(lambda: world.http.get("jobs", params={"task": "chatty"}).json()["items"])
    shown = open_page("tasks", base=world.server.address)
    page = shown.page
    expect(page.locator("table.tasks")).to_contain_text("chatty")
    redis_server.server.stop()
    try:
        page.keyboard.press("g")
        page.keyboard.press("j")
        expect(page.get_by_role("alert").first).to_contain_text("Redis")
    finally:
        redis_server.server, _ = start_redis(redis_server.folder)
    expect(page.locator("table.jobs")).to_contain_text(id)
    expect(page.locator(".banner")).to_have_count(0)
    shown.expect_faults("503", "WebSocket")
