"""Loops for every queue there is, also for one that is declared while the process runs."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from infinitas.runtime.loop import Loop, run_loops

LOOK_AGAIN_S = 1.0
DEFAULT_QUEUE = "default"


async def run_for_queues(
    chosen: Sequence[str] | None,
    list_queues: Callable[[], Awaitable[Iterable[str]]],
    make_loops: Callable[[str], list[Loop]],
    stop: asyncio.Event,
) -> None:
    """Run the loops of the chosen queues, or of the default one and all that turn up."""
    running: dict[str, asyncio.Task[None]] = {}

    def start(queues: Iterable[str]) -> None:
        for queue in queues:
            if queue not in running:
                running[queue] = asyncio.create_task(run_loops(make_loops(queue), stop))

    async def look() -> None:
        start(await list_queues())
        await asyncio.sleep(LOOK_AGAIN_S)

    start(chosen or [DEFAULT_QUEUE])
    await run_loops([] if chosen else [Loop("queues", look)], stop)
    await asyncio.gather(*running.values())
