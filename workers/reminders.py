"""Calendar reminders: an email one day before a to-do is due, through SMTP."""

import os
import smtplib
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from urllib.parse import urlsplit

from infinitas import every
from workers.app import app

SMTP_URL = os.environ.get("SMTP_URL", "smtp://127.0.0.1:2525")
SENDER = "calendar@example.com"
BEFORE = timedelta(days=1)


@app.task(timeout=30, retries=3, retry_delay=2)
def remind(address: str, title: str, due: datetime) -> None:
    """Send one reminder."""
    message = EmailMessage()
    message["From"], message["To"] = SENDER, address
    message["Subject"] = f"Tomorrow: {title}"
    message.set_content(f"{title} is due on {due:%A %d %B at %H:%M} ({due:%Z}).")
    server = urlsplit(SMTP_URL)
    with smtplib.SMTP(server.hostname or "127.0.0.1", server.port or 25, timeout=10) as smtp:
        smtp.send_message(message)


def add_to_calendar(key: str, address: str, title: str, due: datetime) -> None:
    """Called when a calendar entry is saved; saving it again moves the reminder."""
    app.schedule(remind, at=due - BEFORE, key=f"reminder-{key}", args=(address, title, due))


@app.task(schedule=every(seconds=8))
def plan_something() -> str:
    """What a calendar's users would do: an entry that is due in a day and three seconds."""
    due = datetime.now(UTC) + BEFORE + timedelta(seconds=3)
    add_to_calendar(f"{due:%H%M%S}", "ada@example.com", "Water the plants", due)
    return f"reminder at {due - BEFORE:%H:%M:%S}Z"
