"""Much of everything: a thousand tasks, a log of 100,000 lines, lines of a megabyte."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from tests.page.conftest import OpenPage, Shown
from tests.page.world import World

LINES = 100_000
MEGABYTE = 1_000_000
TASKS = 1_000
FILES, CALLS, BYTES, ELEMENTS = 4, 8, 100_000, 3_000


def many(world: World) -> dict[str, object]:
    """Answers of the API for a thousand tasks: copies of what it returns for one."""
    task = world.task("backup")
    schedule = world.http.get("schedules/backup").json()
    timeline = world.http.get("timeline", params={"task": "backup"}).json()
    lane = {**timeline["lanes"][0], "past": _past(timeline["since"])}
    names = [f"many-{number:04}" for number in range(TASKS)]
    return {
        "tasks*": _all([{**task, "name": name} for name in names]),
        "schedules?*": _all([{**schedule, "key": name, "task": name} for name in names]),
        "timeline?*": {**timeline, "lanes": [{**lane, "task": name} for name in names]},
    }


def _all(items: list[object]) -> dict[str, object]:
    return {"items": items, "next": None}


def _past(since: str) -> list[dict[str, object]]:
    """A job in each hour."""
    begin = datetime.fromisoformat(since)
    starts = [begin + timedelta(hours=n) for n in range(16)]
    return [
        {"start": at.isoformat(), "state": "succeeded", "reason": None, "count": 1, "longest": 2, "job": "x"}
        for at in starts
    ]


def test_the_first_view_of_a_thousand_tasks(open_page: OpenPage, world: World) -> None:
    """Budgets in numbers that do not depend on the machine: requests, bytes, elements."""
    shown = open_page(None)
    page = shown.page
    for path, answer in many(world).items():
        body = json.dumps(answer)
        page.route(f"**/api/v1/{path}", partial(Route.fulfill, body=body))
    requests: list[str] = []
    page.on("request", lambda request: requests.append(urlsplit(request.url).path))
    shown.goto()
    expect(page.locator("h1")).to_contain_text("1 000 tasks")
    expect(page.locator("inf-lane").first).to_be_visible()
    files = [path for path in requests if "/static/" in path]
    assert len(files) == len(set(files)) <= FILES, files
    assert requests.count("/api/v1/login") == 1, "it is loaded beside the script, and not again"
    assert requests.count("/api/v1/tasks") >= 1
    assert requests.index("/api/v1/tasks") < requests.index("/api/v1/queues"), "the verdict comes first"
    first = requests[: requests.index("/api/v1/timeline") + 1]
    assert len(first) <= 2 + FILES + CALLS, first
    sent = page.evaluate(
        "performance.getEntriesByType('resource').filter(e => e.name.includes('/static/'))"
        ".reduce((sum, e) => sum + e.transferSize, 0)"
    )
    assert sent <= BYTES
    # What is out of the window is no element, however many tasks there are.
    assert page.locator("inf-lane").count() <= 200
    assert page.evaluate("document.querySelectorAll('*').length") <= ELEMENTS
    shown.visit("tasks?q=many-0777")
    expect(page.locator("table.tasks tbody tr")).to_have_count(1)
    page.get_by_label("Filter by name").fill("")
    expect(page.get_by_text("1 000 tasks")).to_be_visible()
    page.mouse.wheel(0, 60_000)
    expect(page.locator("table.tasks tbody tr").nth(150)).to_be_attached()


WITH_LOG = """([id, make]) => {
  const real = window.fetch;
  const lines = (0, eval)(make);
  window.fetch = async (address, options) => {
    const response = await real(address, options);
    if (!String(address).includes(`/jobs/${id}/logs`)) return response;
    const page = await response.json();
    if (String(address).includes("cursor=")) return new Response(JSON.stringify(page));
    page.items = lines.map((text, n) => ({ n, at: "2026-11-27T12:00:00Z", level: "info", text }));
    return new Response(JSON.stringify({ ...page, next: null }), { headers: response.headers });
  };
  window.restore = () => { window.fetch = real; };
}"""


@pytest.fixture
def with_log(tab: Shown, world: World) -> Iterator[Callable[..., Page]]:
    """Shows an ended job with other log lines, made in the browser: no worker would log so much in a test."""

    def show(lines: str, path: str = "") -> Page:
        id = world.ended("chatty", 1)
        page = tab.goto("jobs")
        page.evaluate(WITH_LOG, [id, lines])
        return tab.visit(f"jobs/{id}{path}")

    yield show
    tab.page.evaluate("restore()")
    assert tab.take_faults() == []


def test_a_log_of_a_hundred_thousand_lines(with_log: Callable[..., Page]) -> None:
    page = with_log(f"Array.from({{ length: {LINES} }}, (_, n) => `line ${{n + 1}} of many`)", "#L70000")
    expect(page.locator(".line.is-chosen")).to_contain_text("line 70000 of many")
    assert page.locator(".line").count() < 200
    page.locator("inf-log").evaluate("log => { log.scrollTop = log.scrollHeight; }")
    expect(page.locator(".line").last).to_contain_text(f"line {LINES} of many")
    page.get_by_label("Search the log").fill("line 99999 ")
    expect(page.locator(".line")).to_have_count(1)
    expect(page.locator(".line mark")).to_have_text("line 99999 ")


def test_lines_of_a_megabyte(with_log: Callable[..., Page]) -> None:
    page = with_log(f"['x'.repeat({MEGABYTE}), 'short', 'ש'.repeat(400)]")
    expect(page.locator(".line").last).to_be_visible()
    assert page.locator(".line").count() < 200
    page.get_by_role("button", name="Wrap").click()
    expect(page.locator(".line")).to_have_count(3)
    expect(page.locator(".line em").first).to_contain_text("996 000 more characters")
