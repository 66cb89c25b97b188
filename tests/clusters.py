"""A Redis Cluster of three shards with a replica each: to fail over, and to move hash slots in."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from redis import Redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import RedisError

from infinitas.devservers.guarded import start_guarded
from infinitas.devservers.redis import find_redis
from tests.own_redis import free_port
from tests.support import alive, eventually

PASSWORD = "cluster-secret"
SHARDS = 3
OPTIONS = {
    "bind": "127.0.0.1",
    "requirepass": PASSWORD,
    "masterauth": PASSWORD,
    "appendonly": "yes",
    "save": "",
    "cluster-enabled": "yes",
    "cluster-node-timeout": "2000",
    "repl-diskless-sync-delay": "0",
}


class Node:
    """One node, which is killed and started again; its port stays."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self.port = free_port()
        self.admin: Any = Redis(port=self.port, password=PASSWORD, decode_responses=True)
        self.start()
        self.id = str(self.cluster("MYID"))

    def start(self) -> None:
        options = {**OPTIONS, "port": str(self.port), "dir": str(self._folder)}
        command = [
            str(find_redis()),
            *(part for name, value in options.items() for part in (f"--{name}", value)),
        ]
        self.server = start_guarded("redis", command, folder=self._folder, stop_signal=signal.SIGTERM)
        self.server.wait_until(self._answers)

    def kill(self) -> None:
        pid = int(self.admin.info("server")["process_id"])
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not alive(pid))
        self.server.stop()

    def stop(self) -> None:
        self.admin.close()
        self.server.stop()

    def role(self) -> str:
        return str(self.admin.role()[0])

    def cluster(self, *command: object) -> Any:
        return self.admin.execute_command("CLUSTER", *command)

    def _answers(self) -> bool:
        with suppress(RedisError):
            return bool(self.admin.ping())
        return False


class ClusterSystem:
    """`nodes[i]` has a third of the hash slots at first, and `nodes[i + 3]` is its replica."""

    def __init__(self, folder: Path) -> None:
        self.nodes = [Node(folder / str(i)) for i in range(2 * SHARDS)]
        self.url = (
            f"redis+cluster://:{PASSWORD}@127.0.0.1:{self.nodes[0].port},127.0.0.1:{self.nodes[1].port}"
        )
        share = REDIS_CLUSTER_HASH_SLOTS // SHARDS + 1
        for i, node in enumerate(self.nodes):
            node.cluster("MEET", "127.0.0.1", self.nodes[0].port)
            if i < SHARDS:
                last = min((i + 1) * share, REDIS_CLUSTER_HASH_SLOTS) - 1
                node.cluster("ADDSLOTSRANGE", i * share, last)
        eventually(lambda: all(self._knows_all(node) for node in self.nodes))
        for i in range(SHARDS):
            self.nodes[i + SHARDS].cluster("REPLICATE", self.nodes[i].id)
        eventually(lambda: all(self._is_ready(node) for node in self.nodes))

    def primary_of(self, key: str) -> Node:
        """The node that serves a key, as its own shard sees it."""
        slot = key_slot(key.encode())
        for first, last, primary, *_ in self._alive().cluster("SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == primary[1])
        raise AssertionError(f"no node serves {key}")

    def other_than(self, primary: Node) -> Node:
        """Another primary."""
        return next(node for node in self.nodes if node is not primary and node.role() == "master")

    @contextmanager
    def moving(self, key: str, target: Node) -> Iterator[Node]:
        """A key's hash slot is on its way to `target`; no key has left yet. Yields the node that has it."""
        slot, source = key_slot(key.encode()), self.primary_of(key)
        target.cluster("SETSLOT", slot, "IMPORTING", source.id)
        source.cluster("SETSLOT", slot, "MIGRATING", target.id)
        try:
            yield source
        finally:
            for node in (source, target):
                node.cluster("SETSLOT", slot, "STABLE")

    def move(self, key: str, target: Node) -> None:
        """Move the hash slot of a key as the tools of Redis 7 do: key by key."""
        slot = key_slot(key.encode())
        with self.moving(key, target) as source:
            while keys := source.cluster("GETKEYSINSLOT", slot, 10):
                source.admin.execute_command(
                    *("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "AUTH", PASSWORD, "KEYS", *keys)
                )
            for node in (target, source):
                node.cluster("SETSLOT", slot, "NODE", target.id)

    def confirmed(self, key: str) -> None:
        """Wait until the replica of a key's shard has all that was written up to now."""
        admin = self.primary_of(key).admin
        admin.set(f"{key}written", 1)
        assert admin.wait(1, 30_000) == 1

    def wait_until_ready(self) -> None:
        eventually(lambda: all(self._is_ready(node) for node in self.nodes))

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()

    def _alive(self) -> Node:
        return next(node for node in self.nodes if node.server.running)

    def _knows_all(self, node: Node) -> bool:
        return len(str(node.cluster("NODES")).splitlines()) == len(self.nodes)

    def _is_ready(self, node: Node) -> bool:
        role = node.admin.role()
        linked = role[3] == "connected" if role[0] == "slave" else len(role[2]) == 1
        return "cluster_state:ok" in str(node.cluster("INFO")) and linked


@contextmanager
def cluster_system() -> Iterator[ClusterSystem]:
    folder = Path(tempfile.mkdtemp(prefix="infinitas-cluster-"))
    system = ClusterSystem(folder)
    try:
        yield system
    finally:
        system.stop()
        shutil.rmtree(folder, ignore_errors=True)
