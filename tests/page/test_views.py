"""Each view, on real jobs: what it shows, what it opens, and that axe finds nothing."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.page.conftest import WIDE, OpenPage, Shown, Violations
from tests.page.shop import EXACT, ODD
from tests.page.world import World
from tests.support import eventually

pytestmark = pytest.mark.usefixtures("jobs")


def test_now_names_what_failed_and_comes_next(open_page: OpenPage) -> None:
    page = open_page().page
    expect(page.locator("h1")).to_contain_text(re.compile(r"\d failing"))
    expect(page.locator("h1")).to_contain_text(re.compile(r"next: (backup|invoices|sync_crm) in \d+ "))
    figures = page.locator(".numbers dt")
    expect(figures).to_have_text(
        ["success, 24 h", "lag from slot to start, p95", "oldest queued job", "workers"]
    )
    attention = page.locator(".attention li", has_text="sync_crm")
    expect(attention).to_contain_text("crm.example.com refused the connection")
    attention.get_by_role("link", name="Open error").click()
    expect(page.locator("pre.error")).to_contain_text("ConnectionError")


def test_now_shows_progress_and_ends(open_page: OpenPage, world: World, tmp_path: Path) -> None:
    page = open_page().page
    world.send("steps", str(tmp_path / "gate"))
    row = page.locator(".running li", has_text="steps")
    expect(row).to_contain_text("40\u00a0% step 2 of 5")
    (tmp_path / "gate").touch()
    expect(row).to_have_count(0)


def test_lanes_go_by_keys_from_task_to_job(open_page: OpenPage, jobs: dict[str, str]) -> None:
    page = open_page().page
    lane = page.get_by_role("slider", name=re.compile("^twice: 1 failed"))
    expect(lane).to_be_visible()
    page.keyboard.press("l")
    expect(page.locator("inf-lane:focus")).to_have_count(1)
    lane.focus()
    page.keyboard.press("ArrowRight")
    expect(lane).to_have_attribute("aria-valuetext", re.compile("failed"))
    expect(page.locator(".card")).to_contain_text("twice")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/jobs/{re.escape(quote(jobs['twice']))}"))


def test_lanes_as_a_table(open_page: OpenPage, violations: Violations) -> None:
    page = open_page().page
    expect(page.locator("inf-lane").first).to_be_visible()
    page.keyboard.press("v")
    expect(page.get_by_role("row", name=re.compile("twice.*1 failed"))).to_be_visible()
    assert violations(page) == []


def test_tasks_sort_filter_and_group(open_page: OpenPage) -> None:
    page = open_page("tasks").page
    rows = page.locator("table.tasks tbody tr")
    expect(rows.first).to_contain_text("failed")
    strip = page.get_by_role("row", name=re.compile("twice")).get_by_role("img")
    expect(strip).to_have_accessible_name("last 1 run, 1 not succeeded")
    expect(strip.locator("title")).to_contain_text(re.compile(r"failed · .* · \d{4}-\d\d-\d\d .* UTC"))
    page.keyboard.press("/")
    page.keyboard.type("back")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("daily at 02:30")
    expect(page).to_have_url(re.compile(r"q=back"))
    page.get_by_label("Filter by name").fill("")
    page.get_by_role("button", name="Group").click()
    expect(rows.first).to_contain_text("failed")


def test_a_task_shows_slots_and_options(open_page: OpenPage) -> None:
    page = open_page("tasks/backup").page
    expect(page.locator("inf-slots li")).to_have_count(10)
    expect(page.get_by_role("region", name="Schedule backup")).to_contain_text("daily at 02:30")
    expect(page.locator("h1")).to_have_text("backup")


def test_a_name_with_html_slashes_quotes_emoji_and_right_to_left_text(
    open_page: OpenPage, jobs: dict[str, str]
) -> None:
    shown = open_page("tasks")
    page = shown.page
    page.get_by_role("link", name=ODD).click()
    expect(page.locator("h1")).to_have_text(ODD)
    page.reload()
    expect(page.locator("h1")).to_have_text(ODD)
    page.get_by_role("link", name="all", exact=True).click()
    expect(page.locator("table.jobs tbody tr")).to_have_count(1)
    page.locator("table.jobs td.name a").click()
    expect(page.locator("inf-log")).to_contain_text("<img src=x onerror=alert(1)>")
    assert page.locator("img, b >> text=x").count() == 0


def test_a_failed_job_shows_the_error_and_each_attempt(open_page: OpenPage, jobs: dict[str, str]) -> None:
    page = open_page(f"jobs/{jobs['twice']}").page
    expect(page.locator("pre.error")).to_contain_text("ValueError: <script>alert(1)</script>")
    attempts = page.locator(".attempts li")
    expect(attempts).to_have_count(2)
    expect(attempts.first).to_contain_text("#1")
    headings = page.locator("main h2").all_text_contents()
    assert headings.index("Error") < headings.index("Attempts") < headings.index("Log")


def test_only_a_job_that_succeeded_has_a_result(open_page: OpenPage, jobs: dict[str, str]) -> None:
    page = open_page(f"jobs/{jobs['failed']}").page
    expect(page.get_by_role("region", name="Arguments")).to_be_visible()
    expect(page.get_by_role("region", name="Result")).to_have_count(0)


@pytest.mark.usefixtures("as_before")
def test_on_a_phone_the_place_of_the_view_is_in_sight(open_page: OpenPage) -> None:
    shown = open_page()
    shown.page.set_viewport_size({"width": 360, "height": 800})
    shown.visit("audit")
    expect(shown.page.locator("nav [aria-current]")).to_be_in_viewport(ratio=1)


def test_whole_numbers_are_exact(open_page: OpenPage, jobs: dict[str, str]) -> None:
    shown = open_page(f"jobs/{jobs['odd']}")
    page = shown.page
    expect(page.get_by_role("region", name="Result")).to_contain_text(str(EXACT))
    shown.visit(f"jobs/{jobs['failed']}")
    expect(page.get_by_role("region", name="Arguments")).to_contain_text(str(EXACT))


def test_the_log_of_a_running_job_is_live(open_page: OpenPage, world: World, tmp_path: Path) -> None:
    id = world.send("steps", str(tmp_path / "gate"))
    page = open_page(f"jobs/{id}").page
    expect(page.locator(".line")).to_have_count(2)
    expect(page.locator(".line .ansi-red")).to_have_text("red")
    page.get_by_label("Least level").select_option("warning")
    expect(page.locator(".line")).to_have_count(1)
    (tmp_path / "gate").touch()
    expect(page.locator(".head .badge.is-succeeded")).to_be_visible()


def test_a_link_to_a_line(open_page: OpenPage, jobs: dict[str, str]) -> None:
    page = open_page(f"jobs/{jobs['chatty']}#L7").page
    expect(page.locator(".line.is-chosen")).to_contain_text("line 7 ")
    page.locator(".line .number", has_text=re.compile("^9$")).click()
    expect(page.locator(".line.is-chosen")).to_contain_text("line 9 ")
    assert page.url.endswith("#L9")


def test_jobs_by_a_query_with_suggestions(open_page: OpenPage) -> None:
    page = open_page("jobs").page
    field = page.get_by_role("combobox", name="Query")
    field.fill("sta")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(field).to_have_value("state:")
    page.keyboard.type("fai")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(field).to_have_value("state:failed ")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"q=state%3Afailed"))
    expect(page.locator("table.jobs tbody tr").first).to_be_visible()
    expect(page.locator("table.jobs tbody tr:not(:has(.is-failed))")).to_have_count(0)


def test_a_query_that_cannot_be_read_names_the_part(open_page: OpenPage) -> None:
    page = open_page(f"jobs?q={quote('colour:red')}").page
    expect(page.get_by_role("alert")).to_contain_text("“colour:” is no field")


def test_the_jobs_list_goes_on_by_cursor(open_page: OpenPage, world: World) -> None:
    world.app.find("invoices").send_many([()] * 120)
    eventually(lambda: world.task("invoices")["queued"] == 0 and world.task("invoices")["running"] == 0)
    page = open_page(f"jobs?q={quote('task:invoices')}").page
    rows = page.locator("table.jobs tbody tr")
    expect(rows).to_have_count(50)
    page.mouse.wheel(0, 20_000)
    expect(rows).to_have_count(100)
    page.mouse.wheel(0, 20_000)
    expect(rows).to_have_count(120)


def test_workers_and_queues(open_page: OpenPage) -> None:
    page = open_page("workers").page
    expect(page.locator("tbody tr")).to_contain_text("0/")
    page.keyboard.press("g")
    page.keyboard.press("q")
    expect(page.get_by_role("row", name=re.compile("^default"))).to_be_visible()


def test_keys_and_palette(open_page: OpenPage) -> None:
    page = open_page().page
    expect(page.locator("h1")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("Zoom the lanes in")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    palette = page.get_by_role("dialog", name="Search and commands")
    expect(palette.get_by_role("combobox")).to_be_focused()
    page.keyboard.type("backup")
    expect(palette.get_by_role("option")).to_have_text(["backup task", "Run backup"])
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("backup")
    page.keyboard.press("Control+k")
    page.keyboard.type("report")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("Run report")


def test_a_task_that_runs_elsewhere_has_no_run(open_page: OpenPage, world: World) -> None:
    world.http.post("pings", json={"name": "host/backup", "cron": "30 2 * * *"}).raise_for_status()
    page = open_page("tasks").page
    row = page.get_by_role("row", name="host/backup")
    expect(row).to_contain_text("runs elsewhere")
    expect(row.get_by_role("button", name="Pause host/backup")).to_be_visible()
    expect(row.get_by_role("button", name="Run")).to_have_count(0)
    world.http.delete("pings/host%2Fbackup").raise_for_status()


def test_an_address_of_nothing(open_page: OpenPage) -> None:
    shown = open_page("jobs/no-such-job")
    expect(shown.page.get_by_role("alert")).to_contain_text("no-such-job")
    shown.expect_faults("404")


VIEWS = ["", "tasks", "tasks/backup", "tasks/sync_crm", "jobs", "job", "workers", "queues", "audit"]
THEMES: dict[int, Literal["light", "dark"]] = {1400: "light", 360: "dark"}
"""By the width of the window."""


@pytest.fixture
def as_before(tab: Shown) -> Iterator[None]:
    """The shared page has its window and colours back."""
    yield
    tab.page.set_viewport_size(WIDE)
    tab.page.emulate_media(color_scheme="light")


@pytest.mark.usefixtures("as_before")
def test_axe_finds_no_violation_and_nothing_is_wider_than_the_window(
    open_page: OpenPage, violations: Violations, jobs: dict[str, str]
) -> None:
    """Each view, light and wide, dark and narrow: together they see each colour and each layout."""
    shown = open_page()
    page = shown.page
    found: dict[str, list[str]] = {}
    wide: list[str] = []
    for view in VIEWS:
        shown.visit(f"jobs/{jobs['failed']}" if view == "job" else view)
        expect(page.locator("h1")).to_be_visible()
        expect(page.locator(".live")).to_have_text("live")
        for width in (1000, 1180, 1290, 3840, *THEMES):
            page.set_viewport_size({"width": width, "height": 800})
            if page.evaluate("document.documentElement.scrollWidth") > width:
                wide.append(f"{view} {width}")
            if theme := THEMES.get(width):
                page.emulate_media(color_scheme=theme)
                found[f"{view} {theme}"] = violations(page)
    assert not {view: faults for view, faults in found.items() if faults}
    assert wide == []


def test_axe_finds_nothing_in_dialogs(open_page: OpenPage, violations: Violations) -> None:
    page = open_page("tasks/backup").page
    expect(page.locator("inf-slots li")).to_have_count(10)
    found: dict[str, list[str]] = {}
    for name in ("Edit backup", "Pause backup", "Backfill backup", "Trigger backup"):
        page.get_by_role("button", name=name).first.click()
        expect(page.locator("dialog :focus")).to_have_count(1)
        found[name] = violations(page, within="dialog")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Trigger backup")).to_be_focused()
    for key in ("?", "Control+k"):
        page.keyboard.press(key)
        expect(page.get_by_role("dialog")).to_be_visible()
        found[key] = violations(page, within="dialog")
        page.keyboard.press("Escape")
    assert not {name: faults for name, faults in found.items() if faults}


def test_empty_states_name_the_next_step(open_page: OpenPage, violations: Violations) -> None:
    """Answers are emptied on the way: no other world is needed for them."""
    shown = open_page()
    page = shown.page
    for path in ("workers", "queues"):
        page.route(f"**/api/v1/{path}", lambda route: route.fulfill(json=[]))
    for path in ("tasks*", "schedules?*", "jobs*", "audit*"):
        page.route(f"**/api/v1/{path}", lambda route: route.fulfill(json={"items": [], "next": None}))
    found: dict[str, list[str]] = {}
    texts = {
        "": "infinitas worker app:app",
        "tasks": "No task yet",
        "jobs": "No job yet",
        "jobs?q=state%3Afailed": "No job matches",
        "workers": "No worker is live. Start one: infinitas worker",
        "queues": "No queue yet",
        "audit": "No change yet",
    }
    for view, text in texts.items():
        shown.visit(view)
        expect(page.locator("main")).to_contain_text(text)
        found[view] = violations(page)
    assert not {view: faults for view, faults in found.items() if faults}
