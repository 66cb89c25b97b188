"""`infinitas healthcheck`: what each process writes of itself, and when it is well."""

import json
import socket
from typing import Any

import httpx
import pytest
from redis import Redis

from tests.support import Processes, eventually

HASH = "infinitas:processes"
HOST = socket.gethostname()


def write(redis: Redis, kind: str, **facts: object) -> None:
    """Store a process that runs on this host and has just written itself."""
    seconds, micros = redis.time()
    at = seconds * 1000 + micros // 1000
    known: dict[str, Any] = {"version": "1", "started": at, "at": at, "status": "busy"}
    known |= {"troubles": [], "address": ""} | facts
    known["at"] = at - known.pop("age_ms", 0)
    redis.hset(HASH, f"{kind} {known.pop('host', HOST)} {known.pop('pid', 7)}", json.dumps(known))


def check(processes: Processes, *arguments: str) -> tuple[int, dict[str, Any]]:
    called = processes.call("healthcheck", *arguments, "-o", "json")
    return called.returncode, json.loads(called.stdout)


def test_each_process_writes_how_it_is(processes: Processes, postgres_url: str) -> None:
    for kind in ("scheduler", "archiver", "notifier"):
        processes.start(kind)
    processes.start("worker", "tests.apps.jobs:app")
    processes.start("server", "--port", "0")

    def well() -> dict[str, Any] | None:
        code, found = check(processes)
        kinds = [each["kind"] for each in found["processes"]]
        complete = kinds == ["scheduler", "worker", "archiver", "server", "notifier"]
        return found if code == 0 and complete else None

    found = eventually(well)
    texts = {each["kind"]: each["text"] for each in found["processes"]}
    assert "slots fired" in texts["scheduler"] or "slot fired" in texts["scheduler"]
    # Its schedule may run just now.
    assert " running" in texts["worker"]
    address = texts["server"].split(",")[0]
    assert httpx.get(f"{address}/readyz").status_code == 200


def test_a_process_that_stops_is_gone(processes: Processes, redis: Redis) -> None:
    started = processes.start("scheduler")
    eventually(lambda: redis.hlen(HASH))
    started.terminate()
    assert started.wait(30) == 0
    assert not redis.hlen(HASH)


def test_none_on_this_host_is_not_well(processes: Processes, redis: Redis) -> None:
    write(redis, "scheduler", host="another")
    called = processes.call("healthcheck", "scheduler")
    assert (called.returncode, called.stdout) == (
        1,
        f"scheduler: not well: no such process runs on {HOST}\n",
    )
    assert processes.call("healthcheck", "scheduler", "--host", "another").returncode == 0


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"age_ms": 60_000}, "no sign of life for 60 s"),
        ({"troubles": ["ticker default hangs: its pass takes 301 s"]}, "ticker default hangs"),
    ],
)
def test_a_silent_or_troubled_process_is_not_well(
    processes: Processes, redis: Redis, facts: dict[str, Any], text: str
) -> None:
    write(redis, "scheduler", **facts)
    code, found = check(processes)
    assert code == 1
    assert text in found["processes"][0]["text"]


def test_one_that_was_killed_does_not_count_beside_its_successor(processes: Processes, redis: Redis) -> None:
    write(redis, "scheduler", pid=6, age_ms=60_000)
    write(redis, "scheduler", pid=7)
    code, found = check(processes, "scheduler")
    assert (code, [each["pid"] for each in found["processes"]]) == (0, [7])


def test_a_reader_with_events_that_wait_is_not_well(processes: Processes, redis: Redis) -> None:
    write(redis, "archiver")
    redis.sadd("infinitas:queues", "default")
    redis.hset("{infinitas:default}:readers", "archiver", "0-0")
    redis.xadd("{infinitas:default}:events", {"type": "job.queued", "at": "1"}, id="1000-1")
    code, found = check(processes, "archiver")
    assert code == 1
    assert "events of queue default have waited for" in found["processes"][0]["text"]


def test_a_server_that_does_not_answer_is_not_well(processes: Processes, redis: Redis) -> None:
    write(redis, "server", address="http://127.0.0.1:9")
    code, found = check(processes, "server")
    assert (code, found["processes"][0]["text"]) == (1, "http://127.0.0.1:9: ConnectionRefusedError")


def test_without_redis_it_ends_in_time(processes: Processes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        processes.environment["INFINITAS_REDIS_URL"] = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        called = processes.call("healthcheck", "scheduler")
    assert (called.returncode, called.stdout) == (1, "scheduler: not well: no answer within 1 second\n")


def test_entries_that_can_not_be_read_are_left_out(processes: Processes, redis: Redis) -> None:
    redis.hset(HASH, mapping={"scheduler": "{}", f"scheduler {HOST} 3": "[]", f"scheduler {HOST} x": "{}"})
    assert check(processes, "scheduler")[0] == 1


def test_the_start_of_a_process_forgets_those_killed_an_hour_ago(processes: Processes, redis: Redis) -> None:
    write(redis, "archiver", age_ms=4_000_000)
    write(redis, "notifier", age_ms=60_000)
    processes.start("scheduler")

    def kinds() -> list[str]:
        stored: Any = redis.hkeys(HASH)
        return sorted(each.split()[0] for each in stored)

    assert eventually(lambda: "scheduler" in kinds() and kinds()) == ["notifier", "scheduler"]
