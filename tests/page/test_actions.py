"""Each action: what it does on the server, what the page reports, and its undo."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, TimeoutError, expect

from tests.page.conftest import OpenPage
from tests.page.shop import EXACT
from tests.page.world import World
from tests.support import eventually


@pytest.fixture(autouse=True)
def as_before(world: World) -> Iterator[None]:
    """Schedules are as the code declares them when a test begins."""
    yield
    world.http.post("schedules/backup/resume")
    world.http.post("schedules/backup/skip", json={"count": 0})
    world.http.patch("schedules/backup", json={"cron": "30 2 * * *", "timezone": "Europe/Copenhagen"})


def schedule(world: World, key: str = "backup") -> dict[str, object]:
    found: dict[str, object] = world.http.get(f"schedules/{key}").json()
    return found


def notice(page: Page, text: str) -> None:
    expect(page.locator(".notices")).to_contain_text(text)


def test_pause_with_reason_and_time_then_undo(open_page: OpenPage, world: World) -> None:
    page = open_page("tasks/backup").page
    page.get_by_role("button", name="Pause backup").first.click()
    page.get_by_label("Reason").fill("stocktaking")
    page.get_by_label("Until").fill((datetime.now() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M"))
    page.get_by_role("button", name="Pause", exact=True).click()
    notice(page, "Paused backup.")
    eventually(lambda: schedule(world)["paused"])
    expect(page.get_by_role("region", name="Schedule backup")).to_contain_text("paused: stocktaking")
    page.get_by_role("button", name="Undo").click()
    notice(page, "Undone.")
    eventually(lambda: not schedule(world)["paused"])
    expect(page.get_by_role("button", name="Pause backup").first).to_be_visible()


def test_resume_then_undo_pauses_with_the_same_reason(open_page: OpenPage, world: World) -> None:
    world.http.post("schedules/backup/pause", json={"reason": "later"})
    page = open_page("tasks/backup").page
    page.get_by_role("button", name="Resume backup").first.click()
    notice(page, "Resumed backup.")
    page.get_by_role("button", name="Undo").click()
    notice(page, "Undone.")
    paused = schedule(world)["paused"]
    assert isinstance(paused, dict)
    assert paused["reason"] == "later"


def test_skip_the_next_slot_then_undo(open_page: OpenPage, world: World) -> None:
    page = open_page("tasks/backup").page
    page.get_by_role("button", name="Skip next backup").click()
    notice(page, "becomes no job")
    expect(page.locator("inf-slots .is-left-out")).to_have_count(1)
    page.get_by_role("button", name="Undo").click()
    notice(page, "Undone.")
    assert schedule(world)["skips"] == 0


def test_edit_previews_shows_the_difference_and_saves(open_page: OpenPage, world: World) -> None:
    shown = open_page("tasks/backup")
    page = shown.page
    page.get_by_role("button", name="Edit backup").click()
    dialog = page.get_by_role("dialog")
    cron = dialog.get_by_label("Cron")
    cron.fill("0 */6 * * *")
    expect(dialog.locator(".gained")).to_contain_text("+4 gained")
    expect(dialog.locator(".lost")).to_contain_text("−1 lost")
    cron.fill("99 * * * *")
    expect(dialog.locator(".fault")).to_contain_text("99")
    expect(dialog.get_by_role("button", name="Save")).to_be_disabled()
    cron.fill("0 */6 * * *")
    dialog.get_by_role("button", name="Save").click()
    notice(page, "Saved backup.")
    assert schedule(world)["cron"] == "0 */6 * * *"
    expect(page.get_by_role("region", name="Schedule backup")).to_contain_text("changed here")
    page.get_by_role("button", name="Undo").click()
    notice(page, "Undone.")
    assert schedule(world)["cron"] == "30 2 * * *"
    shown.expect_faults("422")


def test_reset_takes_a_change_back(open_page: OpenPage, world: World) -> None:
    world.http.patch("schedules/backup", json={"cron": "0 5 * * *"}).raise_for_status()
    page = open_page("tasks/backup").page
    page.get_by_role("button", name="Reset backup").click()
    notice(page, "backup is again as the code declares it: 30 2 * * *.")
    assert schedule(world)["overridden"] is False
    expect(page.get_by_role("button", name="Reset backup")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    notice(page, "Undone.")
    assert schedule(world)["cron"] == "0 5 * * *"


def test_refused_previews_are_no_fault_of_the_page(open_page: OpenPage) -> None:
    shown = open_page("tasks/backup")
    shown.page.get_by_role("button", name="Edit backup").click()
    shown.page.get_by_label("Time zone").fill("Mars/Olympus")
    expect(shown.page.locator("dialog .fault")).to_contain_text("Mars/Olympus")
    shown.expect_faults("422")


def test_trigger_sends_a_job(open_page: OpenPage, world: World) -> None:
    page = open_page("tasks/backup").page
    page.get_by_role("button", name="Trigger backup").click()
    page.get_by_role("button", name="Run now").click()
    notice(page, "Sent job")
    expect(page.locator(".head .badge.is-succeeded")).to_be_visible()


def test_what_was_sent_is_cancelled_by_undo(open_page: OpenPage, world: World, tmp_path: Path) -> None:
    page = open_page("tasks/steps").page
    page.get_by_role("button", name="Run steps").click()
    page.get_by_role("dialog").get_by_label("gate").fill(str(tmp_path / "gate"))
    page.get_by_role("button", name="Run now").click()
    expect(page.locator(".head .badge.is-running")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    notice(page, "Cancelled 1 job.")
    expect(page.locator(".head .badge.is-cancelled")).to_be_visible()


def test_arguments_by_position_keep_their_order(open_page: OpenPage, world: World) -> None:
    page = open_page(f"jobs/{world.ended('move', 'zoo', 'bank', 5)}").page
    expect(page.get_by_role("region", name="Result")).to_contain_text('["zoo", "bank", 5, ""]')
    page.get_by_role("button", name="Run with other arguments").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".field > span")).to_have_text(
        ["source", "target", "amount", "note", "Or all arguments as JSON"]
    )
    expect(dialog.get_by_label("source")).to_have_value("zoo")
    expect(dialog.get_by_label("target")).to_have_value("bank")
    dialog.get_by_label("amount").fill("6")
    dialog.get_by_role("button", name="Run now").click()
    expect(page.get_by_role("region", name="Result")).to_contain_text('["zoo", "bank", 6, ""]')


def test_run_with_arguments(open_page: OpenPage, world: World) -> None:
    page = open_page("tasks/report").page
    page.get_by_role("button", name="Run report").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Run now").click()
    expect(dialog.get_by_role("alert")).to_contain_text("The argument year is required.")
    dialog.get_by_label("Or all arguments as JSON").fill("{")
    dialog.get_by_role("button", name="Run now").click()
    expect(dialog.get_by_role("alert")).to_contain_text("no JSON")
    dialog.get_by_label("Or all arguments as JSON").fill("")
    dialog.get_by_label("year").fill(str(EXACT))
    dialog.get_by_label("customer").fill("<b>ada</b>")
    dialog.get_by_role("button", name="Run now").click()
    expect(page.get_by_role("region", name="Arguments")).to_contain_text(str(EXACT))
    expect(page.get_by_role("region", name="Arguments")).to_contain_text("<b>ada</b>")


def test_retry_rerun_and_other_arguments(open_page: OpenPage, world: World) -> None:
    failed = world.ended("sync_crm", 5)
    page = open_page(f"jobs/{failed}").page
    page.get_by_role("button", name="Retry", exact=True).click()
    notice(page, "has new tries")
    expect(page.get_by_role("button", name="Run again")).to_be_visible()
    page.get_by_role("button", name="Run with other arguments").click()
    page.get_by_role("dialog").get_by_label("account").fill("6")
    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_role("region", name="Arguments")).to_contain_text('{"account": 6}')
    page.get_by_role("button", name="Run again").click()
    notice(page, "with the same arguments")


def test_cancel_a_job_that_waits(open_page: OpenPage, world: World) -> None:
    id = str(world.app.find("report").using(delay=600).send(2026).id)
    page = open_page(f"jobs/{id}").page
    expect(page.locator(".why")).to_contain_text("It waits for its time")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_label("Reason").fill("not needed")
    page.get_by_role("button", name="Cancel the job").click()
    notice(page, "The job is cancelled.")
    expect(page.locator(".head .badge.is-cancelled")).to_be_visible()


def test_bulk_counts_first(open_page: OpenPage, world: World) -> None:
    ids = [str(world.app.find("report").using(delay=600).send(year).id) for year in range(3)]
    page = open_page("jobs?q=task%3Areport+state%3Ascheduled").page
    page.get_by_role("button", name="Cancel all …").click()
    expect(page.get_by_role("dialog")).to_contain_text("All that match task:report state:scheduled.")
    page.get_by_role("button", name="Cancel 3 jobs").click()
    notice(page, "3 jobs cancelled.")
    assert {world.job(id)["state"] for id in ids} == {"cancelled"}


def test_backfill_by_times_counts_first(open_page: OpenPage, world: World) -> None:
    page = open_page("tasks/backup").page
    page.get_by_role("button", name="Backfill backup").click()
    now = datetime.now()
    page.get_by_label("From").fill((now - timedelta(days=3)).strftime("%Y-%m-%dT%H:%M"))
    page.get_by_label("To", exact=False).last.fill((now - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M"))
    page.get_by_role("button", name="Count the slots").click()
    page.get_by_role("button", name="Send 2 jobs").click()
    notice(page, "Sent 2 jobs for past slots.")


def drag_over_the_past(page: Page, asked: str) -> Locator:
    """From 21 h 36 min ago to 2 h 24 min ago. Returns the dialog that follows, by its name."""
    page.get_by_role("button", name="24 h").click()
    lane = page.locator("inf-lane")
    expect(lane).to_be_visible()
    dialog = page.get_by_role("dialog", name=asked)

    def dragged() -> bool:
        # The lane may still move while the page is loading.
        box = lane.bounding_box()
        assert box
        page.mouse.move(box["x"] + box["width"] * 0.05, box["y"] + 15)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.45, box["y"] + 15, steps=4)
        page.mouse.up()
        try:
            dialog.wait_for(timeout=3_000)
        except TimeoutError:
            return False
        return True

    eventually(dragged)
    return dialog


def test_backfill_by_dragging_over_the_past(open_page: OpenPage) -> None:
    page = open_page("tasks/sync_crm").page
    expect(drag_over_the_past(page, "Backfill sync_crm")).to_contain_text("slots without a job")
    page.get_by_role("button", name="Close").click()


def test_backfill_of_one_of_several_schedules(open_page: OpenPage, world: World) -> None:
    slot = datetime.now(UTC) - timedelta(hours=12)
    rule = {"task": "sync_crm", "cron": f"{slot.minute} {slot.hour} * * *"}
    world.http.put("schedules/nightly", json=rule).raise_for_status()
    page = open_page("tasks/sync_crm").page
    expect(page.get_by_role("region", name="Schedule nightly")).to_be_visible()
    asked = drag_over_the_past(page, "Backfill which schedule?")
    choice = asked.get_by_label("Schedule")
    assert set(choice.locator("option").all_text_contents()) == {"sync_crm", "nightly"}
    choice.select_option("nightly")
    asked.get_by_role("button", name="Count the slots").click()
    counted = page.get_by_role("dialog", name="Backfill nightly")
    expect(counted).to_contain_text("1 slot without a job")
    of_it = {"schedule": "nightly"}
    assert world.http.get("jobs", params=of_it).json()["items"] == [], "so far it was counted alone"
    counted.get_by_role("button", name="Send 1 job").click()
    notice(page, "Sent 1 job for past slots.")
    (job,) = eventually(lambda: world.http.get("jobs", params=of_it).json()["items"])
    assert datetime.fromisoformat(job["due"]) == slot.replace(second=0, microsecond=0)
    world.http.delete("schedules/nightly").raise_for_status()


def test_rows_do_not_move_under_the_pointer(open_page: OpenPage, world: World) -> None:
    page = open_page("jobs").page
    rows = page.locator("table.jobs tbody tr")
    world.ended("chatty", 1)
    expect(rows.first).to_be_visible()
    rows.first.hover()
    first = rows.first.locator(".id").text_content()
    id = world.ended("chatty", 1)
    expect(page.locator(".pill")).to_contain_text(re.compile(r"\d new"))
    assert rows.first.locator(".id").text_content() == first
    page.mouse.move(5, 5)
    expect(page.locator("table.jobs")).to_contain_text(id)


def test_the_audit_lists_what_was_done(open_page: OpenPage, world: World) -> None:
    world.http.post("schedules/backup/pause", json={"reason": "for the audit"})
    page = open_page("audit").page
    row = page.locator("tbody tr", has_text="for the audit").first
    expect(row).to_contain_text("backup")
