"""Log in with a token, log out, and what a token's scopes leave on the page."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from click.testing import CliRunner
from playwright.sync_api import expect
from redis import Redis

from infinitas.broker.keys import TOKENS
from infinitas.cli.main import cli
from infinitas.devservers.servers import Urls
from tests.page.conftest import OpenPage, Shown
from tests.page.world import World
from tests.server_fixtures import MakeToken


@pytest.fixture
def token(world: World, servers: Urls) -> Iterator[MakeToken]:
    """Makes tokens; without any left, the machine itself has access again."""

    def make(*scopes: str) -> str:
        options = [option for scope in scopes for option in ("--scope", scope)]
        command = ["--redis-url", servers.redis, "token", "add", "-".join(scopes), *options]
        # In a thread, because the loop of Playwright runs in this one.
        with ThreadPoolExecutor() as thread:
            made = thread.submit(CliRunner().invoke, cli, command, catch_exceptions=False).result()
        return str(made.output.strip())

    yield make
    with Redis.from_url(servers.redis) as redis:
        redis.delete(TOKENS)


def log_in(shown: Shown, token: str) -> None:
    page = shown.page
    page.get_by_label("Access token").fill(token)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator(".live")).to_have_text("live")


def test_log_in_once_then_out(open_page: OpenPage, token: MakeToken) -> None:
    secret = token("admin")
    shown = open_page("tasks/backup")
    page = shown.page
    page.get_by_label("Access token").fill("inf_wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    log_in(shown, secret)
    expect(page.locator("h1")).to_have_text("backup")
    page.reload()
    expect(page.locator("h1")).to_have_text("backup")
    assert page.evaluate("document.cookie") == ""
    page.get_by_role("button", name=re.compile("^Log out")).click()
    expect(page.get_by_label("Access token")).to_be_visible()
    shown.expect_faults("401")


def test_a_token_that_only_reads_has_no_buttons(open_page: OpenPage, token: MakeToken, world: World) -> None:
    secret = token("read")
    shown = open_page("tasks/backup")
    log_in(shown, secret)
    page = shown.page
    names = re.compile("^(Run|Pause|Resume|Edit|Skip|Trigger|Backfill|Retry|Cancel)")
    for path in ("tasks/backup", "tasks", "", "jobs?q=state%3Afailed"):
        page.goto(f"{shown.base}/{path}")
        expect(page.locator("h1")).to_be_visible()
        expect(page.locator(".live")).to_have_text("live")
        expect(page.get_by_role("button", name=names)).to_have_count(0)
    expect(page.get_by_role("link", name="Tokens")).to_have_count(0)
    refused = page.evaluate(
        "async () => (await fetch('api/v1/schedules/backup/pause',"
        " {method: 'POST', body: JSON.stringify({reason: 'x'}),"
        " headers: {'content-type': 'application/json'}})).status"
    )
    assert refused == 403
    shown.expect_faults("401", "403")


def test_jobs_without_tasks_may_run_and_not_pause(open_page: OpenPage, token: MakeToken) -> None:
    secret = token("read", "jobs")
    shown = open_page("tasks/backup")
    log_in(shown, secret)
    page = shown.page
    expect(page.get_by_role("button", name="Run backup")).to_be_visible()
    expect(page.get_by_role("button", name="Trigger backup")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Pause"))).to_have_count(0)
    expect(page.locator("inf-lane[drags]")).to_have_count(0)
    shown.expect_faults("401")
