"""Incidents, mutes and channels: shown and acted on. Tests write what a notifier records."""

import re
from collections.abc import Iterator
from urllib.parse import quote

import psycopg
import pytest
from playwright.sync_api import Page, expect

from tests.page.conftest import OpenPage, Violations
from tests.page.shop import ODD
from tests.page.world import World

INSERT = """INSERT INTO infinitas_incidents
    (id, kind, subject, task, queue, opened_at, last_at, closed_at, error)
  VALUES (%s, %s, %s, %s, 'default', now() - interval '1 hour', now(),
    CASE WHEN %s THEN now() - interval '30 min' END, %s)"""
DELIVERED = """INSERT INTO infinitas_deliveries
    (channel, notice, reason, title, try, outcome, answer, took_ms)
  VALUES ('ops', %s, 'test', %s, 3, 'given_up', %s, 7)"""
BROKEN = "UPDATE infinitas_channels SET failures = 2, last_error = %s, target = %s WHERE name = 'ops'"
INCIDENTS = (
    ("i1", "slow", "invoices", "invoices", False, "Job runs <b>long</b>"),
    ("i2", "worker_lost", "web-1", None, False, ""),
    ("i0", "failing", "invoices", "invoices", True, "x"),
)
HOSTILE = (
    ("i3", "slow", ODD, ODD, False, f"{ODD}\nmore"),
    ("i4", "worker_lost", ODD, None, False, "x" * 100_000),
    ("i5", "failing", ODD, ODD, True, ODD),
)


def written_out(page: Page) -> bool:
    """Whether names are text, and nothing is wider than the window."""
    within = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    return bool(within) and page.locator("main img, main b >> text=/^x$/").count() == 0


@pytest.fixture
def incidents(world: World, request: pytest.FixtureRequest) -> Iterator[None]:
    """Two that are open, and one that is over after half an hour."""
    assert world.server.postgres_url
    with psycopg.connect(world.server.postgres_url, autocommit=True) as connection:
        for values in getattr(request, "param", INCIDENTS):
            connection.execute(INSERT, values)
        yield
        connection.execute("DELETE FROM infinitas_incidents")
        connection.execute("DELETE FROM infinitas_mutes")


@pytest.mark.usefixtures("incidents")
def test_now_shows_open_incidents_until_they_are_taken_on(
    open_page: OpenPage, violations: Violations
) -> None:
    page = open_page().page
    attention = page.get_by_role("list", name="Needs attention")
    expect(attention.get_by_role("listitem").filter(has_text="worker lost")).to_contain_text("web-1")
    expect(page.locator(".verdict")).to_contain_text("open")
    assert violations(page, both_themes=True) == []
    attention.get_by_role("button", name="Take on web-1").click()
    expect(page.locator(".notices")).to_contain_text("Taken on")
    expect(attention.get_by_text("web-1")).to_have_count(0)


@pytest.mark.usefixtures("incidents")
def test_incidents_are_taken_on_and_muted(open_page: OpenPage, violations: Violations, world: World) -> None:
    page = open_page("incidents").page
    row = page.get_by_role("region", name="Open").get_by_role("row", name="slow")
    expect(row).to_contain_text("Job runs <b>long</b>")
    expect(page.get_by_role("region", name="Over")).to_contain_text("30 m")
    assert violations(page, both_themes=True) == []
    row.get_by_role("button", name="Take on invoices").click()
    expect(page.locator(".notices")).to_contain_text("Taken on")
    expect(row).to_contain_text("by this machine")
    row.get_by_role("button", name="Mute invoices").click()
    page.get_by_label("Until").fill("2099-01-01T00:00")
    page.get_by_label("Reason").fill("a new disk comes")
    page.get_by_role("dialog").get_by_role("button", name="Mute").click()
    expect(page.locator(".notices")).to_contain_text("Muted invoices.")
    expect(page.get_by_role("region", name="Muted")).to_contain_text("a new disk comes")
    (mute,) = world.http.get("mutes").json()
    assert (mute["tasks"], mute["reason"]) == ("invoices", "a new disk comes")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("region", name="Muted")).to_have_count(0)
    assert world.http.get("mutes").json() == []


@pytest.mark.parametrize("incidents", [HOSTILE], indirect=True)
def test_subjects_and_errors_of_any_text(
    open_page: OpenPage, incidents: None, violations: Violations
) -> None:
    shown = open_page()
    page = shown.page
    expect(page.get_by_role("list", name="Needs attention").get_by_text(ODD, exact=True)).to_have_count(2)
    assert written_out(page)
    shown.visit("incidents")
    rows = page.get_by_role("region", name="Open").get_by_role("row").filter(has_text=ODD)
    expect(rows).to_have_count(2)
    link = rows.get_by_role("link", name=ODD, exact=True)
    expect(link).to_have_attribute("href", re.compile(re.escape(quote(ODD, safe="'"))))
    rows.get_by_role("button", name=f"Mute {ODD}").first.click()
    page.get_by_label("Until").fill("2099-01-01T00:00")
    page.get_by_label("Reason").fill(ODD)
    page.get_by_role("dialog").get_by_role("button", name="Mute").click()
    expect(page.locator(".notices")).to_contain_text(f"Muted {ODD}.")
    muted = page.get_by_role("region", name="Muted")
    expect(muted.get_by_role("cell", name=ODD, exact=True)).to_have_count(2)
    expect(page.get_by_role("region", name="Over")).to_contain_text(ODD)
    assert written_out(page)
    assert violations(page, both_themes=True) == []


def test_channels_with_deliveries_and_a_test(
    open_page: OpenPage, violations: Violations, world: World
) -> None:
    config = {"type": "webhook", "url": "https://hooks.example.com/secret"}
    assert world.http.post("channels", json={"name": "ops", "config": config}).status_code == 201
    shown = open_page("channels")
    page = shown.page
    row = page.get_by_role("row", name="ops")
    expect(row).to_contain_text("https://hooks.example.com/…")
    page.get_by_role("button", name="Test ops").click()
    expect(page.locator(".notices")).to_contain_text("is queued")
    expect(row.get_by_role("cell", name="1", exact=True)).to_be_visible()
    page.get_by_role("link", name="ops", exact=True).click()
    expect(page.get_by_text("No message was sent to it yet.")).to_be_visible()
    assert violations(page, both_themes=True) == []
    with psycopg.connect(world.server.postgres_url, autocommit=True) as connection:
        (notice,) = connection.execute("SELECT id FROM infinitas_notices WHERE channel = 'ops'").fetchall()
        connection.execute(DELIVERED, (*notice, ODD, ODD))
        connection.execute(BROKEN, (ODD, f"https://hooks.example.com/{'x' * 3_000}"))
        connection.execute("UPDATE infinitas_notices SET state = 'failed', ended_at = now()")
    shown.visit("channels/ops")
    delivery = page.get_by_role("region", name="Deliveries").get_by_role("row", name=ODD)
    expect(delivery.get_by_role("cell", name=ODD, exact=True)).to_have_count(2)
    expect(page.locator(".fault").filter(has_text=ODD)).to_be_visible()
    assert written_out(page)
    assert violations(page, both_themes=True) == []
    delivery.get_by_role("button", name=f"Send again {ODD}").click()
    expect(page.locator(".notices")).to_contain_text("The message is queued again.")
    assert world.http.get("channels/ops").json()["waiting"] == 1
    world.http.delete("channels/ops")
