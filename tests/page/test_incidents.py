"""Incidents, mutes and channels: shown and acted on. Tests write what a notifier records."""

from collections.abc import Iterator

import psycopg
import pytest
from playwright.sync_api import expect

from tests.page.conftest import OpenPage, Violations
from tests.page.world import World

INSERT = """INSERT INTO infinitas_incidents
    (id, kind, subject, task, queue, opened_at, last_at, closed_at, error)
  VALUES (%s, %s, %s, %s, 'default', now() - interval '1 hour', now(),
    CASE WHEN %s THEN now() - interval '30 min' END, %s)"""
DELIVERED = """INSERT INTO infinitas_deliveries
    (channel, notice, reason, title, try, outcome, answer, took_ms)
  VALUES ('ops', %s, 'test', 'It is slow', 3, 'given_up', '500', 7)"""
INCIDENTS = (
    ("i1", "slow", "invoices", "invoices", False, "Job runs <b>long</b>"),
    ("i2", "worker_lost", "web-1", None, False, ""),
    ("i0", "failing", "invoices", "invoices", True, "x"),
)


@pytest.fixture
def incidents(world: World) -> Iterator[None]:
    """Two that are open, and one that is over after half an hour."""
    assert world.server.postgres_url
    with psycopg.connect(world.server.postgres_url, autocommit=True) as connection:
        for values in INCIDENTS:
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
    assert violations(page) == []
    attention.get_by_role("button", name="Take on web-1").click()
    expect(page.locator(".notices")).to_contain_text("Taken on")
    expect(attention.get_by_text("web-1")).to_have_count(0)


@pytest.mark.usefixtures("incidents")
def test_incidents_are_taken_on_and_muted(open_page: OpenPage, violations: Violations, world: World) -> None:
    page = open_page("incidents").page
    row = page.get_by_role("region", name="Open").get_by_role("row", name="slow")
    expect(row).to_contain_text("Job runs <b>long</b>")
    expect(page.get_by_role("region", name="Over")).to_contain_text("30 m")
    assert violations(page) == []
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
    assert violations(page) == []
    with psycopg.connect(world.server.postgres_url, autocommit=True) as connection:
        (notice,) = connection.execute("SELECT id FROM infinitas_notices WHERE channel = 'ops'").fetchall()
        connection.execute(DELIVERED, notice)
        connection.execute("UPDATE infinitas_notices SET state = 'failed', ended_at = now()")
    shown.visit("channels/ops")
    page.get_by_role("button", name="Send again It is slow").click()
    expect(page.locator(".notices")).to_contain_text("The message is queued again.")
    assert world.http.get("channels/ops").json()["waiting"] == 1
    world.http.delete("channels/ops")
