"""Signals of our command-line processes: the first asks to stop, the second insists."""

import asyncio
import signal
from collections.abc import Awaitable, Callable


class StopSignal:
    """`asked` is set by the first SIGTERM or SIGINT, `insisted` by the second."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.insisted = asyncio.Event()

    def receive(self) -> None:
        (self.insisted if self.asked.is_set() else self.asked).set()


def run_until_signal(main: Callable[[StopSignal], Awaitable[None]]) -> None:
    """Run `main` in a new event loop (uvloop where installed) that hears SIGTERM and SIGINT."""

    async def guarded() -> None:
        stop = StopSignal()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.receive)
        await main(stop)

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(guarded())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
