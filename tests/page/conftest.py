"""Fixtures of the browser tests: one Chromium a module, one server a session, pages that report faults."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright
from redis import Redis

from infinitas.devservers.servers import Urls
from tests.databases import Databases
from tests.page.world import World
from tests.server_fixtures import Server
from tests.support import PATIENCE_S

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"

expect.set_options(timeout=15_000)
OpenPage = Callable[..., "Shown"]


class Shown:
    """A page of the browser, and what went wrong in it."""

    def __init__(self, page: Page, base: str) -> None:
        self.page = page
        self.base = base
        self._found: list[str] = []
        self._expected: tuple[str, ...] = ()
        page.on("console", self._console)
        page.on("pageerror", lambda error: self._found.append(f"page error: {error}"))

    def goto(self, path: str = "") -> Page:
        self.page.goto(f"{self.base}/{path}")
        return self.page

    def expect_faults(self, *texts: str) -> None:
        """Faults that are the point of the test: failed requests that the browser logs by itself."""
        self._expected += texts

    @property
    def faults(self) -> list[str]:
        """Those that are not expected."""
        return [fault for fault in self._found if not any(text in fault for text in self._expected)]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._found.append(f"{message.type}: {message.text}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Not for the session: the loop of Playwright would be in the way of async tests of other modules."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert chromium, "Chromium is missing; scripts/setup dev installs it."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def world(shared_server: Server, servers: Urls, databases: Databases) -> Iterator[World]:
    """The shared server with the tasks of `tests.page.shop`, a worker, scheduler and archiver."""
    with Redis.from_url(servers.redis, decode_responses=True) as redis:
        shared_server.forget(redis, databases)
        shared_server.recorded = True
        world = World(shared_server, servers.redis)
        world.start()
        yield world
        world.close()
        redis.flushall()
        shared_server.pause()


@pytest.fixture
def open_page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[OpenPage]:
    """Opens pages, each in a browser profile of its own; no error may be left in any of them."""
    contexts: list[BrowserContext] = []
    shown: list[Shown] = []

    def open_page(path: str | None = "", *, base: str | None = None, **options: object) -> Shown:
        address = base or request.getfixturevalue("world").server.address
        context = browser.new_context(**{"viewport": {"width": 1400, "height": 900}, **options})  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_S * 1000)
        contexts.append(context)
        shown.append(Shown(context.new_page(), address))
        if path is not None:
            shown[-1].goto(path)
        return shown[-1]

    yield open_page
    for context in contexts:
        context.close()
    assert not [fault for each in shown for fault in each.faults]


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """A page of the world, not yet at any address."""
    return open_page(None).page


@pytest.fixture
def violations() -> Callable[[Page], list[str]]:
    """Runs axe in a page, also where its policy allows no foreign script."""
    source = AXE.read_text()

    def check(page: Page) -> list[str]:
        page.evaluate(f"() => {{ {source} }}") if not page.evaluate("'axe' in window") else None
        found = page.evaluate(
            "async () => (await axe.run(document,"
            " {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice']}))"
            ".violations.flatMap(v => v.nodes.map(n => `${v.id}: ${n.html.slice(0, 200)}`))"
        )
        return list(found)

    return check
