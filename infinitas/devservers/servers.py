"""Runs both servers, and records their URLs for other commands while they run."""

import fcntl
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from infinitas.core.errors import EmbeddedError
from infinitas.devservers.folder import owner_of_socket, private_folder
from infinitas.devservers.guarded import GuardedServer
from infinitas.devservers.postgres import start_postgres
from infinitas.devservers.redis import start_redis
from infinitas.runtime.ownership import other_owner

_log = logging.getLogger("infinitas.devservers")
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
    for path in (data, data / _RECORD):
        if (why := other_owner(path)) is not None:
            _log.warning("%s", why)
            return None
    try:
        record = json.loads((data / _RECORD).read_text())
        urls = Urls(redis=record["redis"], postgres=record["postgres"])
        with (data / "redis" / "redis.lock").open() as lock:
            # After kill -9 the record stays behind; the guardian's lock does not.
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        return urls if _is_our_redis(urls.redis) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_our_redis(url: str) -> bool:
    """Whether a process of this user, or of root, listens there: a socket's name can be taken."""
    owner = owner_of_socket(url.removeprefix("unix://"))
    if owner is None or owner in (0, os.getuid()):
        return True
    _log.warning("%s belongs to another user (uid %d) and is ignored.", url, owner)
    return False
