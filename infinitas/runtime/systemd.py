"""Notifies systemd of readiness, life and the stop of a process: the protocol of sd_notify(3)."""

import asyncio
import os
import socket
import time
from collections.abc import Callable

from infinitas.runtime.logging import get_logger

_log = get_logger("systemd")


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


async def report_life(requested: asyncio.Event, restarts: Callable[[], bool]) -> None:
    """Send READY and beat until cancelled; once a stop is requested send STOPPING, or RELOADING to restart.

    The beats are sent by the process's own event loop: they end when that is blocked or the process is
    stopped, and go on while a stop waits for jobs.
    """
    if not notify("READY=1", "STATUS=Running"):
        return
    beats = asyncio.create_task(_beat(watchdog_interval_s()), name="systemd watchdog")
    try:
        await requested.wait()
    finally:
        # Also where the process ended in the same turn of the loop, which cancels this wait.
        if restarts():
            # The restarted process has the same id: STOPPING would make systemd end the unit.
            notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", "STATUS=Restarting")
        else:
            notify("STOPPING=1", "STATUS=Stopping")
    await beats


async def _beat(interval_s: float | None) -> None:
    while interval_s is not None:
        notify("WATCHDOG=1")
        await asyncio.sleep(interval_s)
