"""Whose files are followed: on a shared machine any user can put settings into a folder."""

import os
from pathlib import Path

TRUST = "INFINITAS_TRUST_FILES"
"""Set to 1 where files belong to another user on purpose, as in a container with a mounted folder."""


def other_owner(path: Path) -> str | None:
    """Why a file is not followed: it belongs to another user. None if it may be, or is not there."""
    try:
        owner = path.stat().st_uid
    except OSError:
        return None
    if owner in (0, os.getuid()) or os.environ.get(TRUST) == "1":
        return None
    return f"{path.absolute()} belongs to another user (uid {owner}) and is ignored; {TRUST}=1 follows it."
