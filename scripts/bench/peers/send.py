"""Sends jobs with a peer's own client: `python send.py MODULE HOW COUNT PAUSE LOAD`; prints seconds used.

HOW is `single` (one send after another), `bulk` (what the peer has for many) or `paced`: one job each
PAUSE seconds, which tells how long it took to begin, after LOAD no-op jobs; or `hold`: jobs of a second.
"""

import asyncio
import importlib
import inspect
import json
import resource
import sys
import time
from typing import Any


def main(module: str, how: str, count: int, pause_s: float, load: int) -> None:
    peer = importlib.import_module(module)
    if inspect.iscoroutinefunction(peer.single):
        asyncio.run(_send_async(peer, how, count, pause_s, load))
    else:
        _send(peer, how, count, pause_s, load)


async def _send_async(peer: Any, how: str, count: int, pause_s: float, load: int) -> None:
    await peer.prepare()
    begun = _begin()
    if how == "paced":
        for n in range(count):
            await asyncio.sleep(max(begun[0] + n * pause_s - time.monotonic(), 0))
            if load:
                await peer.bulk(load)
            await peer.send_delay(time.monotonic())
    elif how == "hold":
        for _ in range(count):
            await peer.send_hold(time.monotonic())
    else:
        await getattr(peer, how)(count)
    _say(*begun)


def _send(peer: Any, how: str, count: int, pause_s: float, load: int) -> None:
    peer.prepare()
    begun = _begin()
    if how == "paced":
        for n in range(count):
            time.sleep(max(begun[0] + n * pause_s - time.monotonic(), 0))
            if load:
                peer.bulk(load)
            peer.send_delay(time.monotonic())
    elif how == "hold":
        for _ in range(count):
            peer.send_hold(time.monotonic())
    else:
        getattr(peer, how)(count)
    _say(*begun)


def _begin() -> tuple[float, float]:
    return time.monotonic(), _cpu()


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _say(began: float, cpu: float) -> None:
    print(json.dumps({"seconds": time.monotonic() - began, "cpu": _cpu() - cpu}))


main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5]))
