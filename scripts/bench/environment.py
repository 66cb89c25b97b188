"""What one round runs in: one Redis, a Postgres if needed, the processes of a system, and what they cost."""

import json
import os
import platform
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from processes import accepts, cpu_seconds, free_port, kill_tree, tree_cpu, wait
from redis import Redis
from systems.counters import Counters
from systems.tables import HERE, OURS, System

from infinitas.devservers.postgres import start_postgres
from infinitas.devservers.redis import find_redis

PREFIX = "{infinitas:default}:"
"""Of our keys of the default queue."""
LOG = "processes.log"
Process = subprocess.Popen[bytes]


class Environment:
    """Servers and processes; everything ends with `environment()`."""

    def __init__(self, folder: Path, url: str, redis_pid: int, postgres: str, postgres_pid: int) -> None:
        self.folder, self.url, self.redis_pid = folder, url, redis_pid
        self.redis: Redis = Redis.from_url(url, decode_responses=True)
        self.counters = Counters(str(folder / "counters"))
        self.postgres, self.postgres_pid = postgres, postgres_pid
        self._log = (folder / LOG).open("wb")
        self._started: list[Process] = []

    def variables(self, system: System) -> dict[str, str]:
        """Environment variables of a system's processes."""
        path = [str(system.checkout)] if system.checkout else []
        own = {
            "BENCH_REDIS": self.url,
            "BENCH_POSTGRES": self.postgres,
            "BENCH_COUNTERS": self.counters.path,
            "INFINITAS_REDIS_URL": self.url,
            "INFINITAS_POSTGRES_URL": self.postgres,
            "INFINITAS_LOG_LEVEL": "error",
            "PYTHONPATH": os.pathsep.join([*path, str(HERE)]),
            "PATH": f"{system.bin}:{os.environ['PATH']}",
        }
        own = {name: value for name, value in own.items() if value}
        return {**os.environ, **own, **system.settings}

    def send(
        self, system: System, how: str, count: int, pause_s: float = 0.0, load: int = 0
    ) -> dict[str, float]:
        """Send jobs with the system's own client. Returns `seconds` and `cpu` seconds."""
        sending = self.start_sending(system, how, count, pause_s, load)
        out, problem = sending.communicate()
        if sending.returncode:
            raise SystemExit(f"{system.module} could not send:\n{problem[-2000:]}")
        used: dict[str, float] = json.loads(out.splitlines()[-1])
        return used

    def start_sending(
        self, system: System, how: str, count: int, pause_s: float = 0.0, load: int = 0
    ) -> "subprocess.Popen[str]":
        """`send` without waiting for its end."""
        numbers = map(str, (count, pause_s, load))
        return subprocess.Popen(
            [str(system.bin / "python"), "send.py", system.module, how, *numbers],
            cwd=HERE,
            env=self.variables(system),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def start(self, command: str, system: System = OURS) -> Process:
        """Start a command of a system; it is killed when the environment ends, if not before."""
        values = {"bin": system.bin, "redis": self.url, "folder": self.folder}
        process = subprocess.Popen(
            [part.format(**values) for part in command.split()],
            cwd=HERE,
            env=self.variables(system),
            stdout=subprocess.DEVNULL,
            stderr=self._log,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    @contextmanager
    def running(self, command: str, system: System = OURS) -> Iterator[Process]:
        """`start`, with a graceful stop at the end."""
        process = self.start(command, system)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill(process)

    def kill(self, process: Process) -> None:
        """Kill a process with all below it."""
        if process.poll() is None:
            kill_tree(process.pid)
            process.wait()

    def server_cpu(self) -> float:
        return self.redis_cpu() + self.postgres_cpu()

    def redis_cpu(self) -> float:
        return cpu_seconds(self.redis_pid)

    def postgres_cpu(self) -> float:
        return tree_cpu(self.postgres_pid) if self.postgres_pid else 0.0

    def traffic(self) -> tuple[int, int]:
        """Commands that Redis has processed, and bytes that came in and went out."""
        info: Any = self.redis.info("all")
        size = int(info["total_net_input_bytes"]) + int(info["total_net_output_bytes"])
        return int(info["total_commands_processed"]), size

    def count_commands(self, seconds: float) -> int:
        """Commands that clients send within `seconds`; those inside scripts are not counted."""
        until, received = time.monotonic() + seconds, b""
        with socket.create_connection(("127.0.0.1", urlsplit(self.url).port or 0), timeout=0.1) as client:
            client.sendall(b"MONITOR\r\n")
            while time.monotonic() < until:
                with suppress(TimeoutError):
                    received += client.recv(1 << 16)
        # The first line is the answer to MONITOR.
        return sum(b" lua]" not in line for line in received.splitlines()[1:])

    def memory(self) -> int:
        info: Any = self.redis.info("memory")
        return int(info["used_memory"])

    def close(self) -> None:
        for process in self._started:
            self.kill(process)
        self.redis.close()
        self._log.close()


@contextmanager
def environment(
    system: System = OURS, *, aof: bool = False, postgres: bool = False, dev: bool = False
) -> Iterator[Environment]:
    """An empty Redis on a port, on disk only with `aof`; a Postgres if `postgres` or the system needs one.

    With `dev` Redis is as `infinitas dev` runs it: on a Unix socket, with an append-only file.
    """
    with tempfile.TemporaryDirectory(prefix="infinitas-bench-") as name:
        folder = Path(name)
        server, url = _start_redis(folder, aof, dev)
        base, postgres_url, pid = None, "", 0
        try:
            if postgres or system.postgres:
                base, postgres_url = start_postgres(folder / "base")
                lock = folder / "base" / "postgres" / "data" / "postmaster.pid"
                pid = int(lock.read_text().splitlines()[0])
            on = Environment(folder, url, server.pid, postgres_url, pid)
            try:
                if system.postgres:
                    _create_tables(on, system)
                yield on
            except TimeoutError as error:
                raise SystemExit(f"{system.module}: {error}.{_log_tail(folder)}") from None
            finally:
                on.close()
        finally:
            server.terminate()
            server.wait()
            if base is not None:
                base.stop()


def _start_redis(folder: Path, aof: bool, dev: bool) -> tuple[Process, str]:
    port, path = free_port(), folder / "redis.sock"
    command = [str(find_redis()), "--port", str(port), "--unixsocket", str(path), "--dir", str(folder)]
    command += ["--save", "", "--appendonly", "yes" if aof or dev else "no"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait(lambda: accepts(port), 60)
    except BaseException:
        server.kill()
        raise
    return server, f"unix://{path}" if dev else f"redis://127.0.0.1:{port}/0"


def _create_tables(on: Environment, system: System) -> None:
    command = [f"{system.bin}/procrastinate", "--app", f"{system.module}.app", "schema", "--apply"]
    subprocess.run(command, cwd=HERE, env=on.variables(system), check=True, capture_output=True)


def _log_tail(folder: Path) -> str:
    log = (folder / LOG).read_text(errors="replace")[-2000:]
    return f" Its processes wrote:\n{log}" if log else ""


def print_machine(**settings: object) -> None:
    """What the figures are measured on, and with."""
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
