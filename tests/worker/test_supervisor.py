"""The supervisor beats for its children, whatever Redis answers for one of their queues."""

import asyncio
import sys
from pathlib import Path

from redis import Redis

from infinitas.broker.queue import QueueBroker
from infinitas.devservers.servers import Urls
from infinitas.runtime.config import Settings
from infinitas.runtime.signals import StopSignal
from infinitas.worker.supervisor import Supervisor
from infinitas.worker.supervisor_pipe import VARIABLE
from tests.support import aeventually

BEATS = "{infinitas:default}:beats"
REPORT = f"""
import json, os, sys, time
try:
    os.mkdir(sys.argv[1])
    name = "w1"
except FileExistsError:
    name = "w2"
report = json.dumps({{"worker": name, "queues": ["broken", "default"]}})
os.write(int(os.environ["{VARIABLE}"]), report.encode() + b"\\n")
time.sleep(60)
"""
"""A worker process that only reports its name and queues to the supervisor."""


async def test_a_refused_beat_in_one_queue_stops_no_other(
    broker: QueueBroker, redis: Redis, servers: Urls, tmp_path: Path
) -> None:
    redis.set("{infinitas:broken}:beats", "not a sorted set")
    before = [redis.zscore(BEATS, name) or 0 for name in ("w1", "w2")]
    settings = Settings(redis_url=servers.redis, lease=1)
    stop = StopSignal()
    command = [sys.executable, "-c", REPORT, str(tmp_path / "first")]
    supervising = asyncio.create_task(Supervisor(settings, command, 2, None).run(stop))

    async def both_kept() -> bool:
        after = [redis.zscore(BEATS, name) or 0 for name in ("w1", "w2")]
        return all(new >= old + 3 for old, new in zip(before, after, strict=True))

    await aeventually(both_kept, patience=5)
    stop.request()
    await supervising
