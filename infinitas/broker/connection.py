"""The connection to Redis. Nothing above it sees a redis exception or knows the topology."""

import asyncio
import socket
from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from infinitas.broker.batching import Batcher
from infinitas.broker.keys import QueueKeys
from infinitas.broker.scripts import Script, load_script
from infinitas.core.codec import from_ms
from infinitas.core.errors import ConfigError, InfinitasError, ServerUnreachable, UnsafeBroker
from infinitas.runtime.masking import mask_url

REPLY_TIMEOUT_S = 5.0
LONGEST_BLOCK_S = 10.0
MOST_CONNECTIONS = 50_000
_AWAY = ("LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "BUSY", "UNBLOCKED")


class Connection:
    """One pool of connections. `role` shows in CLIENT LIST."""

    clock: ClassVar[str] = "_clock"
    """Which Lua file says what `now` is; the testing kit has another."""

    def __init__(self, url: str, role: str) -> None:
        self.url = url
        # A blocking read must outlast its block, hence the long socket timeout. Each wait for a bell
        # holds a connection, and a server may wait for hundreds of remote workers.
        options = {
            **connection_options(role),
            "retry": Retry(NoBackoff(), 0),
            "socket_timeout": LONGEST_BLOCK_S + REPLY_TIMEOUT_S,
            "max_connections": MOST_CONNECTIONS,
        }
        try:
            # redis-py types every reply as a union of all it might be; ours are known.
            self.redis: Any = Redis.from_url(url, **options)
        except (ValueError, TypeError) as error:
            raise ConfigError(f"redis_url is {mask_url(url)!r}, which is not a Redis URL: {error}.") from None
        self._batcher = Batcher(self.redis)

    async def call(self, name: str, queue: QueueKeys, **arguments: object) -> Any:
        """Run one script on one queue.

        Raises:
            ServerUnreachable: Redis gave no answer; the script may have run.
        """
        script = load_script(name, self.clock)
        return await self.ask(self._batcher.call(script, script_arguments(script, queue, arguments)))

    async def call_after(
        self, command: Sequence[object], name: str, queue: QueueKeys, **arguments: object
    ) -> tuple[Any, Any]:
        """Run a command that may block, and a script right behind it, in one round trip of their own.

        Raises:
            ServerUnreachable: Redis gave no answer; both may have run, also later.
        """
        script = load_script(name, self.clock)
        behind = script_arguments(script, queue, arguments)
        first, answer = await self.ask(self._batcher.call_after(command, script, behind))
        return first, answer

    async def now(self) -> datetime:
        """The time by Redis, as the scripts see it. Raises ServerUnreachable."""
        return from_ms(await self.call("now", QueueKeys("default")))

    async def ask(self, command: Awaitable[Any]) -> Any:
        """Await a command; Redis' own exceptions end here.

        Raises:
            ServerUnreachable: Redis gave no answer in time, or can't take commands now.
        """
        try:
            async with asyncio.timeout(LONGEST_BLOCK_S + 2 * REPLY_TIMEOUT_S):
                return await command
        except (RedisError, OSError, TimeoutError) as error:
            raise in_our_words(error, self.url) from None

    async def check(self) -> None:
        """Refuse a Redis that may evict keys: whole streams would vanish.

        Raises:
            UnsafeBroker: `maxmemory-policy` is not `noeviction` while `maxmemory` is set or could be.
            ServerUnreachable: Redis gave no answer.
        """
        memory = await self.ask(self.redis.info("memory"))
        policy = memory.get("maxmemory_policy", "noeviction")
        if policy != "noeviction":
            raise UnsafeBroker(
                f"Redis at {mask_url(self.url)} has maxmemory-policy {policy}, which may throw jobs "
                "away. Run: redis-cli config set maxmemory-policy noeviction"
            )

    async def close(self) -> None:
        await self.redis.aclose()


def connection_options(role: str) -> dict[str, Any]:
    """What all our connections have in common."""
    return {
        "socket_connect_timeout": REPLY_TIMEOUT_S,
        "decode_responses": True,
        "encoding_errors": "replace",
        "client_name": f"infinitas:{role}:{_host()}",
        "protocol": 2,
    }


def script_arguments(script: Script, queue: QueueKeys, arguments: Mapping[str, object]) -> tuple[Any, ...]:
    """What follows the script in EVALSHA: the number of keys, the keys, the arguments."""
    keys = script.keys_of(queue)
    values = [queue.prefix if arg == "prefix" else arguments[arg] for arg in script.args]
    return (len(keys), *keys, *values)


def in_our_words(error: Exception, url: str) -> InfinitasError:
    """ServerUnreachable for an answer that did not come, or not now; else what Redis refused."""
    if isinstance(error, ResponseError) and not str(error).startswith(_AWAY):
        return InfinitasError(f"Redis refused a command: {error}")
    cause = str(error) or type(error).__name__
    return ServerUnreachable(f"Redis at {mask_url(url)} gave no answer ({mask_url(cause)}).")


def _host() -> str:
    return "".join(c if c.isprintable() and c != " " else "-" for c in socket.gethostname())
