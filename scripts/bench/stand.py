"""A test stand: a Redis of its own, real `infinitas` processes, what they cost, and how late slots were."""

import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any

from redis import Redis

from infinitas.devservers.redis import find_redis, start_redis

P = "{infinitas:default}:"
TICK = os.sysconf("SC_CLK_TCK")
HERE = Path(__file__).parent


def print_machine(**settings: object) -> None:
    """What the figures were measured on, and with."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    server = subprocess.run([find_redis(), "--version"], capture_output=True, text=True, check=True)
    version = next(word for word in server.stdout.split() if word.startswith("v="))
    print(f"{os.cpu_count()} × {model}, {platform.system()} {platform.release()}")
    print(f"Python {platform.python_version()}, {find_redis().name} {version[2:]}")
    print(", ".join(f"{name}={value}" for name, value in settings.items()))


class Stand:
    """One Redis and the processes that use it."""

    def __init__(self, url: str, redis_pid: int) -> None:
        self.url = url
        self.redis: Redis = Redis.from_url(url, decode_responses=True)
        self.redis_pid = redis_pid
        self.environment = {"INFINITAS_REDIS_URL": url, "INFINITAS_LOG_LEVEL": "error"}
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str) -> "subprocess.Popen[bytes]":
        """Run an `infinitas` command, quietly."""
        process = subprocess.Popen(
            [sys.executable, "-m", "infinitas", *command],
            env={**os.environ, **self.environment},
            cwd=HERE,
            stdout=subprocess.DEVNULL,
        )
        self._started.append(process)
        return process

    def kill(self, process: "subprocess.Popen[bytes]") -> None:
        process.send_signal(signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        for process in self._started:
            if process.poll() is None:
                self.kill(process)
        self.redis.close()

    def lags(self) -> "list[int]":
        """Milliseconds from slot to stream of every job that a schedule gave birth to, in order."""
        return [at - due for due, at in self.births()]

    def births(self) -> "Iterator[tuple[int, int]]":
        """(slot, moment of its job's birth by Redis' clock), both in ms."""
        position = "-"
        while True:
            entries: Any = self.redis.xrange(f"{P}events", position, count=5000)
            for _, fields in entries:
                if fields["type"] == "job.created":
                    yield int(fields["due"]), int(fields["at"])
            if not entries:
                return
            position = f"({entries[-1][0]}"

    def wait_for_jobs(self, count: int, patience_s: float) -> None:
        deadline = time.monotonic() + patience_s
        while self.redis.xlen(f"{P}stream:noop") < count:
            if time.monotonic() > deadline:
                raise SystemExit(
                    f"Only {self.redis.xlen(f'{P}stream:noop'):,} of {count:,} slots were fired."
                )
            time.sleep(0.05)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@contextmanager
def stand() -> "Iterator[Stand]":
    with tempfile.TemporaryDirectory(prefix="infinitas-bench-") as folder:
        server, url = start_redis(Path(folder))
        probe: Redis = Redis.from_url(url)
        info: Any = probe.info("server")
        # Events are kept whole, as with an archiver that is behind.
        probe.hset(f"{P}readers", "bench", "0-0")
        probe.close()
        made = Stand(url, int(info["process_id"]))
        try:
            yield made
        finally:
            made.close()
            server.stop()


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def spread(values: Sequence[int]) -> str:
    """p50, p99 and max of milliseconds."""
    cuts = quantiles(values, n=100, method="inclusive") if len(values) > 1 else [*values] * 99
    return f"p50 {cuts[49]:,.0f} ms   p99 {cuts[98]:,.0f} ms   max {max(values):,} ms"
