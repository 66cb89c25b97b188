"""Any number of schedulers, killed at random moments: every slot has exactly one job."""

import random
import time
from typing import Any

from redis import Redis

from infinitas.core.codec import from_ms
from infinitas.devservers.servers import Urls
from tests.e2e import jobs
from tests.support import Processes, eventually

P = "{infinitas:default}:"
SECONDS = 60


def test_sixty_slots_are_sixty_jobs_while_a_scheduler_is_killed_again_and_again(
    processes: Processes, servers: Urls, redis: Redis
) -> None:
    app = jobs.app.configure(redis_url=servers.redis)
    processes.start("scheduler")
    victim = processes.start("scheduler")
    app.schedule("noop", "* * * * * *", key="every-second", overlap="allow")
    first = int(redis.zscore(f"{P}due", "every-second") or 0)
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        time.sleep(random.uniform(0.2, 1.5))
        victim.kill()
        victim.wait()
        victim = processes.start("scheduler")
    eventually(lambda: (redis.zscore(f"{P}due", "every-second") or 0) >= first + SECONDS * 1000)
    app.unschedule("every-second")
    app.close()

    entries: Any = redis.xrange(f"{P}events")
    born = [fields for _, fields in entries if fields.get("schedule") == "every-second"]
    kinds = {fields["type"] for fields in born if fields["type"].startswith("job.")}
    slots = [int(fields["due"]) for fields in born if fields["type"] == "job.created"]
    expected = list(range(first, max(slots) + 1000, 1000))
    assert kinds == {"job.created"}
    assert slots == expected, "each slot once, in order"
    assert len(slots) >= SECONDS
    given_up = [f for _, f in entries if f["type"] == "job.failed" and f["reason"] == "no_processor"]
    assert redis.xlen(f"{P}stream:noop") + len(given_up) == len(slots)
    assert from_ms(first).microsecond == 0


def test_a_standby_takes_over_within_its_quarter_of_a_second(
    processes: Processes, servers: Urls, redis: Redis
) -> None:
    app = jobs.app.configure(redis_url=servers.redis)
    schedulers = [processes.start("scheduler"), processes.start("scheduler")]
    app.schedule("noop", "* * * * * *", key="every-second", overlap="allow")
    eventually(lambda: redis.xlen(f"{P}stream:noop") >= 3)
    schedulers[0].kill()
    seen = redis.xlen(f"{P}stream:noop")
    eventually(lambda: redis.xlen(f"{P}stream:noop") >= seen + 3)
    app.close()
    entries: Any = redis.xrange(f"{P}events")
    created = [fields for _, fields in entries if fields["type"] == "job.created"]
    slots = [int(fields["due"]) for fields in created]
    assert slots == list(range(slots[0], slots[-1] + 1000, 1000))
