"""Redis servers that one test has for itself: to be full, read-only, demoted or restarted."""

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis import Redis

from infinitas.embedded.redis import start_redis
from tests.support import eventually


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


class OwnRedis:
    """One server, on a Unix socket and on a port; and what an administrator does with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server, self.url = start_redis(folder)
        self.admin: Any = Redis.from_url(self.url, decode_responses=True)
        self.port = free_port()
        self.set("port", self.port)

    def set(self, name: str, value: object) -> None:
        self.admin.config_set(name, value)

    def refuse(self, code: str) -> None:
        """Have it refuse writes with this code, and answer reads where such a server would."""
        if code == "OOM":
            self.set("maxmemory", 1)
        if code == "NOREPLICAS":
            self.set("min-replicas-to-write", 1)
        if code in ("READONLY", "MASTERDOWN"):
            self.set("replica-serve-stale-data", "yes" if code == "READONLY" else "no")
            self.admin.replicaof("127.0.0.1", 1)
        if code == "MISCONF":
            (self.folder / "redis" / "dump.rdb").mkdir(exist_ok=True)
            self.set("stop-writes-on-bgsave-error", "yes")
            self.set("save", "3600 1")
            self.admin.bgsave()
            eventually(lambda: self.admin.info("persistence")["rdb_last_bgsave_status"] == "err")

    def accept(self) -> None:
        """All is well again."""
        self.set("maxmemory", 0)
        self.set("min-replicas-to-write", 0)
        self.set("save", "")
        self.set("stop-writes-on-bgsave-error", "no")
        self.admin.replicaof("no", "one")


@contextmanager
def own_redis() -> Iterator[OwnRedis]:
    folder = Path(tempfile.mkdtemp(prefix="infinitas-own-"))
    own = OwnRedis(folder)
    try:
        yield own
    finally:
        own.admin.close()
        own.server.stop()
        shutil.rmtree(folder, ignore_errors=True)
