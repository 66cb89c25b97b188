"""The connection to Redis. Nothing above it sees a redis exception or knows the topology."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError, RedisError

from infinitas.broker.keys import QueueKeys
from infinitas.broker.pipeline import Batcher
from infinitas.broker.refusals import in_our_words, is_closed_transport, primary_is_elsewhere
from infinitas.broker.scripts import Script, load_script
from infinitas.broker.vetting import check_info
from infinitas.core.codec import from_ms
from infinitas.core.errors import ConfigError
from infinitas.runtime.masking import mask_text, mask_url

REPLY_TIMEOUT_S = 5.0
LONGEST_BLOCK_S = 10.0
MOST_CONNECTIONS = 50_000
RENEW_EVERY_S = 1.0
"""A server that stays read-only is not to be flooded with new connections."""

CONNECTION_OPTIONS: Mapping[str, Any] = {
    "socket_connect_timeout": REPLY_TIMEOUT_S,
    "decode_responses": True,
    "encoding_errors": "replace",
    "protocol": 2,
}
"""What all our connections have in common."""


class Connection:
    """One pool of connections. `role` shows in CLIENT LIST."""

    clock: ClassVar[str] = "_clock"
    """Which Lua file says what `now` is; the testing kit has another."""

    def __init__(self, url: str, role: str) -> None:
        self.url = url
        # A blocking read must outlast its block, hence the long socket timeout. Each wait for a bell
        # holds a connection, and a server may wait for hundreds of remote workers.
        self._options = {
            **CONNECTION_OPTIONS,
            "retry": Retry(NoBackoff(), 0),
            "redis_connect_func": partial(_greet, client_name(role)),
            "socket_timeout": LONGEST_BLOCK_S + REPLY_TIMEOUT_S,
            "max_connections": MOST_CONNECTIONS,
        }
        try:
            # redis-py types every reply as a union of all it might be; ours are known.
            self.redis: Any = Redis.from_pool(self._new_pool())
        except (RedisError, ValueError, TypeError) as error:
            why = mask_text(str(error), url)
            raise ConfigError(f"redis_url is {mask_url(url)!r}, which is not a Redis URL: {why}.") from None
        self._renewed = -RENEW_EVERY_S
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
        pool = self.redis.connection_pool
        try:
            async with asyncio.timeout(LONGEST_BLOCK_S + 2 * REPLY_TIMEOUT_S):
                return await command
        except (RedisError, OSError, TimeoutError) as error:
            if primary_is_elsewhere(error):
                await self._renew(pool)
            raise in_our_words(error, self.url) from None
        except RuntimeError as error:
            if not is_closed_transport(error):
                raise
            raise in_our_words(error, self.url) from None

    async def check(self) -> None:
        """Refuse a Redis that jobs can't be trusted to.

        Raises:
            UnsafeBroker: it is too old, a Redis Cluster or a Sentinel, or may evict keys.
            ServerUnreachable: Redis gave no answer.
        """
        check_info(await self.ask(self._info()), self.url)

    async def close(self) -> None:
        await self.redis.aclose()

    async def _info(self) -> Mapping[str, Any]:
        """INFO of Redis; where its user may not ask, as with managed ones, HELLO, or nothing."""
        try:
            found: Mapping[str, Any] = await self.redis.info()
            return found
        except NoPermissionError:
            pass
        try:
            pairs = await self.redis.execute_command("HELLO")
        except NoPermissionError:
            return {}
        greeting = dict(zip(pairs[::2], pairs[1::2], strict=True))
        return {"redis_version": greeting.get("version", ""), "redis_mode": greeting.get("mode", "")}

    def _new_pool(self) -> Any:
        pool: Any = ConnectionPool.from_url(self.url, **self._options)
        # Opens nothing, and raises where the options of the URL don't fit.
        pool.make_connection()
        return pool

    async def _renew(self, pool: Any) -> None:
        """Resolve the address anew with the next command: the primary may be another server by now.

        A connection that is in use is closed when it comes back to its old pool.
        """
        now = time.monotonic()
        if self.redis.connection_pool is not pool or now - self._renewed < RENEW_EVERY_S:
            return
        self._renewed = now
        self.redis.connection_pool = self._new_pool()
        await pool.update_active_connections_for_reconnect()
        await pool.disconnect(inuse_connections=False)


def script_arguments(script: Script, queue: QueueKeys, arguments: Mapping[str, object]) -> tuple[Any, ...]:
    """What follows the script in EVALSHA: the number of keys, the keys, the arguments."""
    keys = script.keys_of(queue)
    values = [queue.prefix if arg == "prefix" else arguments[arg] for arg in script.args]
    return (len(keys), *keys, *values)


async def _greet(name: str, connection: Any) -> None:
    """Begin a new connection, and name it if its user may."""
    await connection.on_connect()
    with suppress(NoPermissionError):
        await connection.send_command("CLIENT", "SETNAME", name)
        await connection.read_response()


def client_name(role: str) -> str:
    """What CLIENT LIST shows."""
    return f"infinitas:{role}:{_host()}"


def _host() -> str:
    return "".join(c if c.isprintable() and c != " " else "-" for c in socket.gethostname())
