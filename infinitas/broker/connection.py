"""The connections to Redis: the one place that makes them, for async and for sync callers.

Nothing above it sees a redis exception or knows the topology.
"""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.client import NEVER_DECODE
from redis.exceptions import MovedError, RedisError, ResponseError

from infinitas.broker.cluster import ClusterClient, Shards
from infinitas.broker.keys import QueueKeys
from infinitas.broker.lookup import Lookup
from infinitas.broker.pipeline import ScriptPipeline
from infinitas.broker.refusals import (
    is_closed_transport,
    is_of_one_key,
    is_outage,
    primary_is_elsewhere,
    translated,
)
from infinitas.broker.scripts import Script, load_script
from infinitas.broker.sentinel import Address, Sentinels, check_role
from infinitas.broker.vetting import COMMANDS, check_commands, check_files, check_info, parse_greeting
from infinitas.core.codec import from_ms
from infinitas.core.errors import ConfigError
from infinitas.runtime.masking import mask_text, mask_url

REPLY_TIMEOUT_S = 5.0
LONGEST_BLOCK_S = 10.0
MOST_CONNECTIONS = 50_000
RENEW_EVERY_S = 1.0
"""Minimum between two new pools, so that a server that stays read-only is not flooded with connections."""

CLUSTER_CLOCK = "_cluster_clock"
RAW: Mapping[str, Any] = {NEVER_DECODE: True}
"""Option of a command whose reply is to stay bytes."""

OPTIONS: Mapping[str, Any] = {
    "socket_connect_timeout": REPLY_TIMEOUT_S,
    "decode_responses": True,
    "encoding_errors": "replace",
    "protocol": 2,
}
"""What all connections have in common."""


