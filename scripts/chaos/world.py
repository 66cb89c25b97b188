"""Servers and processes of one run, each process behind a proxy of its own: its network can be cut."""

import contextlib
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from infinitas.devservers.guarded import GuardedServer
from infinitas.devservers.postgres import start_postgres
from infinitas.devservers.redis import start_redis
from scripts.chaos.app import FOLDER
from tests.forks import Fork, Forks, forks_of
from tests.proxy import Proxy
from tests.support import Processes, alive

LEASE_S = 2.0
WATCH_EVERY_S = 0.1
APP = "scripts.chaos.app:app"
COMMANDS = {
    "scheduler": ("scheduler",),
    "worker": ("worker", APP, "-c", "6"),
    "archiver": ("archiver",),
}


class Member:
    """A process that is started again whenever it ends, as a service manager does."""

    def __init__(self, world: "World", role: str) -> None:
        self._world = world
        self.role = role
        self.proxy = Proxy(world.socket)
        self.skew_s = 0.0
        self.fork = self._start()

    def _start(self) -> Fork:
        url = f"redis://127.0.0.1:{self.proxy.port}"
        return self._world.forks.start("--redis-url", url, *COMMANDS[self.role], skew_s=self.skew_s)

    def watch(self) -> None:
        if not alive(self.fork.pid):
            self.fork = self._start()

    def send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.fork.send_signal(number)


class World:
    """Redis, Postgres, two schedulers, three workers and two archivers; `chance` decides nothing here."""

    def __init__(self, folder: Path, *, everysec: bool) -> None:
        self.folder = folder
        self.everysec = everysec
        self.oracle = folder / "oracle"
        self.oracle.mkdir()
        self.redis_server, self.redis_url = start_redis(folder)
        self.postgres_server, self.postgres_url = start_postgres(folder)
        self.socket = self.redis_url.removeprefix("unix://")
        self.admin: Any = Redis.from_url(self.redis_url, decode_responses=True)
        self._write_before_answers()
        self.members: list[Member] = []
        self.forks: Forks
        self._watching = threading.Event()
        self.lock = threading.RLock()
        """Held while members are changed or started."""

    def environment(self) -> dict[str, str]:
        return {
            "INFINITAS_POSTGRES_URL": self.postgres_url,
            "INFINITAS_LEASE": str(LEASE_S),
            "INFINITAS_SHUTDOWN_TIMEOUT": "1",
            FOLDER: str(self.oracle),
        }

    def of(self, role: str) -> list[Member]:
        return [member for member in self.members if member.role == role]

    def restart_redis(self, down_s: float) -> None:
        """kill -9, a time without it, and a start from its append-only file."""
        os.kill(int(self.admin.info("server")["process_id"]), signal.SIGKILL)
        self.redis_server.stop()
        time.sleep(down_s)
        self.redis_server, _ = start_redis(self.folder)
        self.admin.close()
        self._write_before_answers()

    def _write_before_answers(self) -> None:
        """With `everysec`, Redis may answer two seconds before it writes: while a sync is slow."""
        if self.everysec:
            return
        self.admin.config_set("appendfsync", "always")

    def restart_postgres(self, down_s: float) -> None:
        """An immediate shutdown, as after a crash, a time without it, and its recovery."""
        pid = int((self.folder / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGQUIT)
        self.postgres_server.stop()
        time.sleep(down_s)
        self.postgres_server, _ = start_postgres(self.folder)

    def heal(self) -> None:
        """End all faults: every process runs, with its network, and Redis accepts writes."""
        with self.lock:
            for member in self.members:
                member.send(signal.SIGCONT)
                member.proxy.target = self.socket
                member.proxy.drop()
        with contextlib.suppress(RedisError):
            for name, value in (("maxmemory", 0), ("min-replicas-to-write", 0)):
                self.admin.config_set(name, value)

    def start(self, forks: Forks) -> None:
        self.forks = forks
        roles = ("scheduler", "scheduler", "worker", "worker", "worker", "archiver", "archiver")
        self.members = [Member(self, role) for role in roles]
        threading.Thread(target=self._watch, daemon=True).start()

    def stop(self) -> None:
        self._watching.set()
        with self.lock:
            for member in self.members:
                member.proxy.close()

    def _watch(self) -> None:
        while not self._watching.wait(WATCH_EVERY_S):
            with self.lock:
                for member in self.members:
                    member.watch()

    @property
    def servers(self) -> tuple[GuardedServer, GuardedServer]:
        return self.redis_server, self.postgres_server


@contextmanager
def world(*, everysec: bool = False) -> Iterator[World]:
    """A world with its processes, in a temporary folder that goes with it."""
    folder = Path(tempfile.mkdtemp(prefix="infinitas-chaos-"))
    made = World(folder, everysec=everysec)
    try:
        with forks_of(Processes(folder, made.environment())) as forks:
            made.start(forks)
            try:
                yield made
            finally:
                made.stop()
    finally:
        made.admin.close()
        for server in made.servers:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
