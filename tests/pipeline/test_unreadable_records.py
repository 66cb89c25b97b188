"""What another version or a person has stored wrong is shown as unreadable, and all else as it is."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from redis import Redis
from redis.exceptions import ResponseError

from infinitas import every
from infinitas.core.errors import BadSchedule, ConfigError
from tests.pipeline.system import P, System

RUN: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "phases": (Phase.generate, Phase.shrink),
    "suppress_health_check": list(HealthCheck),
}
GOOD_JOB = {"task": "honest", "state": "queued", "args": "[[],{}]", "due": "1700000000000", "created": "1"}
NO_TYPE: dict[str, Callable[[Redis, str], object]] = {
    "string": lambda redis, key: redis.set(key, "x"),
    "list": lambda redis, key: redis.rpush(key, "x"),
    "hash": lambda redis, key: redis.hset(key, "x", "y"),
    "stream": lambda redis, key: redis.xadd(key, {"x": "y"}),
}


def bad_job(system: System, **fields: str) -> None:
    """A job that the lists come across, whose hash has these fields."""
    system.redis.delete(f"{P}job:bad")
    system.redis.hset(f"{P}job:bad", mapping={**GOOD_JOB, **fields})
    system.redis.zadd(f"{P}later", {"bad": 1.0})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("due", "253402300800000"),
        ("due", "soon"),
        ("due", ""),
        ("state", "napping"),
        ("args", "{"),
        ("args", "5"),
        ("args", "[[NaN],{}]"),
        ("task", ""),
        ("attempt", "9" * 400),
        ("progress", "inf"),
        ("result", "{"),
        ("checkpoint", "nope"),
        ("headers", '{"a":1}'),
        ("started", "-99999999999999999"),
    ],
)
def test_a_bad_job_is_shown_as_bad(system: System, field: str, value: str) -> None:
    bad_job(system, **{field: value})
    system.check(jobs=["bad"])
    shown = system.get("/jobs/bad")
    assert shown["unreadable"].startswith(f"{field}: ")
    assert "bad" in [each["id"] for each in system.get("/jobs")["items"]]
    assert system.app.fetch_job("bad").unreadable == shown["unreadable"]
    assert "unreadable" in system.cli("job", "show", "bad")
    assert "unreadable" in system.cli("job", "ls")


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "null", '{"name":"bad","doc":5}', '{"name":"honest"}', '{"queue":"a"}', '{"rate":"1"}'],
)
def test_a_bad_definition_is_shown_as_bad(system: System, text: str) -> None:
    system.redis.hset(f"{P}tasks", "bad", text)
    system.check(tasks=["bad"])
    assert system.get("/tasks/bad")["unreadable"].startswith("definition: ")
    assert (system.app.fetch_task("bad").unreadable or "").startswith("definition: ")
    assert "unreadable" in system.cli("task", "ls")
    assert "unreadable" in system.cli("task", "show", "bad")
    refused = system.ask("POST", "/api/v1/tasks/bad/jobs", {})
    assert (refused.status_code, refused.json()["code"]) == (400, ConfigError.code)


BAD_RULES = [
    "{",
    "5",
    '{"key":"bad","task":"honest"}',
    '{"key":"bad"}',
    '{"key":"bad","task":"honest","cron":5}',
    '{"key":"bad","task":"honest","cron":"nonsense"}',
    '{"key":"bad","task":"honest","every_ms":0}',
    '{"key":"bad","task":"honest","at_ms":99999999999999999}',
    '{"key":"bad","task":"honest","every_ms":1000,"jitter_ms":"x"}',
    '{"key":"bad","task":"honest","cron":"* * * * *","timezone":"Mars/Olympus"}',
    '{"key":"bad","task":"honest","every_ms":60000,"args":"{"}',
    '{"key":"other","task":"honest","every_ms":60000}',
]


@pytest.mark.parametrize("text", BAD_RULES)
def test_a_bad_schedule_is_shown_replaced_and_removed(system: System, text: str) -> None:
    def spoil() -> None:
        system.redis.hset(f"{P}schedules", "bad", text)
        system.redis.zadd(f"{P}due", {"bad": 4_000_000_000_000})

    spoil()
    system.check(schedules=["bad"])
    shown = system.get("/schedules/bad")
    assert shown["unreadable"].startswith("definition: ")
    assert (shown["key"], shown["rule"]) == ("bad", "unreadable")
    assert "unreadable schedule bad" in system.get("/timeline")["missing"]
    assert "unreadable" in system.cli("schedule", "ls")
    assert "unreadable" in system.cli("schedule", "show", "bad")
    with pytest.raises(BadSchedule, match="can't be read"):
        system.app.schedules.trigger("bad")
    for path, body in (("skip", {}), ("trigger", {})):
        assert system.ask("POST", f"/api/v1/schedules/bad/{path}", body).json()["code"] == BadSchedule.code
    system.app.schedule("honest", every(hours=3), key="bad")
    assert system.get("/schedules/bad")["unreadable"] is None
    spoil()
    system.cli("schedule", "rm", "bad")
    assert system.ask("GET", "/api/v1/schedules/bad").status_code == 404
    spoil()
    assert system.ask("DELETE", "/api/v1/schedules/bad").status_code == 204


@pytest.mark.parametrize("kind", NO_TYPE)
@pytest.mark.parametrize("name", ["job:{job}", "log:{job}", "task:bad", "recent:bad", "stream:bad", "later"])
def test_a_key_that_holds_something_else_is_one_bad_record(system: System, name: str, kind: str) -> None:
    bad_job(system)
    system.redis.hset(f"{P}tasks", "bad", '{"name":"bad"}')
    key = P + name.format(job="bad")
    system.redis.delete(key)
    NO_TYPE[kind](system.redis, key)
    system.check(jobs=["bad"], tasks=["bad"])


@pytest.mark.parametrize(
    "facts",
    [{"host": "h"}, {"pid": "x"}, {"started": "9" * 20}, {"tasks": "{"}, {"queues": "5"}, {"slots": "1.5"}],
)
def test_a_worker_with_bad_facts_is_shown_as_bad(system: System, facts: dict[str, str]) -> None:
    system.redis.hset(f"{P}members", "w-bad", "{}")
    system.redis.hset("infinitas:worker:w-bad", mapping=facts)
    system.check()
    (shown,) = (each for each in system.get("/workers") if each["id"] == "w-bad")
    assert shown["unreadable"]
    assert "unreadable" in system.cli("worker", "ls")


def test_a_bad_line_stands_among_the_good_ones(system: System) -> None:
    log = f"{P}log:{system.job}"
    for lines in ('[[0,1700000000000,"info","first"]]', "{", '[[1,253402300800000,"info","x"],[2,5]]'):
        system.redis.xadd(log, {"attempt": 1, "lines": lines})
    system.redis.xadd(log, {"attempt": 1, "lines": '[[3,1700000000001,"info","last"]]'})
    system.redis.xadd(log, {"nothing": "here"})
    shown = system.get(f"/jobs/{system.job}/logs")["items"]
    assert [line["level"] for line in shown] == ["info", *["unreadable"] * 3, "info", "unreadable"]
    assert [line.text for line in system.app.fetch_job(system.job).log][::4] == ["first", "last"]


NASTY = st.sampled_from(
    [
        *("", "{", "[]", "null", "5", "-1", "1e400", "NaN", "inf", "true", '"x"', "9" * 400, "9" * 5000),
        *("253402300800000", "-62135596800001", "9007199254740993", "\0", "\x1b[2J", "\u2028", "[[],{}]"),
        *("[" * 300 + "]" * 300, '{"a":' * 150 + "1" + "}" * 150, '"\\ud800"', '["a",5]', "x" * 70_000),
    ]
)
VALUES = NASTY | st.text(max_size=20) | st.integers().map(str) | st.floats().map(str)
SCORES = st.floats(allow_nan=False) | st.sampled_from([float("inf"), float("-inf"), 1e300, -1.0, 1e15, 0.5])
JOB_FIELDS = (
    *("task", "state", "attempt", "args", "due", "reason", "schedule", "created", "started", "ended"),
    *("worker", "error", "traceback", "result", "progress", "step", "checkpoint", "key", "headers", "ready"),
    *("crashes", "logged", "expires", "rung"),
)
SUMMARY = ("last_job", "last_job_date", "last_job_status", "last_success", "last_failure_date", "streak")
FACTS = ("host", "pid", "version", "started", "slots", "busy", "queues", "tasks", "last_beat")
SCHEDULE_HASHES = ("schedules", "marks", "paused", "skips", "runs", "live", "backfills")
HASHES = st.one_of(
    st.tuples(st.just(f"{P}job:bad"), st.sampled_from(JOB_FIELDS)),
    st.tuples(st.just(f"{P}task:bad"), st.sampled_from(SUMMARY)),
    st.tuples(st.just("infinitas:worker:w-bad"), st.sampled_from(FACTS)),
    st.tuples(st.sampled_from([f"{P}{name}" for name in SCHEDULE_HASHES]), st.just("bad")),
    st.tuples(st.sampled_from([f"{P}tasks", f"{P}limits", f"{P}members"]), st.just("bad")),
)
WRITES = st.one_of(
    st.tuples(st.just("hset"), HASHES, VALUES),
    st.tuples(st.just("hdel"), HASHES),
    st.tuples(st.just("rpush"), st.just(f"{P}recent:bad"), VALUES),
    st.tuples(st.just("zadd"), st.sampled_from([f"{P}later", f"{P}due", f"{P}processors"]), SCORES),
    st.tuples(st.just("xadd"), st.sampled_from([f"{P}log:bad", f"{P}stream:bad"]), VALUES),
    st.tuples(
        st.just("type"),
        st.sampled_from([f"{P}job:bad", f"{P}task:bad", f"{P}recent:bad", f"{P}stream:bad", f"{P}log:bad"]),
        st.sampled_from(sorted(NO_TYPE)),
    ),
)


def write(redis: Redis, what: tuple[Any, ...]) -> None:
    verb, where, *value = what
    if verb == "hset":
        redis.hset(where[0], where[1], value[0])
    elif verb == "hdel":
        redis.hdel(*where)
    elif verb == "rpush":
        redis.rpush(where, value[0])
    elif verb == "zadd":
        redis.zadd(where, {"bad": value[0]})
    elif verb == "xadd":
        redis.xadd(where, {"attempt": "1", "lines": value[0], "job": value[0][:100]})
    else:
        redis.delete(where)
        NO_TYPE[value[0]](redis, where)


def test_whatever_is_written_into_redis_every_view_answers(system: System) -> None:
    @settings(max_examples=25, **RUN)
    @given(st.lists(WRITES, min_size=1, max_size=6))
    def spoil(writes: list[tuple[Any, ...]]) -> None:
        system.seed()
        bad_job(system)
        system.redis.hset(f"{P}tasks", "bad", '{"name":"bad"}')
        system.app.schedule("honest", every(hours=3), key="bad")
        for each in writes:
            # An earlier write may have put another type there.
            with suppress(ResponseError):
                write(system.redis, each)
        system.check(jobs=["bad"], tasks=["bad"], schedules=["bad"])
        system.check_commands()

    spoil()
