"""A real Redis that refuses writes: full, unable to persist, read-only, without replicas."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis import Redis

from infinitas.embedded.redis import start_redis
from tests.support import eventually

CODES = ("OOM", "MISCONF", "READONLY", "NOREPLICAS")


@contextmanager
def start(folder: Path) -> Iterator[Any]:
    """A server in `folder`; the client has its `url` and its `folder`, too, and returns bytes."""
    guarded, url = start_redis(folder)
    client: Any = Redis.from_url(url, decode_responses=False)
    client.url, client.folder = url, folder / "redis"
    yield client
    client.close()
    guarded.stop()


def accept(redis: Any) -> None:
    """Make Redis accept writes again, whatever it refused them for."""
    redis.replicaof("NO", "ONE")
    blocker = redis.folder / "dump.rdb"
    if blocker.is_dir():
        blocker.rmdir()
    for name, value in (("maxmemory", "0"), ("min-replicas-to-write", "0"), ("save", "")):
        redis.config_set(name, value)


def refuse(redis: Any, code: str) -> None:
    """Make Redis refuse writes with this code, for its own reasons."""
    if code == "OOM":
        redis.config_set("maxmemory", "1")
    elif code == "NOREPLICAS":
        redis.config_set("min-replicas-to-write", "1")
    elif code == "READONLY":
        redis.replicaof("127.0.0.1", "1")
    else:
        # A folder where the snapshot belongs: BGSAVE fails.
        eventually(lambda: not redis.info("persistence")["rdb_bgsave_in_progress"])
        (redis.folder / "dump.rdb").unlink(missing_ok=True)
        (redis.folder / "dump.rdb").mkdir()
        redis.config_set("save", "3600 1000000")
        redis.bgsave()
        eventually(lambda: redis.info("persistence")["rdb_last_bgsave_status"] == "err")
