"""Log in with a token, log out, tokens made and revoked, and what a token's scopes leave on the page."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from click.testing import CliRunner
from playwright.sync_api import expect
from pydantic import SecretStr
from redis import Redis

from infinitas.cli.main import cli
from infinitas.devservers.servers import Urls
from tests.databases import forget_tokens
from tests.page.conftest import OpenPage, Shown, Violations
from tests.page.world import World
from tests.server_fixtures import MakeToken


@pytest.fixture(autouse=True)
def parked(tab: Shown, world: World, servers: Urls) -> Iterator[None]:
    """The shared page makes no requests while there are tokens, which it lacks."""
    tab.page.goto("about:blank")
    yield
    with Redis.from_url(servers.redis) as redis:
        forget_tokens(world.server.postgres_url, redis)


@pytest.fixture
def token(world: World, servers: Urls) -> MakeToken:
    """Makes tokens."""

    def make(*scopes: str) -> str:
        options = [option for scope in scopes for option in ("--scope", scope)]
        command = ["--redis-url", servers.redis, "token", "add", "-".join(scopes), *options]
        # In a thread, because the loop of Playwright runs in this one.
        with ThreadPoolExecutor() as thread:
            made = thread.submit(CliRunner().invoke, cli, command, catch_exceptions=False).result()
        return str(made.output.strip())

    return make


def log_in(shown: Shown, token: str) -> None:
    page = shown.page
    page.get_by_label("Access token").fill(token)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator(".live")).to_have_text("live")


def test_log_in_once_then_out(open_page: OpenPage, token: MakeToken, violations: Violations) -> None:
    secret = token("admin")
    shown = open_page("tasks/backup", color_scheme="dark")
    page = shown.page
    assert violations(page, both_themes=True) == []
    page.get_by_label("Access token").fill("inf_wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_have_text("The server does not know this token, or it has expired.")
    assert violations(page, both_themes=True) == []
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
    shown = open_page("tasks/backup", base=world.server.address)
    log_in(shown, secret)
    page = shown.page
    names = re.compile("^(Run|Pause|Resume|Edit|Skip|Trigger|Backfill|Retry|Cancel)")
    for path in ("tasks/backup", "tasks", "", "jobs?q=state%3Afailed"):
        shown.visit(path)
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


def test_jobs_without_tasks_may_run_and_not_pause(
    open_page: OpenPage, token: MakeToken, world: World
) -> None:
    secret = token("read", "jobs")
    shown = open_page("tasks/backup", base=world.server.address)
    log_in(shown, secret)
    page = shown.page
    expect(page.get_by_role("button", name="Run backup")).to_be_visible()
    expect(page.get_by_role("button", name="Trigger backup")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Pause"))).to_have_count(0)
    expect(page.locator("inf-lane[drags]")).to_have_count(0)
    shown.expect_faults("401")


def test_tokens_are_made_and_revoked(open_page: OpenPage, world: World, violations: Violations) -> None:
    shown = open_page("tokens", base=world.server.address)
    page = shown.page
    expect(page.get_by_text("No token: the server answers")).to_be_visible()
    page.get_by_role("button", name="New token").click()
    dialog = page.get_by_role("dialog", name="New token")
    expect(dialog.get_by_label("Name")).to_be_focused()
    page.keyboard.type("ada")
    dialog.get_by_label("Scopes").fill("admin")
    assert violations(page, both_themes=True) == []
    dialog.get_by_role("button", name="Make it").click()
    # The first token ends the access of the machine itself, and this page goes on with the token.
    expect(page.locator(".notices")).to_contain_text("This page is logged in with it.")
    secret = page.locator(".secret").text_content()
    assert secret is not None
    assert secret.startswith("inf_")
    row = page.get_by_role("row").filter(has=page.get_by_role("button", name="Revoke ada"))
    expect(row).to_contain_text("admin")
    assert httpx.get(f"{world.server.address}/api/v1/tasks").status_code == 401
    used = {"Authorization": f"Bearer {secret}"}
    assert httpx.get(f"{world.server.address}/api/v1/tasks", headers=used).status_code == 200
    assert violations(page, both_themes=True) == []
    row.get_by_role("button", name="Revoke ada").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.locator(".notices")).to_contain_text("Revoked the token ada.")
    assert httpx.get(f"{world.server.address}/api/v1/tasks", headers=used).status_code != 200 or (
        httpx.get(f"{world.server.address}/api/v1/tasks").status_code == 200
    )
    shown.expect_faults("401", "WebSocket")


def test_sign_in_through_a_provider(open_page: OpenPage, world: World, issuer: str) -> None:
    client = {"oidc_client_id": "page", "oidc_client_secret": SecretStr("secret")}
    roles = {"ops": ("admin",)}
    with world.another_server(oidc_issuer=issuer, oidc_roles=roles, **client) as address:
        shown = open_page(None, base=address)
        shown.expect_faults("401", "preload", "WebSocket")
        page = shown.page
        page.route("**/pico.min.css", lambda route: route.fulfill(body=""))
        shown.goto()
        sign_in = page.get_by_role("link", name="Sign in with localhost")
        sign_in.click()
        page.get_by_role("button", name="bob").first.click()
        expect(page.get_by_role("alert")).to_contain_text("no rights here")
        sign_in.click()
        page.get_by_role("button", name="ada").first.click()
        expect(page.locator(".live")).to_have_text("live")
        shown.goto("tokens")
        page.get_by_role("button", name="End ada").click()
        expect(sign_in.or_(page.get_by_text("The login has ended"))).to_be_visible()
