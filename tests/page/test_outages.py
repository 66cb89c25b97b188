"""Redis is away, Postgres is away: what is left goes on, and the page names what is missing."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from tests.page.conftest import OpenPage
from tests.page.world import World
from tests.proxy import Proxy


@dataclass
class Ill:
    """A server of the world that reaches Redis and Postgres through proxies, so that each can go away."""

    address: str
    redis: Proxy
    postgres: Proxy


@pytest.fixture(scope="module")
def ill(world: World) -> Iterator[Ill]:
    archive = urlsplit(world.server.postgres_url)
    folder = parse_qs(archive.query)["host"][0]
    redis = Proxy(urlsplit(world.redis_url).path)
    postgres = Proxy(f"{folder}/.s.PGSQL.5432")
    urls = {
        "redis_url": f"redis://127.0.0.1:{redis.port}/0",
        "postgres_url": f"postgresql://{archive.username}@127.0.0.1:{postgres.port}{archive.path}",
    }
    with world.another_server(**urls) as address:
        yield Ill(address, redis, postgres)
    redis.close()
    postgres.close()


def go_away(proxy: Proxy) -> int | str:
    """Close all connections and refuse new ones; return what the target was."""
    was, proxy.target = proxy.target, "/nowhere"
    proxy.drop()
    return was


def test_without_postgres_the_live_view_goes_on(open_page: OpenPage, ill: Ill, world: World) -> None:
    world.ended("chatty", 1)
    shown = open_page("", base=ill.address)
    page = shown.page
    expect(page.locator("inf-lane").first).to_be_visible()
    was = go_away(ill.postgres)
    try:
        shown.goto()
        expect(page.locator("section[aria-label=Lanes]")).to_contain_text("Postgres is away")
        expect(page.locator(".live")).to_have_text("live")
        shown.visit(f"jobs/{world.send('chatty', 1)}")
        expect(page.locator(".head .badge.is-succeeded")).to_be_visible()
        shown.visit("audit")
        expect(page.get_by_role("alert").first).to_contain_text("Postgres")
    finally:
        ill.postgres.target = was
    page.get_by_role("button", name="Try now").click()
    expect(page.locator(".banner")).to_have_count(0)
    shown.expect_faults("503")


def test_without_redis_the_page_keeps_what_it_has_and_returns(
    open_page: OpenPage, ill: Ill, world: World
) -> None:
    id = world.ended("chatty", 1)
    shown = open_page("tasks", base=ill.address)
    page = shown.page
    expect(page.locator("table.tasks")).to_contain_text("chatty")
    was = go_away(ill.redis)
    try:
        page.keyboard.press("g")
        page.keyboard.press("j")
        expect(page.get_by_role("alert").first).to_contain_text("Redis")
    finally:
        ill.redis.target = was
    page.get_by_role("button", name="Try now").click()
    expect(page.locator("table.jobs")).to_contain_text(id)
    expect(page.locator(".banner")).to_have_count(0)
    shown.expect_faults("503", "WebSocket")
