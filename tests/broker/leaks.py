"""What stays in Redis without a bound (invariant 7): only keys of docs/redis-keys.md, each with its owner.

A key of a job, or of a request, has an end or belongs to a job that lives. A key of a task, a worker or a
schedule belongs to one that Redis knows; so does each field of the lists of live jobs and of schedules.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from redis import Redis

from tests.support import ROOT

CLOCKS = ("infinitas:clock", "infinitas:ahead")
"""Only in tests: what moves the clock of Redis."""
ENDED = frozenset({"succeeded", "failed", "cancelled", "skipped", "missed"})
OWNERS = {
    **dict.fromkeys(("marks", "paused", "skips", "runs", "due"), "schedule"),
    **dict.fromkeys(("limits", "declarers", "processors"), "task"),
    "later": "id",
    "places": "member",
}
"""What the fields of a key name."""


def documented() -> Iterator[str]:
    """The keys of the table, as patterns."""
    for name in re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs/redis-keys.md").read_text(), re.MULTILINE):
        parts = re.split(r"<(\w+)>", name.removeprefix("…:"))
        pattern = "".join(f"(?P<{part}>.+)" if i % 2 else re.escape(part) for i, part in enumerate(parts))
        yield (r"(?P<prefix>\{infinitas:[^}]+\}:)" if name.startswith("…:") else "") + pattern


def unbounded(redis: Redis) -> list[str]:
    """What has neither an end nor an owner, with the reason."""
    patterns = [re.compile(pattern) for pattern in documented()]
    found: list[str] = []
    keys = sorted(redis.scan_iter(count=1000))
    pipe = redis.pipeline(transaction=False)
    for key in keys:
        pipe.ttl(key)
    for key, ttl in zip(keys, pipe.execute(), strict=True):
        match = next((each for pattern in patterns if (each := pattern.fullmatch(key))), None)
        if key not in CLOCKS and match is None:
            found.append(f"{key}: is not documented")
        elif match is not None and ttl == -1:
            names = match.groupdict()
            queue = Queue(redis, names.pop("prefix", ""))
            found += [f"{key}: {why}" for why in _without_owner(queue, key, names)]
    return found


class Queue:
    """What lives in one queue."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self.redis = redis
        self.prefix = prefix

    def without_job(self, ids: Iterable[str]) -> list[str]:
        """Those of these jobs that do not live."""
        ids = list(ids)
        pipe = self.redis.pipeline(transaction=False)
        for id in ids:
            pipe.hmget(f"{self.prefix}job:{id}", "state", "lingers")
        return [
            id
            for id, (state, lingers) in zip(ids, pipe.execute(), strict=True)
            if not state or (state in ENDED and lingers is None)
        ]

    def has(self, kind: str, name: str) -> bool:
        match kind:
            case "id":
                return not self.without_job([name])
            case "task" | "name":
                # The former queue of a task keeps what belongs to its jobs that still run there.
                return any(self.redis.hexists(f"{self.prefix}{kind}", name) for kind in ("tasks", "moved"))
            case "schedule":
                return bool(self.redis.hexists(f"{self.prefix}schedules", name))
            case "key":
                return bool(self.redis.hexists(f"{self.prefix}backfills", name))
            case "member":
                return bool(self.redis.hexists(f"{self.prefix}members", name))
            case _:
                return False  # A worker's notices, and what belongs to a request, have an end.


def _without_owner(queue: Queue, key: str, names: dict[str, str]) -> Iterator[str]:
    for kind, name in names.items():
        if not queue.has(kind, name):
            yield f"there is no {kind} {name!r} that lives, and it has no end"
    name = key.removeprefix(queue.prefix)
    fields = _members(queue.redis, key) if name in OWNERS else []
    yield from (f"holds {each!r}" for each in fields if not queue.has(OWNERS[name], each))
    jobs: Any = []
    if name == "live" or name.startswith("keys:"):
        jobs = queue.redis.hvals(key)
    elif name.startswith("stream:"):
        entries: Any = queue.redis.xrange(key)
        jobs = [fields.get("job", "") for _, fields in entries]
    yield from (f"holds the job {job!r}" for job in queue.without_job(jobs))


def _members(redis: Redis, key: str) -> list[str]:
    found: Any = redis.zrange(key, 0, -1) if redis.type(key) == "zset" else redis.hkeys(key)
    return list(found)


@pytest.fixture(autouse=True)
def nothing_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Of each test in a folder whose conftest has this; but for those with the mark `damages`."""
    if "redis" not in request.fixturenames or request.node.get_closest_marker("damages"):
        yield
        return
    redis = request.getfixturevalue("redis")
    yield
    left = unbounded(redis)
    assert not left, "\n".join(left)
