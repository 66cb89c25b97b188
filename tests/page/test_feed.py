"""The feed is lost and returns; a hidden or slow server never freezes the page silently."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import WebSocketRoute, expect

from tests.page.conftest import OpenPage
from tests.page.world import World
from tests.proxy import Proxy
from tests.support import eventually

COUNT_CALLS = """() => {
  const real = window.fetch;
  const calls = [];
  window.fetch = (address, options) => {
    if (String(address).endsWith("/tasks")) calls.push(performance.now());
    return real(address, options);
  };
  window.pauses = () => calls.slice(1).map((at, n) => at - calls[n]);
}"""
"""How long the page waits before it asks for the tasks again, in ms."""
LEAST_PAUSE_MS = 1_450
"""After one failure; without one it is a second."""


@pytest.fixture
def proxy(world: World) -> Iterator[Proxy]:
    """A way to the server that a test closes."""
    proxy = Proxy(int(world.server.address.rpartition(":")[2]))
    yield proxy
    proxy.close()


def test_events_change_the_page_without_a_reload(open_page: OpenPage, world: World) -> None:
    page = open_page("jobs?q=task%3Achatty").page
    expect(page.locator(".live")).to_have_text("live")
    id = world.ended("chatty", 1)
    expect(page.locator("table.jobs")).to_contain_text(id)


def test_frames_that_come_as_a_list_are_read(open_page: OpenPage, world: World) -> None:
    """Frames that wait together are sent together: always, while many jobs end."""
    shown = open_page(None)
    page = shown.page

    def as_lists(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        server.on_message(lambda message: socket.send(f"[{message!s}]"))

    page.route_web_socket("**/feed", as_lists)
    shown.goto("jobs?q=task%3Achatty")
    expect(page.locator(".live")).to_have_text("live")
    id = world.ended("chatty", 1)
    expect(page.locator("table.jobs")).to_contain_text(id)


def test_a_lost_feed_is_stale_then_catches_up(open_page: OpenPage, world: World, proxy: Proxy) -> None:
    shown = open_page("jobs?q=task%3Achatty", base=f"http://127.0.0.1:{proxy.port}")
    page = shown.page
    live = page.locator(".live")
    expect(live).to_have_text("live")
    real, proxy.target = proxy.target, 1
    proxy.drop()
    expect(live).to_have_text(re.compile(r"^stale since \d\d:\d\d:\d\d \(\d"))
    id = world.ended("chatty", 1)
    proxy.target = real
    expect(live).to_have_text("live")
    expect(page.locator("table.jobs")).to_contain_text(id)
    shown.expect_faults("WebSocket", "Failed to load resource", "ERR_")


def test_requests_that_fail_show_a_banner_and_back_off(
    open_page: OpenPage, proxy: Proxy, world: World
) -> None:
    shown = open_page("tasks", base=f"http://127.0.0.1:{proxy.port}")
    page = shown.page
    expect(page.locator("table.tasks")).to_be_visible()
    page.route("**/api/v1/tasks", lambda route: route.abort())
    page.keyboard.press("g")
    page.keyboard.press("n")
    expect(page.get_by_role("alert").first).to_contain_text("The server gives no answer")
    page.evaluate(COUNT_CALLS)
    # Each event is a reason to load; a server that is down gets few tries all the same.
    world.app.find("chatty").send_many([(1,)] * 20)
    eventually(lambda: page.evaluate("pauses().length"))
    assert min(page.evaluate("pauses()")) >= LEAST_PAUSE_MS
    page.unroute("**/api/v1/tasks")
    page.get_by_role("button", name="Try now").click()
    expect(page.locator("inf-lane").first).to_be_visible()
    expect(page.locator(".banner")).to_have_count(0)
    shown.expect_faults("Failed to load resource", "ERR_")


def test_a_clock_that_is_wrong_is_corrected(open_page: OpenPage) -> None:
    shown = open_page(None)
    shown.page.clock.install(time="2031-01-01T00:00:00Z")
    page = shown.goto("tasks")
    row = page.locator("tr", has_text="backup")
    expect(row).to_contain_text(re.compile(r"in \d+ (h|m|s)"))
    shown.page.clock.run_for(2_000)
