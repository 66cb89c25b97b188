"""What the benchmarked jobs record, alike for every system: how many ran, and how late each began.

Each thread of each process counts in its own place of a shared file, which the bench reads while they run.
One count costs some 0.5 µs.
"""

import fcntl
import mmap
import os
import struct
import threading
import time

PLACES, SIZE = 4096, 24
_PLACE = struct.Struct("qdd")
_own = threading.local()
_shared: mmap.mmap | None = None
_delays = -1

CRON = os.environ.get("BENCH_CRON", "* * * * *")
"""The rule of all schedules."""


def schedules() -> list[str]:
    """Names of the schedules to declare."""
    return [f"s{n}" for n in range(int(os.environ.get("BENCH_SCHEDULES", "0")))]


def count_run() -> None:
    """Count one job."""
    try:
        place = _own.place
    except AttributeError:
        place = _own.place = _claim()
    place.count += 1
    assert _shared is not None
    _PLACE.pack_into(_shared, place.offset, place.count, place.first, time.monotonic())


def record_delay(sent: float) -> None:
    """Record the time since `sent`, which is of the monotonic clock that all processes share."""
    global _delays
    if _delays < 0:
        _delays = os.open(os.environ["BENCH_COUNTERS"] + ".delays", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(_delays, struct.pack("d", time.monotonic() - sent))


def record_lateness() -> None:
    """Record the time since the last full minute, which is the slot."""
    record_delay(time.monotonic() - time.time() % 60)


class _Place:
    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.count = 0
        self.first = time.monotonic()


def _claim() -> _Place:
    global _shared
    with open(os.environ["BENCH_COUNTERS"], "r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        if _shared is None:
            _shared = mmap.mmap(file.fileno(), PLACES * SIZE)
        (used,) = struct.unpack_from("q", _shared, 0)
        struct.pack_into("q", _shared, 0, used + 1)
        return _Place((used + 1) * SIZE)


class Counters:
    """The bench's side of the file."""

    def __init__(self, path: str) -> None:
        self.path = path
        with open(path, "wb") as file:
            file.write(bytes(PLACES * SIZE))
        with open(path, "r+b") as file:
            self._shared = mmap.mmap(file.fileno(), PLACES * SIZE)

    def read(self) -> tuple[int, float, float]:
        """Jobs so far, when the first began, when the last ended (monotonic seconds)."""
        (used,) = struct.unpack_from("q", self._shared, 0)
        found = [_PLACE.unpack_from(self._shared, (n + 1) * SIZE) for n in range(used)]
        began = [place for place in found if place[0]]
        if not began:
            return 0, 0.0, 0.0
        return sum(p[0] for p in began), min(p[1] for p in began), max(p[2] for p in began)

    def runs(self) -> int:
        return self.read()[0]

    def delays(self) -> list[float]:
        """The recorded seconds, in the order of recording."""
        try:
            with open(self.path + ".delays", "rb") as file:
                data = file.read()
        except FileNotFoundError:
            return []
        return [value for (value,) in struct.iter_unpack("d", data)]