class Connection:
    """One pool of connections. `role` shows in CLIENT LIST."""

    clock: str = "_clock"
    """The Lua file that defines `now`; the testing kit has another, and Redis Cluster too."""

    def __init__(self, url: str, role: str) -> None:
        self.url = url
        sentinels, self._server_url = Sentinels.of(url)
        self._shards, self._server_url = Shards.of(self._server_url)
        # The socket timeout exceeds the longest blocking read. Each wait for a bell holds a connection,
        # and a server may wait for hundreds of remote workers.
        self._options = {
            **OPTIONS,
            "retry": Retry(NoBackoff(), 0),
            "redis_connect_func": partial(_greet, client_name(role), sentinels is not None),
            "socket_timeout": LONGEST_BLOCK_S + REPLY_TIMEOUT_S,
            "max_connections": MOST_CONNECTIONS,
        }
        try:
            # redis-py types every reply as a union of all it might be; ours are known.
            self._redis: Any = Redis.from_pool(self._new_pool())
            if self._shards is not None:
                self._redis, self.clock = ClusterClient(self._new_pool), CLUSTER_CLOCK
        except (RedisError, ValueError, TypeError) as error:
            why = mask_text(str(error), url)
            raise ConfigError(f"redis_url is {mask_url(url)!r}, which is not a Redis URL: {why}.") from None
        self._lookup: Lookup[Any] | None = None
        if sentinels is not None:
            self._lookup = Lookup(sentinels, self._lead_to)
        if self._shards is not None:
            self._lookup = Lookup(self._shards, self._redis.lead_to)
        self._renewed = -RENEW_EVERY_S
        self._scripts: dict[str, ScriptPipeline] = {}

    async def run_script(self, name: str, queue: QueueKeys, **arguments: object) -> Any:
        """Run one script on one queue.

        Raises:
            ServerUnreachable: Redis gave no answer; the script may have run.
        """
        script = load_script(name, self.clock)
        values = script_arguments(script, queue, arguments)
        return await self._reply(lambda: self._scripts_of(queue).run(script, values))

    async def run_script_after(
        self, command: Sequence[object], name: str, queue: QueueKeys, **arguments: object
    ) -> tuple[Any, Any]:
        """Run a command that may block, and a script right behind it, in one round trip of their own.

        Raises:
            ServerUnreachable: Redis gave no answer; both may have run, or may run later.
        """
        script = load_script(name, self.clock)
        behind = script_arguments(script, queue, arguments)
        scripts = self._scripts_of(queue)
        first, answer = await self._reply(lambda: scripts.run_after(command, script, behind))
        return first, answer

    async def command(self, name: str, *arguments: Any, **options: Any) -> Any:
        """Run one command, by the name of redis-py's method.

        Raises:
            ServerUnreachable: Redis gave no answer; the command may have run.
        """
        return await self._reply(lambda: getattr(self._redis, name)(*arguments, **options))

    async def raw_command(self, *command: str) -> Any:
        """Run one command whose reply stays bytes. Raises ServerUnreachable."""
        return await self._reply(lambda: self._redis.execute_command(*command, **RAW))

    def pipeline(self) -> Any:
        """Commands for one round trip, for `execute`; other clients' commands may come in between."""
        return self._redis.pipeline(transaction=False)

    async def execute(self, pipeline: Any) -> list[Any]:
        """Run a pipeline. Raises ServerUnreachable."""
        replies: list[Any] = await self._reply(lambda: self._execute(pipeline))
        return replies

    async def execute_each(self, pipeline: Any) -> list[Any]:
        """Run a pipeline; the reply for a key of another type, or without its group, is the exception.

        Raises ServerUnreachable, InfinitasError.
        """

        async def run() -> list[Any]:
            replies: list[Any] = await self._execute(pipeline, raise_on_error=False)
            for reply in replies:
                if isinstance(reply, Exception) and not is_of_one_key(reply):
                    raise reply
            return replies

        found: list[Any] = await self._reply(run)
        return found

    async def now(self) -> datetime:
        """The time by Redis, as the scripts see it. Raises ServerUnreachable."""
        return from_ms(await self.run_script("now", QueueKeys("default")))

    async def _reply(self, run: Callable[[], Awaitable[Any]]) -> Any:
        """Run a command where it belongs, and translate the exceptions of redis-py."""
        try:
            try:
                return await self._run(run)
            except MovedError:
                if self._shards is None:
                    raise
                # Refused, since the hash slot is elsewhere by now: this time the lookup finds where.
                return await self._run(run)
        except (RedisError, OSError, TimeoutError) as error:
            raise translated(error, self.url) from None
        except RuntimeError as error:
            if not is_closed_transport(error):
                raise
            raise translated(error, self.url) from None

    async def _run(self, run: Callable[[], Awaitable[Any]]) -> Any:
        if self._lookup is not None:
            await self._lookup.find()
        pool = self._redis.connection_pool
        try:
            async with asyncio.timeout(LONGEST_BLOCK_S + 2 * REPLY_TIMEOUT_S):
                return await run()
        except (RedisError, OSError, TimeoutError) as error:
            await self._after(error, pool)
            raise

    async def check(self) -> None:
        """Refuse a Redis that would lose jobs.

        Raises:
            UnsafeBroker: it is too old, a Redis Cluster or a Sentinel, may evict keys, or lacks a command.
            ServerUnreachable: Redis gave no answer.
        """
        for info in await self._reply(self._infos):
            check_info(info, self.url)
        if known := await self._reply(self._commands):
            check_commands(known, self.url)

    async def close(self) -> None:
        if self._lookup is not None:
            await self._lookup.close()
        await self._redis.aclose()

    @property
    def is_one_server(self) -> bool:
        """Whether a command may name keys of several queues: not on a Cluster."""
        return self._shards is None

    def _scripts_of(self, queue: QueueKeys) -> ScriptPipeline:
        """Those of one shard must not wait for another one's answers."""
        shard = queue.queue if self._shards else ""
        if shard not in self._scripts:
            self._scripts[shard] = ScriptPipeline(self.pipeline)
        return self._scripts[shard]

    def _execute(self, pipeline: Any, **options: bool) -> Awaitable[list[Any]]:
        # It may have been made before a change of the primary.
        pipeline.connection_pool = self._redis.connection_pool
        replies: Awaitable[list[Any]] = pipeline.execute(**options)
        return replies

    async def info(self, queue: QueueKeys, section: str) -> Mapping[str, Any]:
        """A section of INFO, of the Redis that has this queue. Raises ServerUnreachable, InfinitasError."""
        found: Mapping[str, Any] = await self._reply(lambda: self._client_of(queue).info(section))
        return found

    async def scan(self, queue: QueueKeys, cursor: int, pattern: str, count: int) -> tuple[int, list[str]]:
        """SCAN of the Redis that has this queue. Raises ServerUnreachable."""
        found: tuple[int, list[str]] = await self._reply(
            lambda: self._client_of(queue).scan(cursor, match=pattern, count=count)
        )
        return found

    def _client_of(self, queue: QueueKeys) -> Any:
        return self._redis.client_of(("EXISTS", queue.prefix)) if self._shards else self._redis

    async def _infos(self) -> list[Mapping[str, Any]]:
        clients = self._redis.clients.values() if self._shards else [self._redis]
        return [await self._info(client) for client in clients]

    async def _info(self, client: Any) -> Mapping[str, Any]:
        """INFO of Redis; where that is forbidden or disabled, as with managed ones, HELLO, or nothing."""
        try:
            found: Mapping[str, Any] = await client.info()
            return found
        except ResponseError:
            pass
        try:
            pairs = await client.execute_command("HELLO")
        except ResponseError:
            return {}
        return parse_greeting(pairs)

    async def _commands(self) -> Sequence[object]:
        """COMMAND INFO of all that are needed; empty where it is not permitted, or not there."""
        try:
            found: Sequence[object] = await self._redis.execute_command("COMMAND INFO", *COMMANDS)
        except ResponseError:
            return ()
        return found

    def _new_pool(self, address: Address | None = None) -> Any:
        pool: Any = ConnectionPool.from_url(self._server_url, **self._options)
        if address is not None:
            pool.connection_kwargs["host"], pool.connection_kwargs["port"] = address
        # Opens no socket, and raises where the options of the URL don't fit.
        pool.make_connection()
        check_files(pool.connection_kwargs)
        return pool

    async def _after(self, error: Exception, pool: Any) -> None:
        """After an error on a connection of `pool`: the primary may be another server by now."""
        if self._redis.connection_pool is not pool:
            return
        demoted = primary_is_elsewhere(error)
        if self._lookup is not None and (demoted or is_outage(error)):
            self._lookup.doubt(wrong=demoted)
        now = time.monotonic()
        if self._lookup is None and demoted and now - self._renewed >= RENEW_EVERY_S:
            # The next command resolves the address again. What is in use is closed on return to its old pool.
            self._renewed = now
            self._redis.connection_pool = self._new_pool()
            await pool.update_active_connections_for_reconnect()
            await pool.disconnect(inuse_connections=False)

    async def _lead_to(self, address: Address) -> None:
        """Use this primary; end all commands that wait on the former one."""
        pool = self._redis.connection_pool
        self._redis.connection_pool = self._new_pool(address)
        await pool.update_active_connections_for_reconnect()
        await pool.disconnect()


def script_arguments(script: Script, queue: QueueKeys, arguments: Mapping[str, object]) -> tuple[Any, ...]:
    """The arguments of EVALSHA after the script: the number of keys, the keys, the values."""
    keys = script.keys_of(queue)
    values = [queue.prefix if arg == "prefix" else arguments[arg] for arg in script.args]
    return (len(keys), *keys, *values)


async def _greet(name: str, must_lead: bool, connection: Any) -> None:
    """Begin a new connection, name it if Redis allows that, and check that it leads to a primary."""
    await connection.on_connect()
    with suppress(ResponseError):
        await connection.send_command("CLIENT", "SETNAME", name)
        await connection.read_response()
    if must_lead:
        role = None
        with suppress(ResponseError):
            await connection.send_command("ROLE")
            role = await connection.read_response()
        check_role(role)


def client_name(role: str) -> str:
    """The name of a connection in CLIENT LIST."""
    return f"infinitas:{role}:{_host()}"


def _host() -> str:
    return "".join(c if c.isprintable() and c != " " else "-" for c in socket.gethostname())
