"""Script runs of many asyncio tasks in one round trip: those that wait meanwhile go with the next one."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from redis.exceptions import NoScriptError

from infinitas.broker.scripts import Script

MOST_AT_ONCE = 128
LANES = 2
"""Round trips at once: Redis works on one while this process sends or receives the other."""


class ScriptPipeline:
    """One per connection pool. Scripts that are awaited side by side share a round trip."""

    def __init__(self, new_pipeline: Callable[[], Any]) -> None:
        self._new_pipeline = new_pipeline
        self._waiting: deque[tuple[Script, tuple[Any, ...], asyncio.Future[Any]]] = deque()
        self._free_lanes = LANES
        self._sending: set[asyncio.Task[None]] = set()

    async def run(self, script: Script, arguments: tuple[Any, ...]) -> Any:
        """Run a script; `arguments`: those of EVALSHA after it. Raises redis-py's own exceptions."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((script, arguments, future))
        if self._free_lanes:
            self._free_lanes -= 1
            sending = asyncio.create_task(self._send_all())
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)
        return await future

    async def run_after(
        self, command: Sequence[object], script: Script, arguments: tuple[Any, ...]
    ) -> tuple[Any, Any]:
        """Run a command that may block and a script behind it, beside all other runs."""
        pipe = self._new_pipeline()
        pipe.execute_command(*command)
        pipe.execute_command("EVALSHA", script.sha, *arguments)
        replies: list[Any] = await pipe.execute(raise_on_error=False)
        if isinstance(replies[1], NoScriptError):
            replies[1] = (await self._eval(script, arguments))[0]
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies[0], replies[1]

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                await self._send_some()
        finally:
            # No await since the loop saw nothing waiting: a run that comes now finds this lane free.
            self._free_lanes += 1

    async def _send_some(self) -> None:
        count = min(len(self._waiting), MOST_AT_ONCE)
        batch = [self._waiting.popleft() for _ in range(count)]
        try:
            replies = await self._send(batch)
        except Exception as error:  # noqa: BLE001 - each run that waits gets it
            replies = [error] * count
        except asyncio.CancelledError:
            for _, _, future in [*batch, *self._waiting]:
                future.cancel()
            raise
        for (_, _, future), reply in zip(batch, replies, strict=True):
            if future.done():
                continue
            if isinstance(reply, Exception):
                future.set_exception(reply)
            else:
                future.set_result(reply)

    async def _send(self, batch: "list[tuple[Script, tuple[Any, ...], asyncio.Future[Any]]]") -> list[Any]:
        pipe = self._new_pipeline()
        for script, arguments, _ in batch:
            pipe.execute_command("EVALSHA", script.sha, *arguments)
        replies: list[Any] = await pipe.execute(raise_on_error=False)
        for i, reply in enumerate(replies):
            if isinstance(reply, NoScriptError):
                # Redis lost it (a restart, SCRIPT FLUSH); EVAL loads it again.
                script, arguments, _ = batch[i]
                replies[i] = (await self._eval(script, arguments))[0]
        return replies

    async def _eval(self, script: Script, arguments: tuple[Any, ...]) -> list[Any]:
        pipe = self._new_pipeline()
        pipe.execute_command("EVAL", script.source, *script.on_first_run(arguments))
        replies: list[Any] = await pipe.execute(raise_on_error=False)
        return replies
