"""Fixtures of the browser tests: one Chromium, one server, one loaded page that the tests walk through."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)
from redis import Redis

from infinitas.devservers.servers import Urls
from tests.databases import Databases
from tests.page.shop import EXACT, ODD
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
Violations = Callable[..., list[str]]
WIDE: ViewportSize = {"width": 1400, "height": 900}
USUAL: dict[str, Any] = {"viewport": WIDE, "reduced_motion": "reduce"}
"""Of a window: without motion it draws fewer frames."""
TYPED = "/schedules/preview"
"""Is requested while a person types, and refuses what is not a rule yet."""
AXE_RULES = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]
COLOUR_RULES = ["color-contrast", "link-in-text-block"]
RUN_AXE = """async ([within, runOnly]) =>
  (await axe.run(document.querySelector(within), { runOnly, resultTypes: ["violations"] })).violations
  .flatMap(v => v.nodes.map(n => `${v.id}: ${n.html.slice(0, 200)}`))"""
VISIT = """address => {
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
  for (const button of document.querySelectorAll(".notices [aria-label=Dismiss]")) button.click();
  history.pushState(null, "", address);
  dispatchEvent(new PopStateEvent("popstate"));
  // The view is drawn before the next frame: what a test finds then is no longer the last view's.
  return new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)));
}"""


class Shown:
    """A page of the browser, and what went wrong in it."""

    def __init__(self, page: Page, base: str) -> None:
        self.page = page
        self.base = base
        self._found: list[str] = []
        self._expected: tuple[str, ...] = ()
        self._late: tuple[str, ...] = ()
        page.on("console", self._console)
        page.on("pageerror", lambda error: self._found.append(f"page error: {error}"))

    def goto(self, path: str = "") -> Page:
        """Load a view, with all its files."""
        self.page.goto(f"{self.base}/{path}")
        return self.page

    def visit(self, path: str = "") -> Page:
        """Show another view of the page that is loaded, as a link of it does."""
        # Rows stand still under the pointer, so it does not stay where the last test has left it.
        self.page.mouse.move(1, 1)
        self.page.evaluate(VISIT, f"{self.base}/{path}")
        return self.page

    def expect_faults(self, *texts: str) -> None:
        """Faults that are the point of the test: failed requests that the browser logs by itself."""
        self._expected += texts

    def take_faults(self) -> list[str]:
        """Those since the last call that are not expected; answers to the last test may have come since."""
        expected = (*self._expected, *self._late, TYPED)
        found = [fault for fault in self._found if not any(text in fault for text in expected)]
        self._found, self._expected, self._late = [], (), self._expected
        return found

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._found.append(f"{message.type}: {message.text} {message.location['url']}")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Not for the session: the loop of Playwright would be in the way of async tests of other folders."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert chromium, "Chromium is missing; scripts/setup dev installs it."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
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


@pytest.fixture(scope="package")
def jobs(world: World) -> dict[str, str]:
    """Ids of ended jobs by name: one that failed, one that succeeded, one that was tried twice."""
    return {
        "failed": world.ended("sync_crm", EXACT),
        "odd": world.ended(ODD),
        "twice": world.ended("twice"),
        "chatty": world.ended("chatty", 40),
    }


@pytest.fixture(scope="package")
def tab(browser: Browser, world: World) -> Iterator[Shown]:
    """One loaded page for all tests that need no browser profile of their own."""
    context = browser.new_context(**USUAL)
    context.set_default_timeout(PATIENCE_S * 1000)
    shown = Shown(context.new_page(), world.server.address)
    yield shown
    context.close()


@pytest.fixture
def open_page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[OpenPage]:
    """Opens pages; no error may be left in any of them.

    With a path alone it is a view of the shared page; with options, a page in a browser profile of its own.
    """
    contexts: list[BrowserContext] = []
    shown: list[Shown] = []

    def open_page(path: str | None = "", *, base: str | None = None, **options: object) -> Shown:
        if path is not None and base is None and not options:
            shown.append(request.getfixturevalue("tab"))
            shown[-1].visit(path) if shown[-1].page.url.startswith("http") else shown[-1].goto(path)
            return shown[-1]
        address = base or request.getfixturevalue("world").server.address
        context = browser.new_context(**{**USUAL, **options})
        context.set_default_timeout(PATIENCE_S * 1000)
        contexts.append(context)
        shown.append(Shown(context.new_page(), address))
        if path is not None:
            shown[-1].goto(path)
        return shown[-1]

    yield open_page
    for each in shown:
        each.page.unroute_all()
    faults = [fault for each in shown for fault in each.take_faults()]
    for context in contexts:
        context.close()
    assert not faults


@pytest.fixture(scope="session")
def violations() -> Violations:
    """Runs axe in a page, also where its policy allows no foreign script."""
    source = AXE.read_text()

    def check(page: Page, *, both_themes: bool = False, within: str = "html") -> list[str]:
        """What is wrong within an element; with `both_themes` also its colours in the other theme."""
        page.evaluate(f"() => {{ {source} }}") if not page.evaluate("'axe' in window") else None
        found = list(page.evaluate(RUN_AXE, [within, AXE_RULES]))
        if both_themes:
            dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
            themes: list[Literal["light", "dark"]] = ["light", "dark"] if dark else ["dark", "light"]
            page.emulate_media(color_scheme=themes[0])
            found += page.evaluate(RUN_AXE, [within, COLOUR_RULES])
            page.emulate_media(color_scheme=themes[1])
        return found

    return check
