"""Runs both servers, and records their URLs for other commands while they run."""

import fcntl
import json
from dataclasses import dataclass
from pathlib import Path

from infinitas.core.errors import EmbeddedError
from infinitas.devservers.folder import private_folder
from infinitas.devservers.guarded import GuardedServer
from infinitas.devservers.postgres import start_postgres
from infinitas.devservers.redis import start_redis

_RECORD = "running.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Urls:
    redis: str
    postgres: str


class EmbeddedServers:
    """Context manager: both servers run while it is entered."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._servers: list[GuardedServer] = []

    def __enter__(self) -> Urls:
        try:
            redis, redis_url = start_redis(self._data)
            self._servers.append(redis)
            postgres, postgres_url = start_postgres(self._data)
            self._servers.append(postgres)
        except EmbeddedError:
            self._stop()
            raise
        record = {"redis": redis_url, "postgres": postgres_url}
        (private_folder(self._data) / _RECORD).write_text(json.dumps(record))
        return Urls(redis=redis_url, postgres=postgres_url)

    def __exit__(self, *_: object) -> None:
        (self._data / _RECORD).unlink(missing_ok=True)
        self._stop()

    def _stop(self) -> None:
        for server in reversed(self._servers):
            server.stop()


def running_servers(data: Path) -> Urls | None:
    """The servers that another process runs on `data`, or None."""
    try:
        record = json.loads((data / _RECORD).read_text())
        urls = Urls(redis=record["redis"], postgres=record["postgres"])
        with (data / "redis" / "redis.lock").open() as lock:
            # After kill -9 the record stays behind; the guardian's lock does not.
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        return urls
    except (OSError, ValueError, KeyError, TypeError):
        return None
