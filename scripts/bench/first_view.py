"""When the page's first view is usable in a browser whose cache is empty."""

from chromium import chromium

SEEN = """
new MutationObserver(() => {
  if (window.firstView === undefined && document.querySelector("main h1")) {
    window.firstView = null;
    requestAnimationFrame(() => { window.firstView = performance.now(); });
  }
}).observe(document, { childList: true, subtree: true });
"""


def first_views(address: str, rounds: int) -> list[float]:
    """Milliseconds from the request until the verdict is drawn, each in a new profile.

    Empty without Playwright (the dev extra) or Chromium.
    """
    measured: list[float] = []
    with chromium() as browser:
        for _ in range(rounds if browser else 0):
            assert browser
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.add_init_script(SEEN)
            page.goto(address)
            page.locator("inf-lane").first.wait_for()
            measured.append(float(page.evaluate("window.firstView")))
            page.close()
    return measured
