"""A stop of the supervisor is a stop of each process, also of one that is not started again yet."""

import asyncio
import logging
import sys
from pathlib import Path

import pytest

from infinitas.devservers.servers import Urls
from infinitas.runtime.config import Settings
from infinitas.runtime.signals import StopSignal
from infinitas.worker.supervisor import Supervisor
from tests.support import PATIENCE_S, aeventually

FAILS_THREE_TIMES = """
import sys, time
with open(sys.argv[1], "a+") as starts:
    starts.write("x")
    starts.seek(0)
    if len(starts.read()) <= 3:
        sys.exit(1)
time.sleep(600)
"""


async def test_a_stop_in_the_pause_before_a_new_start(
    servers: Urls, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def failed_three_times() -> bool:
        return caplog.text.count("starting another") == 3

    caplog.set_level(logging.WARNING)
    command = [sys.executable, "-c", FAILS_THREE_TIMES, str(tmp_path / "starts")]
    stop = StopSignal()
    running = asyncio.create_task(Supervisor(Settings(redis_url=servers.redis), command, 1, None).run(stop))
    await aeventually(failed_three_times)
    stop.request()
    async with asyncio.timeout(PATIENCE_S):
        await running
    assert (tmp_path / "starts").read_text() == "xxx"
