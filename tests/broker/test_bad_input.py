"""Bad input at the edges: a clear error with a stable code, at once, and nothing stored."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from redis import Redis

from infinitas import (
    BadArgs,
    BadName,
    BadSchedule,
    ConfigError,
    DuplicateTask,
    Infinitas,
    PayloadTooLarge,
    ServerUnreachable,
    UnknownJob,
    UnknownTask,
    every,
)
from infinitas.core.errors import UnsafeBroker


def jobs_in(redis: Redis) -> list[str]:
    return list(redis.scan_iter("*:job:*"))


def test_wrong_declarations(app: Infinitas) -> None:
    @app.task
    def twice() -> None: ...

    with pytest.raises(DuplicateTask):
        app.task(name="twice")(lambda: None)
    for name in ("a\x1bb", "x" * 201):
        with pytest.raises(BadName):
            app.task(name=name)(lambda: None)
    for rule in ("0 0 30 2 *", "1--100000000 * * * *", "*" * 10_000_000):
        with pytest.raises(BadSchedule):
            app.task(name="bad", schedule=rule)(lambda: None)
    with pytest.raises(BadArgs):
        app.task(name="bad", schedule=every(hours=1))(lambda needed: None)
    with pytest.raises(ConfigError):
        app.task(name="bad", timeout=-1)(lambda: None)
    assert list(app.tasks) == ["twice"]


def test_wrong_arguments_store_nothing(app: Infinitas, redis: Redis) -> None:
    @app.task
    def load(data: Any, count: int = 1) -> None: ...

    not_json: list[tuple[object, ...]] = [(object(),), (float("nan"),), ({1, object()},), (10**5000,)]
    wrong: list[tuple[object, ...]] = [*not_json, ("x", "many"), (), (1, 2, 3)]
    for args in wrong:
        with pytest.raises(BadArgs):
            app.find("load").send(*args)
    with pytest.raises(PayloadTooLarge):
        load.send("x" * 256 * 1024)
    assert redis.dbsize() == 0


def test_wrong_options_for_sending_store_nothing(app: Infinitas, redis: Redis) -> None:
    @app.task
    def ping() -> None: ...

    wrong: list[dict[str, Any]] = [
        {"key": ""},
        {"key": "a\nb"},
        {"at": datetime(2030, 1, 1)},
        {"at": datetime.max.replace(tzinfo=UTC)},
        {"at": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))},
        {"at": "2030-01-01T00:00:00Z"},
        {"delay": float("nan")},
        {"delay": 1e30},
        {"delay": "5"},
        {"expires": "5"},
        {"expires": True},
        {"at": datetime.now(UTC), "delay": 1},
        {"expires": 0},
        {"expires": float("nan")},
        {"headers": {"a": 1}},
        {"headers": {"a": "\ud800"}},
        {"headers": {"a": "x" * 10_000}},
    ]
    for options in wrong:
        with pytest.raises((BadArgs, BadName)):
            ping.using(**options).send()
    with pytest.raises(BadArgs, match="reason"):
        app.cancel("x", "y" * 501)
    with pytest.raises(BadArgs, match="reason"):
        app.cancel("x", "a\0")
    assert redis.dbsize() == 0


def test_what_is_not_there(app: Infinitas, redis: Redis) -> None:
    with pytest.raises(UnknownTask):
        app.fetch_task("nobody")
    with pytest.raises(UnknownJob):
        app.fetch_job("nothing")
    with pytest.raises(UnknownTask):
        app.schedule("nobody", every(seconds=1), key="k")
    assert not app.unschedule("nothing")
    assert redis.dbsize() == 0


def test_wrong_schedules_at_run_time_store_nothing(app: Infinitas, redis: Redis) -> None:
    @app.task
    def tick() -> None: ...

    for rule in ("nonsense", "0 0 30 2 *"):
        with pytest.raises(BadSchedule):
            app.schedule(tick, rule, key="k")
    with pytest.raises(BadSchedule, match="past"):
        app.schedule(tick, at=datetime.now(UTC) - timedelta(seconds=1), key="k")
    with pytest.raises(BadSchedule, match="time zone"):
        app.schedule(tick, "* * * * *", key="k", timezone="Mars/Olympus")
    with pytest.raises(BadName):
        app.schedule(tick, every(seconds=1), key="\n")
    assert not redis.exists("{infinitas:default}:schedules", "{infinitas:default}:due")


def test_redis_absent(tmp_path: object) -> None:
    app = Infinitas(redis_url="redis://:secret@127.0.0.1:1/0")

    @app.task
    def ping() -> None: ...

    with pytest.raises(ServerUnreachable) as refused:
        ping.send()
    assert refused.value.code == "server_unreachable"
    assert "127.0.0.1:1" in str(refused.value)
    assert "secret" not in str(refused.value)
    app.close()


@pytest.mark.parametrize("url", ["http://localhost", "localhost:6379", "redis:/x", "redis://h:notaport"])
def test_wrong_urls(url: str) -> None:
    def use() -> None:
        Infinitas(redis_url=url).fetch_task("x")

    with pytest.raises(ConfigError, match="redis_url"):
        use()


def test_a_redis_that_evicts_is_refused(make_app: Callable[..., Infinitas], redis: Redis) -> None:
    app = make_app()

    @app.task
    def ping() -> None: ...

    redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(UnsafeBroker, match="noeviction"):
            ping.send()
        assert jobs_in(redis) == []
    finally:
        redis.config_set("maxmemory-policy", "noeviction")
    ping.send()
    assert len(jobs_in(redis)) == 1
