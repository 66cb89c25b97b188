"""Processes are killed, paused and cut off at random, and servers restarted: the invariants hold exactly.

The first test has three schedulers with wrong clocks and ten thousand slots; the second is the short form of
scripts/chaos, whose long form is run by hand.
"""

import random
import signal
import time
from collections import defaultdict
from typing import Any

import orjson
import pytest
from redis import Redis

from infinitas import Entry, every
from infinitas.devservers.servers import Urls
from scripts.chaos.run import run
from tests.apps import jobs
from tests.forks import Fork, Forks, forks_of
from tests.support import Processes, eventually

P = "{infinitas:default}:"
SCHEDULES = 40
PERIOD_MS = 100
SLOTS = 10_000
SKEWS = (-3600.0, 0.0, 7.5)
ENDS = ("job.created", "job.missed", "job.skipped")


@pytest.mark.long
def test_ten_thousand_slots_while_three_schedulers_are_killed_and_paused(
    processes: Processes, servers: Urls, redis: Redis
) -> None:
    chance = random.Random(random.random())
    app = jobs.app.configure(redis_url=servers.redis)
    redis.hset(f"{P}readers", "test", "0-0")  # No event is trimmed while we watch.
    keys = [f"s{i}" for i in range(SCHEDULES)]
    rules = [Entry(key=key, rule=every(milliseconds=PERIOD_MS)) for key in keys]
    with forks_of(processes) as forks:
        schedulers = [start(forks, skew) for skew in SKEWS]
        app.schedules.add_many("patient", rules, overlap="allow")
        disturb(forks, schedulers, chance)
        enough = (SLOTS // SCHEDULES) * PERIOD_MS
        starts = {key: starting_slot(redis, key) for key in keys}
        eventually(lambda: all(int(redis.hget(f"{P}marks", k) or 0) >= starts[k] + enough for k in keys))
    for key in keys:
        app.unschedule(key)
    app.close()
    check(redis, starts, SLOTS)


@pytest.mark.long
def test_no_invariant_is_violated_under_faults_of_every_kind() -> None:
    kinds = ("kill_worker", "kill_scheduler", "kill_archiver", "freeze_worker", "cut_cable", "lost_replies")
    on_servers = ("restart_redis", "full_redis", "restart_postgres")
    result = run(seed=114, seconds=6, mean_s=0.5, names=(*kinds, *on_servers))
    assert {each.name for each in result.plan} == {*kinds, *on_servers}
    assert result.violations == [], result
    assert result.facts["errors_of_the_run"] == []
    assert result.facts["slots"] > 100


def start(forks: Forks, skew: float) -> Fork:
    return forks.start("scheduler", skew_s=skew)


def disturb(forks: Forks, schedulers: list[Fork], chance: random.Random) -> None:
    """Kill and pause them for as long as the slots take."""
    began, length = time.monotonic(), SLOTS / SCHEDULES * PERIOD_MS / 1000
    all_paused = False
    while (passed := time.monotonic() - began) < length:
        time.sleep(chance.uniform(0.05, 0.25))
        victim = chance.randrange(len(schedulers))
        if passed > length / 2 and not all_paused:
            # For longer than a late slot counts as on time: some slots are missed.
            pause(schedulers, 6)
            all_paused = True
        elif chance.random() < 0.5:
            schedulers[victim].kill()
            schedulers[victim] = start(forks, SKEWS[victim])
        else:
            pause([schedulers[victim]], chance.uniform(0.05, 1.0))


def pause(schedulers: list[Fork], seconds: float) -> None:
    for each in schedulers:
        each.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    for each in schedulers:
        each.send_signal(signal.SIGCONT)


def starting_slot(redis: Redis, key: str) -> int:
    """The first slot of an interval: its anchor and one period."""
    rule: Any = redis.hget(f"{P}schedules", key)
    return int(orjson.loads(rule)["anchor_ms"]) + PERIOD_MS


def check(redis: Redis, starts: dict[str, int], at_least: int) -> None:
    entries: Any = redis.xrange(f"{P}events")
    ends: dict[str, list[int]] = defaultdict(list)
    count = dict.fromkeys(ENDS, 0)
    for _, fields in entries:
        if fields["type"] in ENDS:
            ends[fields["schedule"]].append(int(fields["due"]))
            count[fields["type"]] += 1
            assert int(fields["at"]) >= int(fields["due"]), "no slot is fired before its time"
    for key, start_ms in starts.items():
        expected = list(range(start_ms, ends[key][-1] + PERIOD_MS, PERIOD_MS))
        assert ends[key] == expected, f"{key}: each slot ends exactly once, in order"
    assert sum(map(len, ends.values())) >= at_least
    assert redis.xlen(f"{P}stream:patient") == count["job.created"], "each job is in its stream once"
    assert count["job.missed"] > 0, "slots that were not fired in time are in the ledger"
    skipped = [fields for _, fields in entries if fields["type"] == "job.skipped"]
    left = {fields["schedule"]: int(fields["due"]) for fields in skipped}
    assert {fields["reason"] for fields in skipped} <= {"unscheduled"}
    assert left == {key: ends[key][-1] for key in left}, "a slot that came while its schedule was removed"
