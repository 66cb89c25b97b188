"""Copies a command's output to where it would have gone, and keeps the last of it."""

import mmap
import os
import select
import signal
from collections.abc import Mapping

KEPT_BYTES = 10_000
_CHUNK = 65_536
_COUNTER = 8
_LEFT_TO_THE_COMMAND = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class LastOutput:
    """The last bytes of an output, in memory that a forked process shares."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _COUNTER + KEPT_BYTES)

    def add(self, data: bytes) -> None:
        count = self.count
        tail = data[-KEPT_BYTES:]
        at = (count + len(data) - len(tail)) % KEPT_BYTES
        first = tail[: KEPT_BYTES - at]
        self._memory[_COUNTER + at : _COUNTER + at + len(first)] = first
        self._memory[_COUNTER : _COUNTER + len(tail) - len(first)] = tail[len(first) :]
        self._memory[:_COUNTER] = (count + len(data)).to_bytes(_COUNTER, "big")

    @property
    def count(self) -> int:
        """How many bytes there have been."""
        return int.from_bytes(self._memory[:_COUNTER], "big")

    def read(self) -> bytes:
        count, ring = self.count, self._memory[_COUNTER:]
        at = count % KEPT_BYTES
        return ring[:count] if count <= KEPT_BYTES else ring[at:] + ring[:at]


def captured_outputs() -> list[list[int]]:
    """Groups of our own outputs that can be captured: a terminal stays the command's own.

    Two that go to the same place are one group, so that their order stays.
    """
    found = [fd for fd in (1, 2) if _is_open(fd) and not os.isatty(fd)]
    if len(found) == 2 and os.path.sameopenfile(*found):
        return [found]
    return [[fd] for fd in found]


def fork_tee(pipes: Mapping[int, int], last: LastOutput, close: list[int]) -> int:
    """Start a process that copies each pipe to an output until the pipe's end. Returns its id.

    A process of its own: what the command leaves running in the background may write on after we are gone.
    """
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        for fd in close:
            os.close(fd)
        for each in _LEFT_TO_THE_COMMAND:
            signal.signal(each, signal.SIG_IGN)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        _copy(dict(pipes), last)
        code = 0
    finally:
        os._exit(code)


def _copy(pipes: dict[int, int], last: LastOutput) -> None:
    while pipes:
        for fd in select.select(list(pipes), [], [])[0]:
            data = os.read(fd, _CHUNK)
            last.add(data)
            try:
                _write(pipes[fd], data)
            except OSError:
                data = b""  # Its reader is gone: the command gets the SIGPIPE that it would have got.
            if not data:
                os.close(fd)
                del pipes[fd]


def _write(fd: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:
            select.select([], [fd], [])


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
