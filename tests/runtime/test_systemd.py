"""What a process sends to systemd: over real datagram sockets, by real processes."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infinitas.runtime.systemd import notify, watchdog_interval_s
from tests.support import PATIENCE_S, Processes

PROGRAM = """
from infinitas.runtime.signals import run_until_signal
async def main(stop):
    stop.life.begin("test", lambda: "42 tasks, 3 running")
    await stop.requested.wait()
run_until_signal(main)
"""

HANGING = """
from infinitas.runtime.loop import Loop
from infinitas.runtime.signals import run_until_signal
import asyncio
async def main(stop):
    asyncio.create_task(Loop("ticker", asyncio.Event().wait, longest_pass_s=0.5).run())
    stop.life.begin("test", lambda: "42 tasks")
    await stop.requested.wait()
run_until_signal(main)
"""

WAITING = """
from infinitas.runtime.signals import run_until_signal
async def main(stop):
    await stop.requested.wait()
run_until_signal(main)
"""

BLOCKED = """
from infinitas.runtime.signals import run_until_signal
import asyncio, time
async def main(stop):
    stop.life.begin("test", lambda: "42 tasks")
    await asyncio.sleep(0.01)
    print("blocked", flush=True)
    time.sleep(60)
run_until_signal(main)
"""


@pytest.fixture(params=["path", "abstract"])
def systemd(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    """The socket that systemd reads, as a file and as an abstract one."""
    name = f"@infinitas-{os.getpid()}" if request.param == "abstract" else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as reader:
        reader.bind(name.replace("@", "\0", 1))
        reader.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        yield reader


@pytest.fixture
def process(systemd: socket.socket, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    with subprocess.Popen([sys.executable, "-c", PROGRAM]) as started:
        yield started
        started.kill()


def drain(reader: socket.socket) -> None:
    reader.setblocking(False)
    while True:
        try:
            reader.recv(4096)
        except BlockingIOError:
            return


def test_fields_arrive_in_one_datagram(systemd: socket.socket) -> None:
    assert notify("READY=1", "STATUS=Running")
    assert systemd.recv(4096) == b"READY=1\nSTATUS=Running"


def test_without_systemd_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")


def test_a_socket_that_is_gone_raises_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    assert not notify("READY=1")


@pytest.mark.parametrize(
    ("usec", "pid", "expected"),
    [("30000000", "", 15.0), ("30000000", "1", None), ("", "", None), ("0", "", None), ("soon", "", None)],
)
def test_beats_take_half_of_the_allowed_time(
    monkeypatch: pytest.MonkeyPatch, usec: str, pid: str, expected: float | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.setenv("WATCHDOG_PID", pid)
    assert watchdog_interval_s() == expected


def ready(reader: socket.socket) -> bytes:
    """The datagram that reports the process as ready."""
    received = reader.recv(4096)
    while not received.startswith(b"READY=1"):
        received = reader.recv(4096)
    return received


def test_a_process_is_ready_beats_and_stops(systemd: socket.socket, process: subprocess.Popen[bytes]) -> None:
    assert ready(systemd) == b"READY=1\nSTATUS=42 tasks, 3 running"
    assert [systemd.recv(4096) for _ in range(2)] == [b"WATCHDOG=1"] * 2
    process.send_signal(signal.SIGTERM)
    received = b""
    while not received.startswith(b"STOPPING=1"):
        received = systemd.recv(4096)
    assert process.wait(30) == 0


def test_a_restart_does_not_end_the_unit(systemd: socket.socket, process: subprocess.Popen[bytes]) -> None:
    assert ready(systemd).startswith(b"READY=1")
    process.send_signal(signal.SIGHUP)
    received = b""
    while not received.startswith((b"RELOADING=1", b"STOPPING=1")):
        received = systemd.recv(4096)
    assert received.startswith(b"RELOADING=1\nMONOTONIC_USEC=")


def test_a_process_that_is_stopped_sends_no_beat(
    systemd: socket.socket, process: subprocess.Popen[bytes]
) -> None:
    assert ready(systemd).startswith(b"READY=1")
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)
    drain(systemd)
    systemd.settimeout(0.3)
    with pytest.raises(TimeoutError):
        systemd.recv(4096)
    process.send_signal(signal.SIGCONT)
    systemd.settimeout(30)
    assert systemd.recv(4096) == b"WATCHDOG=1"


def test_a_blocked_event_loop_sends_no_beat(systemd: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    with subprocess.Popen([sys.executable, "-c", BLOCKED], stdout=subprocess.PIPE) as started:
        try:
            assert started.stdout is not None
            assert started.stdout.readline() == b"blocked\n"
            assert ready(systemd).startswith(b"READY=1")
            drain(systemd)
            systemd.settimeout(0.3)
            with pytest.raises(TimeoutError):
                systemd.recv(4096)
        finally:
            started.kill()


def test_a_process_is_not_ready_before_its_servers_have_answered(systemd: socket.socket) -> None:
    with subprocess.Popen([sys.executable, "-c", WAITING]) as started:
        assert systemd.recv(4096) == b"STATUS=Waiting for its servers"
        started.terminate()
        assert systemd.recv(4096).startswith(b"STOPPING=1")


def test_a_loop_that_hangs_stops_the_beat(systemd: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    with subprocess.Popen([sys.executable, "-c", HANGING]) as started:
        try:
            assert ready(systemd).startswith(b"READY=1")
            assert systemd.recv(4096) == b"WATCHDOG=1"
            received = b"WATCHDOG=1"
            while received == b"WATCHDOG=1":
                received = systemd.recv(4096)
            assert received.startswith(b"STATUS=42 tasks; ticker hangs: its pass takes ")
        finally:
            started.kill()


def receive(reader: socket.socket, start: bytes) -> bytes:
    """The next datagram that begins so."""
    while not (received := reader.recv(4096)).startswith(start):
        pass
    return received


def test_a_supervisor_alone_reports_and_is_ready_again_after_a_restart(
    processes: Processes, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as reader:
        reader.bind(str(tmp_path / "notify"))
        reader.settimeout(PATIENCE_S)
        processes.environment["NOTIFY_SOCKET"] = str(tmp_path / "notify")
        supervisor = processes.start("worker", "tests.apps.jobs:app", "-p", "2")
        assert reader.recv(4096) == b"STATUS=Waiting for its servers"
        assert reader.recv(4096) == b"READY=1\nSTATUS=2 of 2 workers run", "children report nothing"
        supervisor.send_signal(signal.SIGHUP)
        assert receive(reader, b"RELOADING=1")
        assert receive(reader, b"READY=1")
