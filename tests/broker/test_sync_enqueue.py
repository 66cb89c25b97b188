"""Sending from sync code, in the sender's own thread: whatever happens, a job is accepted once or refused."""

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.connection import AbstractConnection, Connection

from infinitas import Infinitas, KeyTaken, ServerUnreachable
from infinitas.broker import sync_connections, sync_enqueue
from infinitas.broker.answers import NEW
from infinitas.broker.messages import NewJob
from infinitas.broker.sync_connections import SharedConnections
from infinitas.client.job_ids import fresh_id
from infinitas.client.portal import Portal
from infinitas.core.errors import UnsafeBroker
from infinitas.devservers.redis import start_redis
from infinitas.devservers.servers import Urls
from infinitas.tasks.handle import Handle

P = "{infinitas:default}:"


@pytest.fixture
def data() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="infinitas-direct-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_sync_code_sends_without_an_event_loop(
    app: Infinitas, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    @app.task
    def work(n: int) -> None: ...

    monkeypatch.delattr(Portal, "_thread")
    ids = [work.send(n).id for n in range(5)] + [handle.id for handle in work.send_many([(5,), (6,)])]
    assert [redis.hget(f"{P}job:{id}", "args") for id in ids] == [f"[[{n}],{{}}]" for n in range(7)]
    redis.flushall()
    assert len(work.send_many([(n,) for n in range(1_001)])) == 1_001
    assert redis.xlen(f"{P}stream:work") == 1_001
    work.using(key="k").send(1)
    with pytest.raises(KeyTaken):
        work.using(key="k").send(2)
    redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        app.close()
        with pytest.raises(UnsafeBroker):
            work.send(1)
    finally:
        redis.config_set("maxmemory-policy", "noeviction")


def test_redis_may_forget_the_scripts_and_the_task(app: Infinitas, redis: Redis) -> None:
    @app.task
    def work() -> None: ...

    work.send()
    redis.script_flush()
    work.send()
    redis.flushall()
    id = work.send().id
    assert redis.hget(f"{P}job:{id}", "state") == "queued"


def test_a_taken_key_is_refused(app: Infinitas) -> None:
    @app.task
    def work() -> None: ...

    work.send()
    first = work.using(key="k").send()
    with pytest.raises(KeyTaken) as taken:
        work.using(key="k").send()
    assert taken.value.job == first.id


def connections(redis: Redis) -> int:
    """Of sync and async senders."""
    return len([client for client in redis.client_list() if client["name"].startswith("infinitas:client:")])


def test_many_threads_at_once_share_some_connections(app: Infinitas, redis: Redis) -> None:
    @app.task
    def work(n: int) -> None: ...

    work.send(-1)
    others, most = connections(redis), list[int]()

    def send() -> None:
        for n in range(10):
            work.send(n)

    threads = [threading.Thread(target=send) for _ in range(500)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        most.append(connections(redis))
    for thread in threads:
        thread.join()
    assert redis.xlen(f"{P}stream:work") == 5_001
    assert max([*most, connections(redis)]) <= sync_connections.MOST_CONNECTIONS + others


def test_many_threads_one_after_another_share_one_connection(app: Infinitas, redis: Redis) -> None:
    @app.task
    def work() -> None: ...

    work.send()
    before, opened = connections(redis), redis.info("stats")["total_connections_received"]
    for _ in range(10_000):
        thread = threading.Thread(target=work.send)
        thread.start()
        thread.join()
    assert redis.xlen(f"{P}stream:work") == 10_001
    assert connections(redis) <= before + 1
    assert redis.info("stats")["total_connections_received"] <= opened + 1


def test_threads_that_died_and_an_interrupt_leave_nothing_taken(
    app: Infinitas, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_connections, "MOST_CONNECTIONS", 2)

    @app.task
    def work() -> None: ...

    work.send()
    work.send()

    def die(self: object) -> None:
        raise SystemExit

    def send_and_die() -> None:
        with pytest.raises(SystemExit):
            work.send()

    with monkeypatch.context() as patch:
        patch.setattr(AbstractConnection, "read_response", die)
        threads = [threading.Thread(target=send_and_die) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    monkeypatch.setattr(SharedConnections, "wait", lambda shared: shared.free.get_nowait())
    work.send()


def test_a_forked_child_sends_over_a_socket_of_its_own(servers: Urls, app: Infinitas, redis: Redis) -> None:
    @app.task
    def work() -> None: ...

    work.send()
    sender = sync_enqueue.SyncEnqueuer(servers.redis)

    def send(count: int) -> None:
        for _ in range(count):
            job = NewJob(id=fresh_id(), task="work", args="[[],{}]")
            assert sender.enqueue("default", [job]) == [NEW]

    send(1)
    opened = redis.info("stats")["total_connections_received"]
    child = os.fork()
    if not child:
        code = 1
        try:
            send(50)
            code = 0
        finally:
            os._exit(code)
    send(50)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert redis.xlen(f"{P}stream:work") == 102
    assert redis.info("stats")["total_connections_received"] == opened + 1, "the child's"
    sender.close()


def test_all_idle_connections_may_have_been_closed(app: Infinitas, redis: Redis) -> None:
    @app.task
    def work() -> None: ...

    work.send()
    for _ in range(3):
        barrier = threading.Barrier(8)

        def send(barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            work.send()

        threads = [threading.Thread(target=send) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        redis.client_kill_filter(_type="normal", skipme=True)
    for _ in range(10):
        work.send()
    assert redis.xlen(f"{P}stream:work") == 35


def test_an_answer_that_comes_too_late_is_not_taken_for_another(
    app: Infinitas, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_enqueue, "REPLY_TIMEOUT_S", 0.2)

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


def test_a_second_interrupt_while_the_first_closes_a_connection_leaves_nothing_behind(
    app: Infinitas, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither an answer for the next send, nor one connection less."""
    monkeypatch.setattr(sync_connections, "MOST_CONNECTIONS", 1)

    @app.task
    def work() -> None: ...

    work.send()
    work.using(key="k").send()

    def interrupt(self: object) -> None:
        raise KeyboardInterrupt

    def interrupt_once(self: Connection) -> None:
        if left:
            raise left.pop()
        disconnect(self)  # type: ignore[no-untyped-call]

    disconnect, left = Connection.disconnect, [KeyboardInterrupt()]
    with monkeypatch.context() as patch:
        patch.setattr(AbstractConnection, "read_response", interrupt)
        patch.setattr(AbstractConnection, "disconnect", interrupt_once)
        with pytest.raises(KeyboardInterrupt):
            work.send()
    monkeypatch.setattr(SharedConnections, "wait", lambda shared: shared.free.get_nowait())
    with pytest.raises(KeyTaken):
        work.using(key="k").send()


def test_an_outage_raises_and_the_next_send_works(data: Path) -> None:
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
