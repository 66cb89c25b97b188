"""Any number of schedulers, killed at random moments: every slot has exactly one job."""

import random
import time
from typing import Any

import pytest
from redis import Redis

from infinitas.core.codec import from_ms
from infinitas.devservers.servers import Urls
from tests.apps import jobs
from tests.forks import forks_of
from tests.support import Processes, eventually

P = "{infinitas:default}:"
SECONDS = 20
KEYS = ("one", "two", "three")


@pytest.mark.long
def test_sixty_slots_are_sixty_jobs_while_a_scheduler_is_killed_again_and_again(
    processes: Processes, servers: Urls, redis: Redis
) -> None:
    app = jobs.app.configure(redis_url=servers.redis)
    processes.start("scheduler")
    with forks_of(processes) as forks:
        victim = forks.start("scheduler")
        for key in KEYS:
            app.schedule("noop", "* * * * * *", key=key, overlap="allow", catch_up="all")
        firsts = {key: int(redis.zscore(f"{P}due", key) or 0) for key in KEYS}
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            time.sleep(random.uniform(0.05, 0.5))
            victim.kill()
            victim = forks.start("scheduler")
        wanted = {key: first + SECONDS * 1000 for key, first in firsts.items()}
        eventually(lambda: all((redis.zscore(f"{P}due", key) or 0) >= wanted[key] for key in KEYS))
    for key in KEYS:
        app.unschedule(key)
    app.close()

    entries: Any = redis.xrange(f"{P}events")
    born = [fields for _, fields in entries if fields.get("schedule") in KEYS]
    # A slot that had come when its schedule was removed is a recorded non-run.
    others = {(f["type"], f.get("reason")) for f in born if f["type"].startswith("job.")}
    assert others - {("job.skipped", "unscheduled")} == {("job.created", None)}
    created = [fields for fields in born if fields["type"] == "job.created"]
    for key, first in firsts.items():
        slots = [int(fields["due"]) for fields in created if fields["schedule"] == key]
        assert slots == list(range(first, max(slots) + 1000, 1000)), "each slot once, in order"
        assert len(slots) >= SECONDS
        assert from_ms(first).microsecond == 0
    given_up = [f for _, f in entries if f["type"] == "job.failed" and f["reason"] == "no_processor"]
    assert redis.xlen(f"{P}stream:noop") + len(given_up) == len(created)


def test_a_standby_takes_over_within_its_quarter_of_a_second(
    processes: Processes, servers: Urls, redis: Redis
) -> None:
    app = jobs.app.configure(redis_url=servers.redis)
    schedulers = [processes.start("scheduler"), processes.start("scheduler")]
    app.schedule("noop", "* * * * * *", key="every-second", overlap="allow", catch_up="all")
    eventually(lambda: redis.xlen(f"{P}stream:noop") >= 3)
    schedulers[0].kill()
    seen = redis.xlen(f"{P}stream:noop")
    eventually(lambda: redis.xlen(f"{P}stream:noop") >= seen + 3)
    app.close()
    entries: Any = redis.xrange(f"{P}events")
    created = [fields for _, fields in entries if fields["type"] == "job.created"]
    slots = [int(fields["due"]) for fields in created]
    assert slots == list(range(slots[0], slots[-1] + 1000, 1000))
