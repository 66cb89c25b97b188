"""Redis Cluster: which node serves which hash slot, and a client that sends commands to the right node.

`redis+cluster://[user:password@]host:port,host:port` names some nodes; those name all others. All keys of
a queue are in one hash slot, so each script runs on one node, whole. One that is moved key by key is not
followed until it has arrived (ASK): a script would find half a queue.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.connection import ConnectionPool as SyncConnectionPool
from redis.connection import parse_url
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import RedisError, ResponseError

from infinitas.broker.lookup import Check
from infinitas.broker.sentinel import Address
from infinitas.core.errors import ConfigError, ServerUnreachable

HashSlots = tuple[Address | None, ...]
"""The address of the primary that serves each hash slot; None: no node does."""
PORT = 6379
REPLY_TIMEOUT_S = 1.0
_SUFFIX = "+cluster"
_KEY_AT = {"EVAL": 3, "EVALSHA": 3}
_KEYLESS = frozenset(("INFO", "HELLO", "COMMAND INFO", "PING"))


class Shards:
    """The nodes of a Cluster; the first address is asked first. Threads may share it."""

    def __init__(self, seeds: Sequence[Address], server_url: str) -> None:
        self._seeds = tuple(seeds)
        self._addresses = self._seeds
        self._server_url = server_url

    @classmethod
    def of(cls, url: str) -> tuple[Self | None, str]:
        """The Cluster that a checked URL names, if any, and the URL of its nodes without an address."""
        scheme, _, rest = url.partition("://")
        if not scheme.endswith(_SUFFIX):
            return None, url
        scheme = scheme.removesuffix(_SUFFIX)
        head, _, query = rest.partition("?")
        user, at, hosts = head.rstrip("/").rpartition("@")
        named: list[Any] = [parse_url(f"{scheme}://{host}") for host in hosts.split(",")]  # type: ignore[no-untyped-call]
        server_url = f"{scheme}://{user}{at}/?{query}"
        seeds = [(str(each["host"]), int(each.get("port", PORT))) for each in named]
        return cls(seeds, server_url), server_url

    def find(self) -> HashSlots:
        """The map of hash slots, from the first node that answers.

        Raises:
            ServerUnreachable: none did. ConfigError: it is no Cluster.
        """
        failures = []
        for address in self._addresses:
            try:
                ranges = self._ask(address)
            except ResponseError as error:
                if "cluster support disabled" in str(error):
                    raise ConfigError(
                        f"redis_url begins with redis+cluster://, and {_text(address)} is a Redis without "
                        "cluster-enabled: write redis://."
                    ) from None
                failures.append(f"{_text(address)}: {error}".rstrip("."))
            except (RedisError, OSError) as error:
                failures.append(f"{_text(address)}: {error}".rstrip("."))
            else:
                return self._learn(address, ranges)
        raise ServerUnreachable(
            f"No node of the Redis Cluster of redis_url gave an answer ({'; '.join(failures)})."
        )

    def distrust(self) -> None:
        """Begin the next search with another node: the map of the first one was out of date."""
        self._addresses = (*self._addresses[1:], self._addresses[0])

    def watch(self, check: Check) -> None:
        """A node whose hash slot has moved refuses commands, so no change goes unnoticed."""

    def _ask(self, address: Address) -> Any:
        timeouts = {"socket_timeout": REPLY_TIMEOUT_S, "socket_connect_timeout": REPLY_TIMEOUT_S}
        pool = SyncConnectionPool.from_url(self._server_url, **timeouts, decode_responses=True, protocol=2)
        pool.connection_kwargs["host"], pool.connection_kwargs["port"] = address
        connection: Any = pool.make_connection()
        try:
            connection.connect()
            connection.send_command("CLUSTER", "SLOTS")
            return connection.read_response()
        finally:
            connection.disconnect()

    def _learn(self, asked: Address, ranges: Sequence[Sequence[Any]]) -> HashSlots:
        slots: list[Address | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        known = {asked: None}
        for first, last, primary, *replicas in ranges:
            # A node that does not know its own address leaves it out.
            nodes = [(str(node[0] or asked[0]), int(node[1])) for node in (primary, *replicas)]
            slots[first : last + 1] = [nodes[0]] * (last + 1 - first)
            known |= dict.fromkeys(nodes)
        self._addresses = tuple(known | dict.fromkeys(self._seeds))
        return tuple(slots)


def hash_slot_of(command: Sequence[Any]) -> int | None:
    """The hash slot of a command's first key; None: it has none, and any node may run it."""
    name = str(command[0]).upper()
    if name in _KEYLESS or len(command) == 1:
        return None
    at = _KEY_AT.get(name, 1)
    for marker in ("STREAMS", b"STREAMS", "MATCH", b"MATCH"):
        if name in ("XREAD", "SCAN") and marker in command:
            at = command.index(marker) + 1
    key = command[at]
    return key_slot(key if isinstance(key, bytes) else str(key).encode())


class ClusterClient(Redis):
    """A client for all nodes; the pool that it is made of is never used."""

    def __init__(self, new_pool: Callable[[Address], Any]) -> None:
        super().__init__()
        self._new_pool = new_pool
        self._slots: HashSlots = ()
        self.clients: dict[Address, Any] = {}

    async def lead_to(self, slots: HashSlots) -> None:
        """Use this map; end all commands that wait on a node that is no primary by now."""
        self._slots = slots
        for address in set(slots) - set(self.clients) - {None}:
            assert address is not None
            self.clients[address] = Redis.from_pool(self._new_pool(address))
        for address in set(self.clients) - set(slots):
            await self.clients.pop(address).aclose()

    def client_of(self, command: Sequence[Any]) -> Any:
        """The client of the node that serves a command. Raises ServerUnreachable."""
        slot = hash_slot_of(command)
        address = next(iter(self.clients), None) if slot is None else self._slots[slot]
        if address is None:
            raise ServerUnreachable(f"No node of the Redis Cluster serves hash slot {slot}.")
        return self.clients[address]

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        return await self.client_of(args).execute_command(*args, **options)

    def pipeline(self, transaction: bool = False, shard_hint: str | None = None) -> Any:
        return ClusterPipeline(self)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        for client in self.clients.values():
            await client.aclose()


class ClusterPipeline(Pipeline):
    """Commands for one round trip to each node."""

    def __init__(self, client: ClusterClient) -> None:
        super().__init__(client.connection_pool, client.response_callbacks, False, None)
        self._client = client

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        commands: list[tuple[Sequence[Any], Mapping[str, Any]]] = list(self.command_stack)
        parts: dict[int, tuple[Any, list[int]]] = {}
        for i, (args, _) in enumerate(commands):
            client = self._client.client_of(args)
            parts.setdefault(id(client), (client, []))[1].append(i)
        replies: list[Any] = [None] * len(commands)

        async def run(client: Any, positions: list[int]) -> None:
            part = client.pipeline(transaction=False)
            for i in positions:
                args, options = commands[i]
                part.execute_command(*args, **options)
            for i, reply in zip(positions, await part.execute(raise_on_error), strict=True):
                replies[i] = reply

        # All are awaited, so that no part goes on after the error of another.
        ends = await asyncio.gather(*(run(*part) for part in parts.values()), return_exceptions=True)
        for error in ends:
            if error is not None:
                raise error
        return replies


def _text(address: Address) -> str:
    return f"{address[0]}:{address[1]}"
