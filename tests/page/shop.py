"""The app whose tasks the tests of the page show: odd names, failures, progress, long logs."""

import asyncio
from pathlib import Path

from infinitas import Infinitas, Job, every

app = Infinitas()
ODD = '<b>x</b> "o\'k" a/b?c#d&e % 🦊 שלום'
"""A name with everything that HTML, paths, queries and right-to-left text give a meaning to."""
EXACT = 9007199254740993
"""A whole number that no JavaScript number can hold."""


@app.task(schedule="30 2 * * *", timezone="Europe/Copenhagen")
def backup() -> str:
    """Dump the database."""
    return "done"


@app.task(schedule=every(hours=6))
def sync_crm(account: int = EXACT) -> None:
    """Fails."""
    raise ConnectionError("crm.example.com refused the connection")


@app.task(name=ODD)
async def odd(job: Job) -> dict[str, int]:
    job.log("<img src=x onerror=alert(1)>")
    return {"exact": EXACT}


@app.task(retries=1, retry_delay=0.05)
def twice(job: Job) -> None:
    """Fails, and fails again."""
    raise ValueError("<script>alert(1)</script>")


@app.task
async def steps(job: Job, gate: str) -> str:
    """Reports progress, and ends once the test has made a file."""
    job.log("\x1b[31mred\x1b[0m and plain", level="warning")
    job.log("reading")
    await job.progress(0.4, "step 2 of 5")
    while not Path(gate).exists():  # noqa: ASYNC110, ASYNC240 - a file, not an event
        await asyncio.sleep(0.05)
    return "stepped"


@app.task
def chatty(job: Job, lines: int, width: int = 20) -> None:
    """Logs much."""
    for number in range(1, lines + 1):
        job.log(f"line {number} {'x' * width}")


@app.task(no_processor="wait")
def report(year: int, customer: str = "all") -> None:
    """Made on request."""


@app.task(schedule="0 9 * * mon-fri", timezone="America/New_York")
def invoices() -> None:
    """One invoice per open order."""


@app.task
def move(source: str, target: str, amount: int, note: str = "") -> list[object]:
    """Arguments whose order counts."""
    return [source, target, amount, note]
