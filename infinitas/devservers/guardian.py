"""Starts one server and ends it when the parent has ended, also after kill -9 of the parent.

It is run by path with `python -I -S`, so it may only import the standard library. The parent holds the
other end of stdin; when it ends, for whatever reason, stdin reads end of file here. If the guardian itself
is killed, the kernel signals the server (PR_SET_PDEATHSIG, Linux).

    guardian.py <lock file> <file number> <stop signal> <namespace: user | same> <command...>

Once it holds the lock it writes one byte to the file of that number.
"""

import ctypes
import fcntl
import os
import select
import signal
import subprocess
import sys

LOCKED = 75
STOP_TIMEOUT_S = 10
UNPRIVILEGED_ID = 65534
_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1


def hold_lock(path: str) -> int:
    """Hold an exclusive lock for the server's lifetime: two servers would damage one data folder."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.stderr.write("locked\n")
        raise SystemExit(LOCKED) from None
    return handle


def map_to_unprivileged_user(libc: ctypes.CDLL) -> None:
    """Postgres refuses root: enter a user namespace in which root is another user; files stay root's."""
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "user namespaces are not allowed here")
    for file, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{UNPRIVILEGED_ID} {uid} 1"),
        ("gid_map", f"{UNPRIVILEGED_ID} {gid} 1"),
    ):
        with open(f"/proc/self/{file}", "w") as target:
            target.write(text)


def prepare(stop: int, namespace: str) -> None:
    """Runs in the child before the server: end it with the guardian, and change the user if requested."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_DFL)
    libc = ctypes.CDLL(None, use_errno=True)
    if namespace == "user":
        map_to_unprivileged_user(libc)
    if sys.platform == "linux":
        libc.prctl(_PR_SET_PDEATHSIG, stop)
    os.setsid()


def main(arguments: list[str]) -> int:
    lock, locked, stop, namespace, *command = arguments
    number = int(stop)
    hold_lock(lock)
    os.write(int(locked), b".")
    os.close(int(locked))
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    child_ended, child_ends = os.pipe()
    signal.signal(signal.SIGCHLD, lambda *_: os.write(child_ends, b"."))
    server = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        preexec_fn=lambda: prepare(number, namespace),
    )
    while server.poll() is None:
        ready, _, _ = select.select([sys.stdin, child_ended], [], [])
        if sys.stdin in ready and not os.read(sys.stdin.fileno(), 4096):
            return end(server, number)
        if child_ended in ready:
            os.read(child_ended, 4096)
    return server.returncode


def end(server: "subprocess.Popen[bytes]", number: int) -> int:
    server.send_signal(number)
    try:
        return server.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        server.kill()
        return server.wait()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
