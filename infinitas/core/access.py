"""Access over HTTP: scopes, and the tokens that carry them. Pure; `server/auth.py` applies it."""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase

from infinitas.core.errors import BadArgs

PREFIX = "inf"
"""Lets scanners for leaked secrets recognize a token."""
_WORKER_OF = re.compile(r"worker:[^\s,]{1,200}")
_TOKEN = re.compile(rf"{PREFIX}_([0-9a-z]{{8}})_([A-Za-z0-9-]{{20,100}})")


class Scope(StrEnum):
    """What a token permits. No scope includes another, except that `admin` includes all."""

    READ = "read"
    """Read everything."""
    JOBS = "jobs"
    """Send, cancel, retry and rerun jobs."""
    TASKS = "tasks"
    """Add, change, pause, trigger, backfill and remove schedules."""
    WORKER = "worker"
    """Connect as a worker, for all tasks or, as `worker:GLOB`, for those whose names match."""
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A stored token. Of its secret, which has 256 random bits, only the SHA-256 digest is stored."""

    id: str
    name: str
    digest: str
    scopes: tuple[str, ...]
    created: datetime
    expires: datetime | None = None

    def allows(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def may_work_on(self, task: str) -> bool:
        """Whether a worker with this token may serve `task`."""
        globs = (scope.partition(":")[2] for scope in self.scopes if scope.startswith(f"{Scope.WORKER}:"))
        return self.allows(Scope.WORKER) or any(fnmatchcase(task, glob) for glob in globs)

    def matches(self, secret: str) -> bool:
        """Whether `secret` is this token's; takes the same time for a wrong one as for the right one."""
        return hmac.compare_digest(digest_of(secret), self.digest)


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def split_token(text: str) -> tuple[str, str] | None:
    """Id and secret from `inf_<id>_<secret>`; None for text of another form."""
    found = _TOKEN.fullmatch(text)
    return (found[1], found[2]) if found else None


def check_scopes(names: Sequence[str]) -> tuple[str, ...]:
    """Scopes by name. Raises BadArgs."""
    known = {str(scope) for scope in Scope}
    if not names or not all(name in known or _WORKER_OF.fullmatch(name) for name in names):
        raise BadArgs(f"Scopes are some of: {', '.join(Scope)}, worker:GLOB; not {', '.join(names)[:80]!r}.")
    return tuple(sorted(set(names)))
