"""When the page's first view is usable in a browser whose cache is empty."""

import shutil

SEEN = """
new MutationObserver(() => {
  if (window.firstView === undefined && document.querySelector("main h1")) {
    window.firstView = null;
    requestAnimationFrame(() => { window.firstView = performance.now(); });
  }
}).observe(document, { childList: true, subtree: true });
"""
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]


def first_views(address: str, rounds: int) -> list[float]:
    """Milliseconds from the request until the verdict is drawn, each in a new profile.

    Empty without Playwright (the dev extra) or Chromium.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return []
    if chromium is None:
        return []
    measured: list[float] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for _ in range(rounds):
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.add_init_script(SEEN)
            page.goto(address)
            page.locator("inf-lane").first.wait_for()
            measured.append(float(page.evaluate("window.firstView")))
            page.close()
        browser.close()
    return measured
