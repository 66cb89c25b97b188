"""Folders of the embedded servers: data in `.infinitas/`, sockets in a short private folder."""

import hashlib
import os
import tempfile
from pathlib import Path

from infinitas.core.errors import EmbeddedError


def private_folder(path: Path) -> Path:
    """Create `path` if needed, as a folder that only this user can enter.

    Raises:
        EmbeddedError: it can't be made, or belongs to another user.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.is_symlink() or path.stat().st_uid != os.getuid():
            raise EmbeddedError(f"{path} belongs to another user; choose another folder.")
        path.chmod(0o700)
    except OSError as error:
        raise EmbeddedError(f"{path} can't be used as a folder: {error}.") from None
    return path.resolve()


def socket_folder(data: Path) -> Path:
    """A folder for UNIX sockets, with a short path: socket paths are limited to 107 bytes."""
    digest = hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:12]
    return private_folder(Path(tempfile.gettempdir()) / f"infinitas-{os.getuid()}" / digest)
