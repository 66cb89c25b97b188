"""Redis servers that one test has for itself: to be full, read-only, demoted or restarted."""

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis import Redis

from infinitas.devservers.redis import start_redis
from tests.support import eventually

NO_WRITES = ("OOM", "MISCONF", "READONLY", "NOREPLICAS")
"""What a Redis that answers reads may refuse writes with."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


class OwnRedis:
    """One server, on a Unix socket and on a port; and what an administrator does with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server, self.url = start_redis(folder)
        self.admin: Any = Redis.from_url(self.url, decode_responses=True)
        self._snapshot = folder / "redis" / "dump.rdb"
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
            # A folder where the snapshot belongs: BGSAVE fails.
            eventually(lambda: not self.admin.info("persistence")["rdb_bgsave_in_progress"])
            self._snapshot.unlink(missing_ok=True)
            self._snapshot.mkdir()
            self.set("save", "3600 1000000")
            self.admin.bgsave()
            eventually(lambda: self.admin.info("persistence")["rdb_last_bgsave_status"] == "err")

    def accept(self) -> None:
        """All is well again."""
        self.admin.replicaof("no", "one")
        if self._snapshot.is_dir():
            self._snapshot.rmdir()
        for name, value in (("maxmemory", 0), ("min-replicas-to-write", 0), ("save", "")):
            self.set(name, value)


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
