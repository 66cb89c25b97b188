"""Incidents, mutes and channels: shown and acted on. The answers are given; the API has its own tests."""

from functools import partial

import pytest
from playwright.sync_api import Page, Route, expect

from tests.page.conftest import OpenPage, Violations

INCIDENT = {
    "id": "i1",
    "kind": "task_failing",
    "subject": "backup",
    "task": "backup",
    "opened_at": "2026-11-27T10:00:00Z",
    "last_at": "2026-11-27T10:20:00Z",
    "closed_at": None,
    "count": 3,
    "job": "j1",
    "error": "OSError: <b>disk</b> is full",
    "acknowledged_by": None,
}
OVER = {**INCIDENT, "id": "i0", "closed_at": "2026-11-27T10:30:00Z"}
MUTE = {
    "id": 7,
    "tasks": "mail.*",
    "kinds": [],
    "until": "2099-01-01T00:00:00Z",
    "reason": "moving house",
    "actor": "ada",
}
CHANNEL = {
    "name": "ops",
    "type": "webhook",
    "origin": "api",
    "state": "failing",
    "target": "https://hooks.example.com",
    "failures": 2,
    "last_error": "503 from the receiver",
    "last_sent_at": None,
    "waiting": 4,
}
DELIVERY = {
    "id": 9,
    "at": "2026-11-27T10:00:00Z",
    "title": "backup fails",
    "number": 2,
    "outcome": "given_up",
    "answer": "503",
    "took_ms": 80,
    "next_at": None,
}


@pytest.fixture
def posted() -> list[tuple[str, object]]:
    """Paths and bodies of what the page has sent."""
    return []


def serve(page: Page, posted: list[tuple[str, object]]) -> None:
    answers: dict[str, object] = {
        "incidents?open=true*": {"items": [INCIDENT], "next": None},
        "incidents?open=false*": {"items": [OVER], "next": None},
        "mutes": [MUTE],
        "channels": [CHANNEL],
        "channels/ops/deliveries*": {"items": [DELIVERY], "next": None},
        "incidents/i1/acknowledge": {},
        "mutes/7/end": MUTE,
        "channels/ops/test": {},
        "deliveries/9/replay": {},
    }

    def answer(route: Route, *, value: object) -> None:
        if route.request.method == "POST":
            posted.append((route.request.url.partition("/api/v1/")[2], route.request.post_data_json))
            value = {"id": 7}
        route.fulfill(json=value)

    for path, value in answers.items():
        page.route(f"**/api/v1/{path}", partial(answer, value=value))


def test_incidents_are_taken_on_and_muted(
    open_page: OpenPage, violations: Violations, posted: list[tuple[str, object]]
) -> None:
    shown = open_page()
    serve(shown.page, posted)
    page = shown.visit("incidents")
    row = page.get_by_role("region", name="Open").get_by_role("row", name="task failing")
    expect(row).to_contain_text("OSError: <b>disk</b> is full")
    expect(page.get_by_role("region", name="Over")).to_contain_text("30 m")
    expect(page.get_by_role("region", name="Muted")).to_contain_text("moving house")
    assert violations(page) == []
    row.get_by_role("button", name="Take on backup").click()
    expect(page.locator(".notices")).to_contain_text("Taken on")
    row.get_by_role("button", name="Mute backup").click()
    page.get_by_label("Until").fill("2099-01-01T00:00")
    page.get_by_label("Reason").fill("a new disk comes")
    page.get_by_role("dialog").get_by_role("button", name="Mute").click()
    expect(page.locator(".notices")).to_contain_text("Muted backup.")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".notices")).to_contain_text("Undone.")
    assert [path for path, _ in posted] == ["incidents/i1/acknowledge", "mutes", "mutes/7/end"]
    body = posted[1][1]
    assert isinstance(body, dict)
    assert (body["tasks"], body["reason"]) == ("backup", "a new disk comes")


def test_channels_with_deliveries_and_a_test(
    open_page: OpenPage, violations: Violations, posted: list[tuple[str, object]]
) -> None:
    shown = open_page()
    serve(shown.page, posted)
    page = shown.visit("channels")
    expect(page.get_by_role("row", name="failed 2×")).to_contain_text("503 from the receiver")
    page.get_by_role("button", name="Test ops").click()
    expect(page.locator(".notices")).to_contain_text("is queued")
    page.get_by_role("link", name="ops", exact=True).click()
    expect(page.get_by_role("region", name="Deliveries")).to_contain_text("given up")
    assert violations(page) == []
    page.get_by_role("button", name="Send again backup fails").click()
    expect(page.locator(".notices")).to_contain_text("queued again")
    assert [path for path, _ in posted] == ["channels/ops/test", "deliveries/9/replay"]
