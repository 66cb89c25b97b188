"""A real PgBouncer in transaction mode: each transaction may go to another session of Postgres."""

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg

from infinitas.devservers.folder import socket_folder
from infinitas.devservers.guarded import start_guarded
from infinitas.devservers.postgres import is_root
from tests.support import ROOT

_UNPACKED = ROOT / ".venv/pgbouncer/usr"
"""Where scripts/setup puts it without the right to install packages."""
_SETTINGS = """
[databases]
* = host={postgres} user={user}
[pgbouncer]
pool_mode = transaction
default_pool_size = {sessions}
unix_socket_dir = {sockets}
listen_port = 6432
auth_type = {auth}
auth_file = {users}
"""


@contextmanager
def pgbouncer_to(url: str, folder: Path, sessions: int = 2, password: str | None = None) -> Iterator[str]:
    """The URL of a PgBouncer with so many sessions of the Postgres behind a URL; it may want a password."""
    folders = ("/usr/sbin", "/usr/local/sbin", str(_UNPACKED / "sbin"))
    binary = shutil.which("pgbouncer") or shutil.which("pgbouncer", path=":".join(folders))
    assert binary, "PgBouncer is missing: scripts/setup dev installs it, or apt install pgbouncer"
    parts, sockets = urlsplit(url), socket_folder(folder)
    postgres = parse_qs(parts.query)["host"][0]
    settings, users = folder / "pgbouncer.ini", folder / "users.txt"
    users.write_text('"{}" "{}"\n'.format(parts.username, (password or "").replace('"', '""')))
    auth = "any" if password is None else "scram-sha-256"
    settings.write_text(
        _SETTINGS.format(
            **{"postgres": postgres, "user": parts.username, "sockets": sockets, "sessions": sessions},
            **{"auth": auth, "users": users},
        )
    )
    server = start_guarded(
        "pgbouncer",
        ["env", f"LD_LIBRARY_PATH={':'.join(map(str, _UNPACKED.glob('lib/*')))}", binary, str(settings)],
        folder=folder,
        stop_signal=signal.SIGINT,
        as_other_user=is_root(),
    )
    pooled = f"postgresql://{parts.username}@{parts.path}?host={sockets}&port=6432"

    def answers() -> bool:
        try:
            psycopg.connect(pooled, connect_timeout=2, password=password).close()
        except psycopg.OperationalError:
            return False
        return True

    try:
        server.wait_until(answers)
        yield pooled
    finally:
        server.stop()
