"""The ground on which peers meet: one Redis on a port, or one Postgres, and what their processes cost."""

import json
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from peers.marks import Marks
from redis import Redis
from rivals import PEERS, Rival
from stand import cpu_seconds, free_port

from infinitas.devservers.postgres import start_postgres
from infinitas.devservers.redis import find_redis


class Ground:
    """A Redis and perhaps a Postgres for one pass of one rival."""

    def __init__(self, folder: Path, url: str, pid: int, postgres: str, postgres_pid: int) -> None:
        self.url, self.pid = url, pid
        self.redis: Redis = Redis.from_url(url, decode_responses=True)
        self.marks = Marks(str(folder / "marks"))
        self.postgres, self.postgres_pid = postgres, postgres_pid

    def environment(self, rival: Rival) -> dict[str, str]:
        own = {
            "BENCH_REDIS": self.url,
            "BENCH_POSTGRES": self.postgres,
            "BENCH_MARKS": self.marks.path,
            "INFINITAS_REDIS_URL": self.url,
            "INFINITAS_POSTGRES_URL": self.postgres,
            "PYTHONPATH": str(PEERS),
            "PATH": f"{rival.bin}:{os.environ['PATH']}",
        }
        own = {name: value for name, value in own.items() if value}
        return {**os.environ, **own, **rival.settings}

    def send(
        self, rival: Rival, how: str, count: int, pause_s: float = 0.005, load: int = 0
    ) -> dict[str, float]:
        """Send jobs with the rival's own client. Returns `seconds` and `cpu` seconds."""
        sending = self.start_sending(rival, how, count, pause_s, load)
        out, problem = sending.communicate()
        if sending.returncode:
            raise SystemExit(f"{rival.module} could not send:\n{problem[-2000:]}")
        told: dict[str, float] = json.loads(out.splitlines()[-1])
        return told

    def start_sending(
        self, rival: Rival, how: str, count: int, pause_s: float, load: int
    ) -> "subprocess.Popen[str]":
        """`send`, beside what the caller does."""
        numbers = map(str, (count, pause_s, load))
        return subprocess.Popen(
            [str(rival.bin / "python"), "send.py", rival.module, how, *numbers],
            cwd=PEERS,
            env=self.environment(rival),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def worker(self, rival: Rival) -> "AbstractContextManager[subprocess.Popen[bytes]]":
        return self.run(rival, rival.worker)

    @contextmanager
    def run(self, rival: Rival, line: str) -> "Iterator[subprocess.Popen[bytes]]":
        folder = Path(self.marks.path).parent
        command = line.format(bin=rival.bin, redis=self.url, folder=folder).split()
        process = subprocess.Popen(
            command,
            cwd=PEERS,
            env=self.environment(rival),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                kill_tree(process.pid)
                process.wait()

    def server_cpu(self) -> float:
        return self.redis_cpu() + self.postgres_cpu()

    def redis_cpu(self) -> float:
        return cpu_seconds(self.pid)

    def postgres_cpu(self) -> float:
        return tree_cpu(self.postgres_pid) if self.postgres_pid else 0.0

    def commands(self) -> tuple[int, int]:
        """Commands that Redis has processed, and bytes that came in and went out."""
        info: Any = self.redis.info("all")
        traffic = int(info["total_net_input_bytes"]) + int(info["total_net_output_bytes"])
        return int(info["total_commands_processed"]), traffic

    def watch(self, seconds: float) -> int:
        """Commands that clients send within so many seconds; those inside scripts are not counted."""
        until, heard = time.monotonic() + seconds, b""
        with socket.create_connection(("127.0.0.1", urlsplit(self.url).port or 0), timeout=0.1) as client:
            client.sendall(b"MONITOR\r\n")
            while time.monotonic() < until:
                with suppress(TimeoutError):
                    heard += client.recv(1 << 16)
        # The first line is the answer to MONITOR.
        return sum(b" lua]" not in line for line in heard.splitlines()[1:])

    def memory(self) -> int:
        info: Any = self.redis.info("memory")
        return int(info["used_memory"])


@contextmanager
def ground(rival: Rival, *, aof: bool = False, postgres: bool = False) -> "Iterator[Ground]":
    with tempfile.TemporaryDirectory(prefix="infinitas-bench-") as folder:
        port = free_port()
        command = [str(find_redis()), "--port", str(port), "--dir", folder, "--save", ""]
        redis = subprocess.Popen(
            [*command, "--appendonly", "yes" if aof else "no"], stdout=subprocess.DEVNULL
        )
        base, url, pid = None, "", 0
        try:
            wait(lambda: _answers(port), 10)
            if rival.postgres or postgres:
                base, url = start_postgres(Path(folder) / "base")
                lock = Path(folder) / "base" / "postgres" / "data" / "postmaster.pid"
                pid = int(lock.read_text().splitlines()[0])
            at = Ground(Path(folder), f"redis://127.0.0.1:{port}/0", redis.pid, url, pid)
            if rival.postgres:
                schema = f"{rival.bin}/procrastinate --app {rival.module}.app schema --apply".split()
                subprocess.run(schema, cwd=PEERS, env=at.environment(rival), check=True, capture_output=True)
            yield at
            at.redis.close()
        finally:
            redis.terminate()
            redis.wait()
            if base is not None:
                base.stop()


def wait(condition: Callable[[], object], patience_s: float, every_s: float = 0.005) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("It did not come to an end.")
        time.sleep(every_s)


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


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
