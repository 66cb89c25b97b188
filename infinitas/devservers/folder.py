"""Folders of the embedded servers: data in `.infinitas/`, sockets in a short private folder."""

import hashlib
import os
import socket
import struct
import tempfile
from contextlib import suppress
from pathlib import Path

from infinitas.core.errors import EmbeddedError

_LONGEST_SOCKET = 107 - len("/.s.PGSQL.5432.lock")


def private_folder(path: Path) -> Path:
    """Create `path` if needed, as a folder that only this user can enter.

    Raises:
        EmbeddedError: it can't be made, is a link, or belongs to another user.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Opened once: between two looks at a path another user could exchange what is there.
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            if os.fstat(folder).st_uid != os.getuid():
                raise EmbeddedError(f"{path} belongs to another user; choose another folder.")
            os.fchmod(folder, 0o700)
        finally:
            os.close(folder)
    except OSError as error:
        raise EmbeddedError(f"{path} can't be used as a folder: {error}.") from None
    return path.resolve()


def socket_folder(data: Path) -> Path:
    """A folder for UNIX sockets, with a short path: socket paths are limited to 107 bytes.

    Each folder of the path below the first one, which the system has made, belongs to this user alone. If
    another user has taken its name, the folder gets one that is not known in advance.
    """
    digest = hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:12]
    for parent in _parents():
        found = parent / digest
        if len(str(found)) <= _LONGEST_SOCKET:
            with suppress(EmbeddedError):
                private_folder(parent)
                return private_folder(found)
    return private_folder(Path(tempfile.mkdtemp(prefix="infinitas-")))


def _parents() -> list[Path]:
    name = f"infinitas-{os.getuid()}"
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    found = [Path(runtime) / name] if runtime and _is_ours(Path(runtime)) else []
    return [*found, Path(tempfile.gettempdir()) / name]


def _is_ours(folder: Path) -> bool:
    with suppress(OSError):
        return folder.is_dir() and folder.lstat().st_uid == os.getuid()
    return False


def owner_of_socket(path: str) -> int | None:
    """The user whose process listens at a UNIX socket; None if none does."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(path)
        except OSError:
            return None
        credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    uid: int = struct.unpack("3i", credentials)[1]
    return uid
