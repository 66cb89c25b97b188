"""Records that another version or a person stored wrong are shown as unreadable, all others unchanged."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis
from redis.exceptions import ResponseError

from infinitas import every
from infinitas.core.errors import BadSchedule, ConfigError
from tests.views.system import RUN, P, System

GOOD_JOB = {"task": "honest", "state": "queued", "args": "[[],{}]", "due": "1700000000000", "created": "1"}
NO_TYPE: dict[str, Callable[[Redis, str], object]] = {
    "string": lambda redis, key: redis.set(key, "x"),
    "list": lambda redis, key: redis.rpush(key, "x"),
    "hash": lambda redis, key: redis.hset(key, "x", "y"),
    "stream": lambda redis, key: redis.xadd(key, {"x": "y"}),
}


def bad_job(system: System, id: str = "bad", **fields: str) -> None:
    """A job in the lists, whose hash has these fields."""
    system.redis.hset(f"{P}job:{id}", mapping={**GOOD_JOB, **fields})  # type: ignore[dict-item]
    system.redis.zadd(f"{P}later", {id: 1.0})


BAD_FIELDS = [
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
]


def test_bad_jobs_are_shown_as_bad(system: System) -> None:
    for n, (field, value) in enumerate(BAD_FIELDS):
        bad_job(system, f"bad{n}", **{field: value})
    system.check(jobs=[f"bad{n}" for n in range(len(BAD_FIELDS))])
    listed = {each["id"]: each["unreadable"] for each in system.get("/jobs?limit=500")["items"]}
    for n, (field, _) in enumerate(BAD_FIELDS):
        shown = system.get(f"/jobs/bad{n}")
        assert shown["unreadable"].startswith(f"{field}: ")
        assert listed[f"bad{n}"] == shown["unreadable"] == system.app.fetch_job(f"bad{n}").unreadable
    assert "unreadable" in system.cli("job", "show", "bad0")
    assert system.cli("job", "ls").count("unreadable") == len(BAD_FIELDS)


BAD_DEFINITIONS = [
    *("{", "[]", "null", '{"queue":"a"}', '{"name":"honest"}'),
    *('{"name":"bad","doc":5}', '{"name":"bad","rate":"1"}', '{"name":"bad","queue":null}'),
]


def test_bad_definitions_are_shown_as_bad(system: System) -> None:
    names = [f"bad{n}" for n in range(len(BAD_DEFINITIONS))]
    for name, text in zip(names, BAD_DEFINITIONS, strict=True):
        system.redis.hset(f"{P}tasks", name, text.replace('"bad"', f'"{name}"'))
    system.check(tasks=names)
    for name in names:
        assert system.get(f"/tasks/{name}")["unreadable"].startswith("definition: ")
        assert (system.app.fetch_task(name).unreadable or "").startswith("definition: ")
        refused = system.request("POST", f"/api/v1/tasks/{name}/jobs", {})
        assert (refused.status_code, refused.json()["code"]) == (400, ConfigError.code)
    assert system.cli("task", "ls").count("unreadable") == len(names)
    assert "unreadable" in system.cli("task", "show", "bad0")


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


def test_bad_schedules_are_shown_replaced_and_removed(system: System) -> None:
    keys = [f"bad{n}" for n in range(len(BAD_RULES))]

    def spoil() -> None:
        for key, text in zip(keys, BAD_RULES, strict=True):
            system.redis.hset(f"{P}schedules", key, text.replace('"bad"', f'"{key}"'))
            system.redis.zadd(f"{P}due", {key: 4_000_000_000_000})

    spoil()
    system.check(schedules=keys)
    missing = system.get("/timeline")["missing"]
    for key in keys:
        shown = system.get(f"/schedules/{key}")
        assert shown["unreadable"].startswith("definition: ")
        assert (shown["key"], shown["rule"]) == (key, "unreadable")
        assert f"unreadable schedule {key}" in missing
    for key, text in zip(keys, BAD_RULES, strict=True):
        if "nonsense" in text or "Mars" in text:
            continue  # All that a trigger needs can be read; another version may know the rest.
        with pytest.raises(BadSchedule, match="can't be read"):
            system.app.schedules.trigger(key)
    refused = system.request("POST", "/api/v1/schedules/bad0/trigger", {})
    assert refused.json()["code"] == BadSchedule.code
    assert system.request("POST", "/api/v1/schedules/bad0/skip", {}).status_code == 200
    assert "unreadable" in system.cli("schedule", "ls")
    assert "unreadable" in system.cli("schedule", "show", "bad0")
    for key in keys:
        system.app.schedule("honest", every(hours=3), key=key)
        assert system.get(f"/schedules/{key}")["unreadable"] is None
    spoil()
    for n, key in enumerate(keys):
        if n % 2:
            assert system.request("DELETE", f"/api/v1/schedules/{key}").status_code == 204
        else:
            system.cli("schedule", "rm", key)
        assert system.request("GET", f"/api/v1/schedules/{key}").status_code == 404


@pytest.mark.parametrize("name", ["job:bad", "log:bad", "task:bad", "recent:bad", "stream:bad", "later"])
def test_a_key_that_holds_something_else_is_one_bad_record(system: System, name: str) -> None:
    bad_job(system)
    system.redis.hset(f"{P}tasks", "bad", '{"name":"bad"}')
    system.redis.delete(P + name)
    system.redis.set(P + name, "x")
    system.check(jobs=["bad"], tasks=["bad"])


BAD_FACTS = [
    *(
        {"host": "h"},
        {"pid": "x"},
        {"started": "9" * 20},
        {"tasks": "{"},
        {"queues": "5"},
        {"capacity": "1.5"},
    ),
]


def test_workers_with_bad_facts_are_shown_as_bad(system: System) -> None:
    for n, facts in enumerate(BAD_FACTS):
        system.redis.hset(f"{P}members", f"w-bad{n}", "{}")
        system.redis.hset(f"infinitas:worker:w-bad{n}", mapping=facts)  # type: ignore[arg-type]
    system.check()
    shown = {each["id"]: each["unreadable"] for each in system.get("/workers")}
    assert all(shown[f"w-bad{n}"] for n in range(len(BAD_FACTS)))
    assert system.cli("worker", "ls").count("unreadable") == len(BAD_FACTS)


def test_a_bad_line_is_shown_between_the_good_ones(system: System) -> None:
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
FACTS = ("host", "pid", "version", "started", "capacity", "busy", "queues", "tasks", "last_beat")
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


def test_every_view_answers_after_any_write_into_redis(system: System) -> None:
    @settings(max_examples=8, **RUN)
    @given(st.lists(WRITES, min_size=1, max_size=6))
    def spoil(writes: list[tuple[Any, ...]]) -> None:
        system.seed()
        bad_job(system)
        system.app.schedule("honest", every(hours=3), key="bad")
        system.redis.hset(f"{P}tasks", "bad", '{"name":"bad"}')
        for each in writes:
            # An earlier write may have stored another type there.
            with suppress(ResponseError):
                write(system.redis, each)
        system.check(jobs=["bad"], tasks=["bad"], schedules=["bad"])
        system.check_commands()

    spoil()
