"""Long work with progress, a partner that is away, rules of the calendar: each has its look on the page."""

import asyncio
import socket

from infinitas import Job, every
from workers.app import app

PARTNER = ("127.0.0.1", 9)
ALBUMS = ("Anholt", "Bornholm", "Fanø", "Læsø", "Samsø")


@app.task(schedule=every(seconds=30), timeout=120)
async def copy_photos(job: Job, seconds_each: float = 5) -> dict[str, int]:
    """Copy albums to the second site (in life: 02:30 each night, and hours of it)."""
    for number, album in enumerate(ALBUMS):
        await job.progress(number / len(ALBUMS), album)
        job.log(f"copying {album}", level="warning" if album == "Læsø" else "info")
        await asyncio.sleep(seconds_each)
    return {"albums": len(ALBUMS)}


@app.task(schedule=every(seconds=20), retries=1, retry_delay=2)
def sync_partner() -> None:
    """Send the day's orders to a partner, whose server does not answer."""
    socket.create_connection(PARTNER, timeout=5).close()


@app.task(schedule="30 2 * * *", timezone="Europe/Copenhagen")
def backup() -> str:
    """Dump the database, each night."""
    return "done"


@app.task(schedule="0 9 * * mon-fri", timezone="America/New_York")
def report(day: str = "yesterday") -> str:
    """A page of numbers for the office in New York, on working days."""
    return f"{day}: all is well"
