"""Verbs from wherever code runs: loops and threads of all kinds, forks, signal handlers, other frameworks."""

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable

import pytest
import trio
import uvloop
from redis import Redis

from infinitas import BlocksEventLoop, Infinitas, NoEventLoop, ServerUnreachable
from infinitas.client.loop_thread import LoopThread
from infinitas.core.errors import UnknownTask
from tests.support import eventually

P = "{infinitas:default}:"


@pytest.fixture
def shop(app: Infinitas) -> Infinitas:
    """An app with a task `work` that Redis has."""

    @app.task
    def work(n: int = 0) -> None: ...

    work.send()
    return app


def in_a_child(check: Callable[[], bool]) -> None:
    """Run `check` in a forked child, which ends as a program does that has no finalizers."""
    child = os.fork()
    if not child:
        code = 1
        try:
            code = 0 if check() else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


async def test_in_a_running_loop_short_sync_verbs_work_and_waits_are_refused(shop: Infinitas) -> None:
    handle = shop.tasks["work"].send(1)
    assert shop.fetch_job(handle.id).state == "queued"
    with pytest.raises(BlocksEventLoop, match=r"`await handle\.result\(\)`") as refused:
        handle.get(timeout=0.1)
    assert refused.value.code == "blocks_event_loop"
    with pytest.raises(BlocksEventLoop, match=r"`await app\.await_for_end\(…\)`"):
        shop.wait_for_end(handle.id, 0.1)
    assert shop.cancel(handle.id).state == "cancelled"


def test_async_verbs_outside_asyncio_are_refused(shop: Infinitas) -> None:
    work = shop.tasks["work"]
    with pytest.raises(NoEventLoop, match=r"trio\.to_thread\.run_sync\(task\.send, …\)") as refused:
        trio.run(work.asend)
    assert refused.value.code == "no_event_loop"
    handle = work.send(1)
    with pytest.raises(NoEventLoop):
        trio.run(handle.result)
    assert trio.run(trio.to_thread.run_sync, work.send, 2).id
    coroutine = shop.afetch_job(handle.id)
    with pytest.raises(NoEventLoop):
        coroutine.send(None)


