"""A server's own stall ends no session: connected workers keep their jobs."""

import asyncio
from collections.abc import Callable

from infinitas import Infinitas
from tests.server.calls import of
from tests.server.peer import Peer
from tests.server.thread_server import LEASE_S, ThreadServer
from tests.support import aeventually, running

MakeApp = Callable[..., Infinitas]
STALL_S = 2.5 * LEASE_S


async def test_a_worker_keeps_its_job_while_its_server_stands_still(
    make_app: MakeApp, thread_server: ThreadServer
) -> None:
    app = make_app(lease=LEASE_S)
    peer = await asyncio.to_thread(Peer, thread_server.address)
    beating = asyncio.create_task(beat(peer))
    await asyncio.to_thread(peer.identify, "held")
    id = (await app.task(held).asend()).id
    got = await asyncio.to_thread(peer.expect, "job", job=id)
    peer.send("accept", **of(got))
    async with running(app, worker=False, scheduler=True):
        # The scheduler must have seen the worker before.
        await asyncio.sleep(LEASE_S / 2)
        thread_server.stall(STALL_S)
        await asyncio.sleep(STALL_S)
        assert (await app.afetch_job(id)).attempt == 1
        peer.send("done", id="d", **of(got))
        await asyncio.to_thread(peer.expect, "ack", re="d")
    job = await app.afetch_job(id)
    assert (job.state, job.attempt) == ("succeeded", 1)
    beating.cancel()
    peer.drop()


async def test_a_worker_that_falls_silent_after_a_stall_is_rescued(
    make_app: MakeApp, thread_server: ThreadServer
) -> None:
    """The stall forgives one lease, and not more."""
    app = make_app(lease=LEASE_S)
    peer = await asyncio.to_thread(Peer, thread_server.address)
    await asyncio.to_thread(peer.identify, "held")
    id = (await app.task(held).asend()).id
    got = await asyncio.to_thread(peer.expect, "job", job=id)
    peer.send("accept", **of(got))
    thread_server.stall(2 * LEASE_S)
    async with running(app, worker=False, scheduler=True):
        await aeventually(lambda: lost(app, id))
    peer.drop()


async def held() -> None: ...


async def beat(peer: Peer) -> None:
    while True:
        await asyncio.sleep(LEASE_S / 8)
        peer.send("beat")


async def lost(app: Infinitas, id: str) -> bool:
    return (await app.afetch_job(id)).state == "queued"
