"""Runs a set of loops for every queue, also for queues that are declared later."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from infinitas.runtime.loop import Loop, run_loops

DISCOVER_EVERY_S = 1.0
DEFAULT_QUEUE = "default"


async def run_for_queues(
    chosen: Sequence[str] | None,
    list_queues: Callable[[], Awaitable[Iterable[str]]],
    make_loops: Callable[[str], list[Loop]],
    stop: asyncio.Event,
) -> None:
    """Run the loops of the chosen queues; without a choice those of `default` and of every other queue."""
    running: dict[str, asyncio.Task[None]] = {}

    def start(queues: Iterable[str]) -> None:
        for queue in queues:
            if queue not in running:
                running[queue] = asyncio.create_task(run_loops(make_loops(queue), stop))

    async def discover() -> None:
        start(await list_queues())
        await asyncio.sleep(DISCOVER_EVERY_S)

    start(chosen or [DEFAULT_QUEUE])
    await run_loops([] if chosen else [Loop("queues", discover)], stop)
    await asyncio.gather(*running.values())
