"""Much of everything: a thousand tasks, a log of 100,000 lines, lines of a megabyte."""

import json

from playwright.sync_api import Page, Route, expect

from tests.page.conftest import OpenPage
from tests.page.world import World

LINES = 100_000
MEGABYTE = 1_000_000


def test_a_thousand_tasks(open_page: OpenPage, world: World) -> None:
    world.declare([f"many-{number:04}" for number in range(1_000)])
    page = open_page().page
    expect(page.locator("h1")).to_contain_text("next")
    expect(page.locator("inf-lane").first).to_be_visible()
    assert page.locator("inf-lane").count() <= 200
    page.goto(f"{world.server.address}/tasks?q=many-0777")
    expect(page.locator("table.tasks tbody tr")).to_have_count(1)
    page.get_by_label("Filter by name").fill("")
    expect(page.get_by_text("1 008 tasks")).to_be_visible()
    page.mouse.wheel(0, 60_000)
    expect(page.locator("table.tasks tbody tr").nth(150)).to_be_attached()


def with_log(open_page: OpenPage, world: World, lines: list[str], path: str = "") -> Page:
    """A page of an ended job to whose answer these lines are added: no worker would log so much in a test."""
    id = world.ended("chatty", 1)
    shown = open_page(None)

    def add(route: Route) -> None:
        answer = route.fetch()
        job = answer.json()
        if "log" in job:
            at = job["due"]
            job["log"] = [{"at": at, "level": "info", "text": text} for text in lines]
        route.fulfill(response=answer, body=json.dumps(job))

    shown.page.route(f"**/api/v1/jobs/{id}", add)
    return shown.goto(f"jobs/{id}{path}")


def test_a_log_of_a_hundred_thousand_lines(open_page: OpenPage, world: World) -> None:
    page = with_log(open_page, world, [f"line {n} of many" for n in range(1, LINES + 1)], "#L70000")
    expect(page.locator(".line.is-chosen")).to_contain_text("line 70000 of many")
    assert page.locator(".line").count() < 200
    page.locator("inf-log").evaluate("log => { log.scrollTop = log.scrollHeight; }")
    expect(page.locator(".line").last).to_contain_text(f"line {LINES} of many")
    page.get_by_label("Search the log").fill("line 99999 ")
    expect(page.locator(".line")).to_have_count(1)
    expect(page.locator(".line mark")).to_have_text("line 99999 ")


def test_lines_of_a_megabyte(open_page: OpenPage, world: World) -> None:
    page = with_log(open_page, world, ["x" * MEGABYTE, "short", "ש" * 400])
    expect(page.locator(".line").last).to_be_visible()
    assert page.locator(".line").count() < 200
    page.get_by_role("button", name="Wrap").click()
    expect(page.locator(".line")).to_have_count(3)
    expect(page.locator(".line em").first).to_contain_text("996 000 more characters")
