"""Starts `infinitas` processes by fork: without the second that each needs to import its modules.

A process of its own has the modules imported and nothing else: no thread, no connection, no event loop. It
forks for each request; the child takes over the request's folder, environment, arguments and output and runs
`python -m infinitas` to its end, as a process like any other: with its own id, its own signals, its own exit.
"""

import atexit
import contextlib
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import infinitas

_LENGTH = 4
_MAX_DESCRIPTORS = 4096
# What a server imports only when it starts.
_LAZY = (
    *("uvicorn.logging", "uvicorn.loops.auto", "uvicorn.protocols.http.auto", "uvicorn.lifespan.on"),
    *("uvicorn.protocols.websockets.auto", "zoneinfo", "rich.console", "rich.table"),
)
_TESTING = "infinitas.testing."


class ForkedProcess(subprocess.Popen[bytes]):
    """The handle of a process whose parent is the fork server, which sends its exit code."""

    # Popen's own clean-up is for processes that it started.
    _child_created = False

    def __init__(self, pid: int, arguments: list[str], status: int) -> None:
        self.pid = pid
        self.args = arguments
        self.returncode: int | None = None
        self._status = status

    def poll(self) -> int | None:
        return self._read(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._read(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, sig)

    def _read(self, timeout: float | None) -> int | None:
        if self.returncode is not None:
            return self.returncode
        with selectors.DefaultSelector() as selector:
            selector.register(self._status, selectors.EVENT_READ)
            if not selector.select(timeout):
                return None
        code = os.read(self._status, 16)
        os.close(self._status)
        self.returncode = int(code) if code else -signal.SIGKILL
        return self.returncode


def start(
    arguments: list[str], environment: dict[str, str], folder: Path, stdout: int, stderr: int
) -> ForkedProcess:
    """`python -m infinitas ARGUMENTS` in a folder; its outputs go to these descriptors."""
    status, theirs = os.pipe()
    request = json.dumps([arguments, environment, str(folder)]).encode()
    connection = _connection()
    socket.send_fds(connection, [len(request).to_bytes(_LENGTH)], [stdout, stderr, theirs])
    connection.sendall(request)
    os.close(theirs)
    return ForkedProcess(int.from_bytes(_exactly(connection, _LENGTH)), arguments, status)


@cache
def _connection() -> socket.socket:
    """To this test process's fork server, which ends when the connection does."""
    ours, theirs = socket.socketpair()
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.fork_server", str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        cwd=Path(__file__).parent.parent,
        stdin=subprocess.DEVNULL,
    )
    theirs.close()
    atexit.register(_end, ours, server)
    return ours


def _end(connection: socket.socket, server: "subprocess.Popen[bytes]") -> None:
    connection.close()
    server.wait()


def _exactly(connection: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        if not (more := connection.recv(count - len(received))):
            raise EOFError
        received += more
    return received


class _Child(Exception):  # The way out of the server's loop, in the child
    def __init__(self, request: bytes, stdout: int, stderr: int) -> None:
        self.request, self.stdout, self.stderr = request, stdout, stderr


def _serve(connection: socket.socket) -> None:
    """Fork for each request, and send exit codes, until the connection ends. Raises _Child in a child."""
    wake, woken = socket.socketpair()
    for end in (wake, woken):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken.fileno())
    statuses: dict[int, int] = {}
    # A child leaves this block too: a socket that is collected later would close another file of the child.
    with connection, wake, woken, selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        selector.register(wake, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is connection:
                    _fork(connection, statuses)
                else:
                    wake.recv(4096)
            _reap(statuses)


def _fork(connection: socket.socket, statuses: dict[int, int]) -> None:
    length, descriptors, _, _ = socket.recv_fds(connection, _LENGTH, 3)
    if not length:
        raise EOFError
    stdout, stderr, status = descriptors
    request = _exactly(connection, int.from_bytes(length))
    if (pid := os.fork()) == 0:
        raise _Child(request, stdout, stderr)
    os.close(stdout)
    os.close(stderr)
    statuses[pid] = status
    connection.sendall(pid.to_bytes(_LENGTH))


def _reap(statuses: dict[int, int]) -> None:
    while statuses:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        os.write(statuses[pid], str(os.waitstatus_to_exitcode(status)).encode())
        os.close(statuses.pop(pid))


def _become(child: _Child) -> None:
    """As exec does: this request's outputs, folder, environment and arguments, and nothing else open."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(child.stdout, 1)
    os.dup2(child.stderr, 2)
    os.closerange(3, _MAX_DESCRIPTORS)
    arguments, environment, folder = json.loads(child.request)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv = ["infinitas", *arguments]
    sys.path[0] = folder


def _import_all() -> None:
    found = pkgutil.walk_packages(infinitas.__path__, "infinitas.")
    for name in [*(each.name for each in found), *_LAZY]:
        if not name.startswith(_TESTING) and not name.endswith("__main__"):
            importlib.import_module(name)


def _main() -> None:
    _import_all()
    try:
        _serve(socket.socket(fileno=int(sys.argv[1])))
    except EOFError:
        return
    except _Child as each:
        child = each.with_traceback(None)
    _become(child)
    runpy.run_module("infinitas", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()
