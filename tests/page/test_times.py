"""Times in the zone of the browser, in UTC, and in that of the schedule; over a clock change."""

import re

import pytest
from playwright.sync_api import expect

from tests.page.conftest import OpenPage

ZONES = {"America/New_York": "21:30|20:30", "Asia/Kathmandu": "07:15|06:15"}


@pytest.mark.parametrize("zone", ZONES)
def test_slots_are_shown_in_the_chosen_zone(open_page: OpenPage, zone: str) -> None:
    page = open_page("tasks/backup", timezone_id=zone).page
    first = page.locator("inf-slots li").first
    expect(first).to_contain_text(re.compile(ZONES[zone]))
    expect(first).to_contain_text("02:30 Copenhagen")
    page.keyboard.press("z")
    expect(first).to_contain_text(re.compile("00:30|01:30"))
    page.keyboard.press("z")
    expect(first).to_have_text(re.compile(r"02:30$"))


def test_a_clock_change_within_the_lanes_is_marked(open_page: OpenPage) -> None:
    shown = open_page(None, timezone_id="Europe/Copenhagen")
    change = {"at": "2027-03-28T01:00:00Z", "zone": "Europe/Copenhagen", "shift": 3600}
    since, until = "2027-03-27T12:00:00Z", "2027-03-29T12:00:00Z"
    spring = {"since": since, "until": until, "clock_changes": [change]}
    shown.page.route(
        "**/api/v1/timeline?*",
        lambda route: route.fulfill(json={**route.fetch().json(), **spring}),
    )
    page = shown.goto("tasks/backup")
    expect(page.locator("inf-tick.is-change")).to_have_text("Copenhagen +1 h")
    labels = page.locator("inf-tick:not(.is-now):not(.is-change)").all_text_contents()
    assert "01:00" in labels or "Sun 28" in labels, labels


def test_the_choice_of_zone_stays(open_page: OpenPage) -> None:
    page = open_page("tasks", color_scheme="dark").page
    page.get_by_role("button", name=re.compile("^Times: local")).click()
    page.reload()
    expect(page.get_by_role("button", name=re.compile("^Times: UTC"))).to_be_visible()