def test_many_loops_one_after_another_and_at_once(shop: Infinitas, redis: Redis) -> None:
    work = shop.tasks["work"]

    async def use() -> None:
        handles = await asyncio.gather(*(work.asend(n) for n in range(10)))
        assert {(await shop.afetch_job(handle.id)).state for handle in handles} == {"queued"}

    threads = [threading.Thread(target=asyncio.run, args=(use(),)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        asyncio.run(use())
    uvloop.run(use())
    for thread in threads:
        thread.join()
    assert redis.xlen(f"{P}stream:work") == 91


def test_a_loop_that_ends_before_the_answer_harms_no_other(shop: Infinitas, redis: Redis) -> None:
    async def give_up() -> None:
        waiting = asyncio.ensure_future(shop.afetch_task("work"))
        await asyncio.sleep(0)
        waiting.cancel()

    redis.client_pause(200)
    asyncio.run(give_up())
    assert shop.fetch_task("work").name == "work"


def test_a_forked_child_has_a_loop_and_connections_of_its_own(shop: Infinitas, redis: Redis) -> None:
    """Also where the child closes what it has inherited, and where the parent goes on meanwhile."""
    work = shop.tasks["work"]
    job = work.send(1).id
    assert shop.fetch_job(job).state == "queued"

    def use_all() -> bool:
        sent = work.send(2).id
        found = shop.fetch_job(sent).state == "queued"
        shop.close()
        return found and shop.fetch_job(work.send(3).id).state == "queued"

    def closes() -> bool:
        shop.close()
        return True

    for _ in range(3):
        in_a_child(use_all)
        assert shop.fetch_job(job).state == "queued"
    in_a_child(closes)
    assert shop.fetch_job(job).state == "queued"

    def from_a_grandchild() -> bool:
        in_a_child(use_all)
        return use_all()

    in_a_child(from_a_grandchild)
    context = multiprocessing.get_context("fork")
    child = context.Process(target=use_all)
    child.start()
    child.join()
    assert child.exitcode == 0
    assert shop.fetch_job(job).state == "queued"


def test_a_fork_while_other_threads_send_and_wait(shop: Infinitas) -> None:
    work, over = shop.tasks["work"], threading.Event()

    def send() -> None:
        while not over.is_set():
            work.send(1)

    def fetch() -> None:
        while not over.is_set():
            shop.fetch_task("work")

    threads = [threading.Thread(target=target) for target in (send, send, fetch, fetch)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            in_a_child(lambda: shop.fetch_job(work.send(2).id).state == "queued")
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_closing_ends_the_calls_of_other_threads_and_the_next_use_opens_again(shop: Infinitas) -> None:
    handle, endings = shop.tasks["work"].send(1), list[BaseException]()

    def wait() -> None:
        try:
            handle.get()
        except ServerUnreachable as error:
            endings.append(error)

    threads = [threading.Thread(target=wait) for _ in range(5)]
    for _ in range(3):
        assert shop.fetch_job(handle.id).state == "queued"
        waiting = threading.Thread(target=wait)
        waiting.start()
        threads.append(waiting)
        shop.close()
        shop.close()
    for thread in threads[5:]:
        thread.join(60)
        assert not thread.is_alive()
    assert shop.fetch_job(handle.id).state == "queued"


def test_a_signal_handler_may_use_any_verb(shop: Infinitas) -> None:
    """It interrupts its own thread anywhere, also within the same verb."""
    work, found = shop.tasks["work"], list[str]()
    shop.fetch_task("work")

    def handle(number: int, frame: object) -> None:
        found.append(shop.fetch_job(work.send(1).id).state)

    old = signal.signal(signal.SIGALRM, handle)
    try:
        for n in range(60):
            signal.setitimer(signal.ITIMER_REAL, 0.0001 * (1 + n % 30))
            shop.close()
            shop.fetch_job(work.send(2).id)
            eventually(lambda n=n: len(found) > n)  # type: ignore[misc]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert set(found) == {"queued"}


def test_a_signal_handler_may_interrupt_the_start_of_the_thread(
    shop: Infinitas, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, found = LoopThread.start, list[str]()

    def interrupted(thread: LoopThread) -> None:
        monkeypatch.setattr(LoopThread, "start", start)
        found.append(shop.fetch_task("work").name)
        start(thread)

    monkeypatch.setattr(LoopThread, "start", interrupted)
    assert shop.fetch_task("work").name == "work"
    assert found == ["work"]


def test_an_interrupted_wait_is_given_up(shop: Infinitas) -> None:
    handle = shop.tasks["work"].send(1)
    shop.fetch_job(handle.id)

    class Interrupted(Exception):
        pass

    def interrupt(number: int, frame: object) -> None:
        raise Interrupted

    old = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(Interrupted):
            handle.get()
    finally:
        signal.signal(signal.SIGALRM, old)
    thread = shop.portal._threads[os.getpid()]
    eventually(lambda: not thread.calls)


def test_a_finalizer_in_the_portals_own_thread_is_refused(shop: Infinitas) -> None:
    """The garbage collector runs in any thread; a wait for the own loop would never end."""
    shop.fetch_task("work")
    thread: LoopThread = shop.portal._threads[os.getpid()]
    refused, done = list[Exception](), threading.Event()

    def finalize() -> None:
        try:
            shop.tasks["work"].send(1)
            shop.fetch_task("work")
        except BlocksEventLoop as error:
            refused.append(error)
        done.set()

    thread.loop.call_soon_threadsafe(finalize)
    assert done.wait(60)
    assert len(refused) == 1


def test_an_error_crosses_to_the_caller(shop: Infinitas) -> None:
    with pytest.raises(UnknownTask):
        shop.fetch_task("nothing")
    with pytest.raises(UnknownTask):
        asyncio.run(shop.afetch_task("nothing"))
