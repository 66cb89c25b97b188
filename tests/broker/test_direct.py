"""Sending from sync code, in the sender's own thread: whatever happens, a job is accepted once or refused."""

import shutil
import signal
import tempfile
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.connection import AbstractConnection

from infinitas import Infinitas, KeyTaken, ServerUnreachable
from infinitas.bridge import Bridge
from infinitas.broker import direct
from infinitas.embedded.redis import start_redis
from infinitas.handle import Handle

P = "{infinitas:default}:"


@pytest.fixture
def data() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="infinitas-direct-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_the_bridge_is_crossed_once(app: Infinitas, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    @app.task
    def work(n: int) -> None: ...

    crossed: list[object] = []
    wait = Bridge.wait

    def count(self: Bridge, what: Coroutine[Any, Any, object]) -> object:
        crossed.append(what)
        return wait(self, what)

    monkeypatch.setattr(Bridge, "wait", count)
    ids = [work.send(n).id for n in range(5)] + [handle.id for handle in work.send_many([(5,), (6,)])]
    assert len(crossed) == 1, "the first look at whether this Redis can be trusted"
    assert [redis.hget(f"{P}job:{id}", "args") for id in ids] == [f"[[{n}],{{}}]" for n in range(7)]


def test_redis_may_forget_the_scripts_and_the_task(app: Infinitas, redis: Redis) -> None:
    @app.task
    def work() -> None: ...

    work.send()
    redis.script_flush()
    work.send()
    redis.flushall()
    id = work.send().id
    assert redis.hget(f"{P}job:{id}", "state") == "queued"


def test_a_key_that_is_taken_is_said(app: Infinitas) -> None:
    @app.task
    def work() -> None: ...

    work.send()
    first = work.using(key="k").send()
    with pytest.raises(KeyTaken) as taken:
        work.using(key="k").send()
    assert taken.value.job == first.id


def test_each_thread_has_a_connection_of_its_own(app: Infinitas, redis: Redis) -> None:
    @app.task
    def work(n: int) -> None: ...

    work.send(-1)

    def send() -> None:
        for n in range(50):
            work.send(n)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert redis.xlen(f"{P}stream:work") == 401


def test_an_answer_that_comes_too_late_is_not_taken_for_another(
    app: Infinitas, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct, "REPLY_TIMEOUT_S", 0.2)

    @app.task
    def work() -> None: ...

    work.send()
    work.using(key="k").send()
    redis.client_pause(1000)
    with pytest.raises(ServerUnreachable):
        work.send()
    redis.client_unpause()
    with pytest.raises(KeyTaken):
        work.using(key="k").send()


def test_a_signal_handler_may_send_while_its_thread_sends(app: Infinitas, redis: Redis) -> None:
    @app.task
    def work(n: int) -> None: ...

    inner: list[Handle[None]] = []
    work.send(0)
    old = signal.signal(signal.SIGALRM, lambda number, frame: inner.extend(work.send_many([(1,)])))
    try:
        redis.client_pause(500)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        outer = work.send_many([(2,), (3,)])
    finally:
        signal.signal(signal.SIGALRM, old)
    found = [redis.hget(f"{P}job:{handle.id}", "args") for handle in [*inner, *outer]]
    assert found == ["[[1],{}]", "[[2],{}]", "[[3],{}]"]


def test_an_answer_that_an_interrupt_left_behind_is_not_taken_for_another(
    app: Infinitas, monkeypatch: pytest.MonkeyPatch
) -> None:
    @app.task
    def work() -> None: ...

    work.send()
    work.using(key="k").send()

    def interrupt(self: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(AbstractConnection, "read_response", interrupt)
        with pytest.raises(KeyboardInterrupt):
            work.send()
    with pytest.raises(KeyTaken):
        work.using(key="k").send()


def test_an_outage_is_said_and_over_with_the_next_send(data: Path) -> None:
    server, url = start_redis(data)
    app = Infinitas(redis_url=url)

    @app.task
    def work() -> None: ...

    try:
        sent = {work.send().id, work.send().id}
        server.stop()
        server, _ = start_redis(data)
        sent.add(work.send().id)
        server.stop()
        with pytest.raises(ServerUnreachable):
            work.send()
        server, _ = start_redis(data)
        sent.add(work.send().id)
        assert {app.fetch_job(id).state for id in sent} == {"queued"}
    finally:
        app.close()
        server.stop()
