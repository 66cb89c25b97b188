"""How smooth a page is: the time between its frames, and tasks that keep its thread from drawing one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

RECORD = """
window.frames_ = []; window.long_ = [];
let last = 0;
const frame = now => { if (last) frames_.push(now - last); last = now; requestAnimationFrame(frame); };
requestAnimationFrame(frame);
new PerformanceObserver(list => long_.push(...list.getEntries().map(e => e.duration)))
  .observe({ type: "longtask" });
"""
LONG_MS = 50
"""A task of the page's thread from this length on is a long one, as browsers count them."""


@dataclass(frozen=True, slots=True)
class Frames:
    """`deltas` between frames, `long_tasks` and the page's own work in all (`script_ms`), in ms."""

    deltas: Sequence[float]
    long_tasks: Sequence[float]
    script_ms: float

    def __str__(self) -> str:
        ordered = sorted(self.deltas)
        p50, p95 = (ordered[round((len(ordered) - 1) * share)] for share in (0.5, 0.95))
        longest = max(self.long_tasks, default=0)
        return (
            f"{len(ordered)} frames: p50 {p50:.1f} ms, p95 {p95:.1f} ms, max {ordered[-1]:.1f} ms; "
            f"{len(self.long_tasks)} tasks over {LONG_MS} ms, longest {longest:.0f} ms; "
            f"the page's own work {self.script_ms / sum(ordered):.0%} of the time"
        )


class Watched:
    """A page of the view Now whose frames are recorded from `begin` to `end`."""

    def __init__(self, browser: "Browser", address: str) -> None:
        self._page: Page = browser.new_page(viewport={"width": 1400, "height": 900})
        self._page.add_init_script(RECORD)
        self._page.goto(address)
        self._page.locator("inf-lane").first.wait_for()
        self._session = self._page.context.new_cdp_session(self._page)
        self._session.send("Performance.enable")
        self._script_ms = 0.0

    def begin(self) -> None:
        self._page.evaluate("frames_.length = 0; long_.length = 0")
        self._script_ms = self._work()

    def end(self) -> Frames:
        deltas, long = self._page.evaluate("[frames_, long_]")
        return Frames(deltas, long, self._work() - self._script_ms)

    def _work(self) -> float:
        """Processor time of the page's thread since it was loaded, in ms."""
        metrics = self._session.send("Performance.getMetrics")["metrics"]
        return 1000 * float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))
