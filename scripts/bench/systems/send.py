"""Sends jobs with a system's own client: `python send.py MODULE HOW COUNT PAUSE LOAD`; prints seconds used.

HOW is `single` (one send after another), `paced` (each PAUSE seconds a job that records its delay, after
LOAD no-op jobs), `hold` (jobs of a second), or a function of MODULE that sends up to BATCH jobs, such as
`bulk`. MODULE has the tasks `noop`, `delay` and `hold`, and `send`. An async one also has `prepare`, which
connects; the others connect with a first job.
"""

import asyncio
import importlib
import inspect
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any


def main(module: str, how: str, *numbers: Any) -> None:
    system = importlib.import_module(module)
    if inspect.iscoroutinefunction(system.send):
        asyncio.run(_send_async(system, how, *numbers))
    else:
        system.send(system.noop)
        began = time.monotonic(), _cpu()
        for _ in _calls(system, time.sleep, how, *numbers):
            pass
        _print_used(*began)


async def _send_async(system: Any, how: str, *numbers: Any) -> None:
    await system.prepare()
    began = time.monotonic(), _cpu()
    for call in _calls(system, asyncio.sleep, how, *numbers):
        await call
    _print_used(*began)


def _calls(
    system: Any, sleep: Callable[[float], Any], how: str, count: int, pause_s: float, load: int
) -> Iterator[Any]:
    """Make the calls one after another; yields what each returns, to be awaited if the system is async."""
    began = time.monotonic()
    if how == "paced":
        for n in range(count):
            yield sleep(max(began + n * pause_s - time.monotonic(), 0))
            yield from _many(system, "bulk", load)
            yield system.send(system.delay, sent=time.monotonic())
    elif how == "hold":
        for _ in range(count):
            yield system.send(system.hold, sent=time.monotonic())
    else:
        yield from _many(system, how, count)


def _many(system: Any, how: str, count: int) -> Iterator[Any]:
    many, batch = getattr(system, how, None), getattr(system, "BATCH", 500)
    while many and count > 0:
        yield many(min(count, batch))
        count -= batch
    for _ in range(count):
        yield system.send(system.noop)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _print_used(began: float, cpu: float) -> None:
    print(json.dumps({"seconds": time.monotonic() - began, "cpu": _cpu() - cpu}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5]))
