"""What the page does with workers, queues, the log and one argument through the API of lists."""

from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import expect

from tests.page.conftest import OpenPage
from tests.page.world import World
from tests.server.peer import Peer
from tests.support import eventually


def test_drain_a_worker(open_page: OpenPage, world: World) -> None:
    peer = Peer(world.server.address, None)
    session = peer.identify("remote")["session"]
    page = open_page("workers").page
    row = page.get_by_role("row").filter(has_text=session)
    row.get_by_role("button", name="Drain").click()
    page.get_by_label("Reason").fill("moves")
    page.get_by_role("dialog").get_by_role("button", name="Drain").click()
    expect(page.locator(".notices")).to_contain_text("claims no more jobs")
    peer.expect("stop")
    expect(row).to_contain_text("stops when its jobs have ended")
    expect(row.get_by_role("button", name="Drain")).to_have_count(0)
    peer.send("bye")
    expect(row).to_have_count(0)


def test_queues_have_rates(open_page: OpenPage, world: World) -> None:
    world.send("chatty", 1)
    eventually(lambda: world.http.get("queues").json()[0]["came"])
    page = open_page("queues").page
    expect(page.locator("tbody td[data-name='In / min']").first).not_to_have_text("–")


def test_one_argument_in_the_query(open_page: OpenPage, world: World) -> None:
    id = world.send("report", 1999)
    world.send("report", 2999)
    page = open_page(f"jobs?q={quote('task:report args.0:1999')}").page
    expect(page.locator("table.jobs tbody tr")).to_have_count(1)
    expect(page.locator(f"table.jobs a[href*='{id}']").first).to_be_visible()


def test_a_live_log_loads_only_new_lines(open_page: OpenPage, world: World, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    id = world.send("steps", str(gate))
    shown = open_page(None)
    calls: list[str] = []
    shown.page.on("request", lambda request: calls.append(request.url))
    page = shown.goto(f"jobs/{id}")
    expect(page.locator("inf-log")).to_contain_text("reading")
    with page.expect_request(lambda request: f"/jobs/{id}/logs?cursor=" in request.url):
        pass
    assert [url for url in calls if f"/jobs/{id}" in url and "log=false" in url]
    gate.touch()
    expect(page.locator("inf-log .line")).to_have_count(2)
