"""Notifies systemd of readiness, life and the stop of a process: the protocol of sd_notify(3)."""

import asyncio
import os
import socket
import time
from collections.abc import Callable

from infinitas.runtime.life import Life
from infinitas.runtime.logging import get_logger
from infinitas.runtime.progress import any_hangs, troubles

_log = get_logger("systemd")
STATUS_EVERY_S = 5.0


def notify(*fields: str) -> bool:
    """Send fields such as "READY=1" to the socket that NOTIFY_SOCKET names; "@" begins an abstract one.

    Returns whether they were sent. Never raises: a process also works without systemd.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(fields).encode(), address)
    except OSError as error:
        _log.warning("systemd could not be notified of %s: %s", fields[0], error)
        return False
    return True


def watchdog_interval_s() -> float | None:
    """Half of what systemd allows between two beats, in seconds; None where it expects none."""
    allowed = os.environ.get("WATCHDOG_USEC", "")
    pid = os.environ.get("WATCHDOG_PID", "")
    if not allowed.isdigit() or int(allowed) == 0 or pid not in ("", str(os.getpid())):
        return None
    return int(allowed) / 2_000_000


async def report_life(life: Life, requested: asyncio.Event, restarts: Callable[[], bool]) -> None:
    """Send READY, status and beats until cancelled, and at a stop STOPPING, or RELOADING to restart.

    READY is sent once the process is ready. The beats are sent by the process's own event loop while each of
    its loops makes progress: they end when that is blocked, a loop hangs or the process is stopped, and go on
    while a stop waits for jobs.
    """
    if not os.environ.get("NOTIFY_SOCKET"):
        return
    if not life.ready.is_set():
        notify(f"STATUS={life.status}")
    beats = asyncio.create_task(_beat(life, watchdog_interval_s()), name="systemd beats")
    try:
        await requested.wait()
    finally:
        # Also where the process ended in the same turn of the loop, which cancels this wait.
        if restarts():
            # The restarted process has the same id: STOPPING would make systemd end the unit.
            notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", "STATUS=Restarting")
        else:
            notify("STOPPING=1", f"STATUS=Stopping; {life.status}")
    await beats


async def _beat(life: Life, interval_s: float | None) -> None:
    await life.ready.wait()
    shown = life.status
    notify("READY=1", f"STATUS={shown}")
    while True:
        if interval_s is not None and not any_hangs():
            notify("WATCHDOG=1")
        if (status := _status(life)) != shown:
            shown = status
            notify(f"STATUS={shown}")
        await asyncio.sleep(min(interval_s or STATUS_EVERY_S, STATUS_EVERY_S))


def _status(life: Life) -> str:
    found = troubles()
    return f"{life.status}; {found[0]}" if found else life.status
