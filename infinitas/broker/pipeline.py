"""Script calls of many tasks in one round trip: what comes while some are under way goes with the next."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

from redis.exceptions import NoScriptError

from infinitas.broker.scripts import Script

MOST_AT_ONCE = 128
LANES = 2
"""Round trips at once: Redis works on one while this process sends, or takes in, the other."""


class Batcher:
    """One per connection pool. Calls that are waited for side by side share a pipeline."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis
        self._waiting: deque[tuple[Script, tuple[Any, ...], asyncio.Future[Any]]] = deque()
        self._free_lanes = LANES
        self._sending: set[asyncio.Task[None]] = set()

    async def call(self, script: Script, arguments: tuple[Any, ...]) -> Any:
        """Run a script; `arguments` are what EVALSHA wants. Raises redis' own exceptions."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((script, arguments, future))
        if self._free_lanes:
            self._free_lanes -= 1
            sending = asyncio.create_task(self._send_all())
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)
        return await future

    async def call_after(
        self, command: Sequence[object], script: Script, arguments: tuple[Any, ...]
    ) -> tuple[Any, Any]:
        """Run a command that may block and a script behind it, beside all other calls."""
        pipe = self._redis.pipeline(transaction=False)
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
            # In the same step as the last look at what waits: nothing is left without a lane.
            self._free_lanes += 1

    async def _send_some(self) -> None:
        count = min(len(self._waiting), MOST_AT_ONCE)
        batch = [self._waiting.popleft() for _ in range(count)]
        try:
            replies = await self._ask(batch)
        except Exception as error:  # noqa: BLE001 - whoever waits hears of it
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

    async def _ask(self, batch: "list[tuple[Script, tuple[Any, ...], asyncio.Future[Any]]]") -> list[Any]:
        pipe = self._redis.pipeline(transaction=False)
        for script, arguments, _ in batch:
            pipe.execute_command("EVALSHA", script.sha, *arguments)
        replies: list[Any] = await pipe.execute(raise_on_error=False)
        for i, reply in enumerate(replies):
            if isinstance(reply, NoScriptError):
                # Redis has forgotten it (a restart, SCRIPT FLUSH); EVAL has it know it again.
                script, arguments, _ = batch[i]
                replies[i] = (await self._eval(script, arguments))[0]
        return replies

    async def _eval(self, script: Script, arguments: tuple[Any, ...]) -> list[Any]:
        pipe = self._redis.pipeline(transaction=False)
        pipe.execute_command("EVAL", script.source, *arguments)
        replies: list[Any] = await pipe.execute(raise_on_error=False)
        return replies
