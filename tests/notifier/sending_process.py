"""A process that sends from the outbox until it is killed. A fork server starts it, in milliseconds."""

import asyncio
import multiprocessing
import os
import signal
from multiprocessing.process import BaseProcess

from infinitas.archive.connection import Archive
from infinitas.archive.outbox import Outbox
from infinitas.core.channel_records import Attempted
from infinitas.notifier.channels.addresses import ANYWHERE
from infinitas.notifier.sender import Sender

_servers = multiprocessing.get_context("forkserver")
_servers.set_forkserver_preload([__name__])


def start(postgres_url: str, *, die_before_recording: bool = False) -> BaseProcess:
    process = _servers.Process(target=_run, args=(postgres_url, die_before_recording), daemon=True)
    process.start()
    return process


def _run(postgres_url: str, die_before_recording: bool) -> None:
    if die_before_recording:

        async def die(_self: Outbox, _sender: str, _end: Attempted) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        Outbox.record = die  # type: ignore[method-assign, assignment]
    asyncio.run(_send(postgres_url))


async def _send(postgres_url: str) -> None:
    sender = Sender(Archive(postgres_url, "test"), {}, ANYWHERE)
    while True:
        await sender.run_once()
