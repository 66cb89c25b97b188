"""Computations that a request causes: in one thread beside the event loop, for a limited time."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from infinitas.core.errors import RateLimited

BUDGET_S = 0.25
"""Of processor time: a busy machine makes no answer shorter."""
MOST_WAITING = 50
T = TypeVar("T")
GoOn = Callable[[], bool]
"""Whether there is time left. A computation that finds none returns what it has."""
_waiting = 0


async def compute(work: Callable[[GoOn], T]) -> T:
    """Run `work` in the thread; requests wait for each other. Raises RateLimited: too many wait."""
    global _waiting
    if _waiting >= MOST_WAITING:
        raise RateLimited("Too many computations wait: try again in a moment.", 1)
    _waiting += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(_thread(), _limited, work)
    finally:
        _waiting -= 1


def _limited(work: Callable[[GoOn], T]) -> T:
    ends = time.thread_time() + BUDGET_S
    return work(lambda: time.thread_time() < ends)


@cache
def _thread() -> ThreadPoolExecutor:
    """One: more of them would take the interpreter from the event loop in turn."""
    return ThreadPoolExecutor(1, "infinitas-compute")
