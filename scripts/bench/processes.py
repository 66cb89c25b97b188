"""Processes by their ids: CPU, memory, children; a free port; waiting for a condition."""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found += tree(int(path.parent.name))
    return found


def tree_cpu(pid: int) -> float:
    total = 0.0
    for each in tree(pid):
        try:
            total += cpu_seconds(each)
        except OSError:
            continue
    return total


def kill_tree(pid: int) -> None:
    for each in tree(pid):
        try:
            os.kill(each, 9)
        except ProcessLookupError:
            continue


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def accepts(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def wait(condition: Callable[[], object], patience_s: float, every_s: float = 0.005) -> None:
    """Poll until the condition holds.

    Raises:
        TimeoutError: it did not within `patience_s`.
    """
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not done within {patience_s:g} s")
        time.sleep(every_s)
