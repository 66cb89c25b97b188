"""Postgres is frozen and then killed while a message is being sent, and starts again."""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import psycopg

from infinitas.archive.channels import Channels
from infinitas.archive.connection import Archive
from infinitas.archive.limits import Limits
from infinitas.archive.migrate import migrate
from infinitas.core.channel_config import read_channel
from infinitas.core.notice_json import notice_to_json
from infinitas.devservers.postgres import start_postgres
from infinitas.notifier.channels.addresses import ANYWHERE
from infinitas.notifier.sender import Sender
from infinitas.runtime.loop import Loop, cancel_all
from tests.notifier import notices
from tests.receiver import Request, receiving
from tests.support import aeventually, descendants

IDS = ("n1", "n2", "n3")


def send_signal(pids: Iterable[int], what: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, what)


async def put_messages(url: str, archive: Archive, target: str) -> None:
    await migrate(archive)
    config = read_channel("ops", {"type": "webhook", "url": target})
    await Channels(archive).add("ops", config, "test")
    with psycopg.connect(url, autocommit=True) as db:
        for id in IDS:
            db.execute(
                "INSERT INTO infinitas_notices (id, channel, reason, due_at, notice)"
                " VALUES (%s, 'ops', 'opened', now(), %s)",
                (id, notice_to_json(replace(notices.notice(), id=id, channel="ops"))),
            )


async def test_nothing_is_lost_and_a_message_that_came_twice_has_one_id(tmp_path: Path) -> None:
    server, url = await asyncio.to_thread(start_postgres, tmp_path)
    archive = Archive(url, "test", Limits(deadline_s=2))
    arrived, may_answer = threading.Event(), threading.Event()

    def hold(_: Request) -> int:
        arrived.set()
        may_answer.wait()
        return 200

    def postgres() -> list[int]:
        postmaster = int((tmp_path / "postgres/data/postmaster.pid").read_text().split()[0])
        return [postmaster, *descendants(postmaster)]

    with receiving() as ops:
        ops.answer = hold
        await put_messages(url, archive, f"{ops.url}/hook")
        sender = asyncio.create_task(Loop("sender", Sender(archive, {}, ANYWHERE).run_once).run())
        await asyncio.to_thread(arrived.wait)
        frozen = postgres()
        send_signal(frozen, signal.SIGSTOP)
        may_answer.set()
        send_signal(frozen, signal.SIGKILL)
        await asyncio.to_thread(server.stop)
        server, url = await asyncio.to_thread(start_postgres, tmp_path)

        async def all_sent() -> bool:
            # It recovers for a while.
            with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url) as db:
                found = db.execute("SELECT id FROM infinitas_notices WHERE state = 'sent' ORDER BY id")
                return [row[0] for row in found] == list(IDS)
            return False

        await aeventually(all_sent)
        await cancel_all([sender])
        await archive.close()
        await asyncio.to_thread(server.stop)
    bodies: dict[str, set[bytes]] = {}
    for request in ops.requests:
        bodies.setdefault(request.headers["webhook-id"], set()).add(request.body)
    assert sorted(bodies) == list(IDS)
    assert all(len(found) == 1 for found in bodies.values()), "twins are the same message"
