"""A primary, a replica and three Sentinels, with passwords: to fail over."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from infinitas.devservers.guarded import GuardedServer, start_guarded
from infinitas.devservers.redis import find_redis, start_redis
from tests.own_redis import free_port
from tests.support import alive, eventually

PASSWORD = "server-secret"
SENTINEL_PASSWORD = "sentinel-secret"
PATIENT_MS, HURRIED_MS = 60_000, 1000
"""After how long a silent primary counts as down: a busy machine must cause no failover of its own."""


class Node:
    """One Redis, which is killed and started again; its port stays."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.start()

    def start(self) -> None:
        self.server, url = start_redis(self.folder)
        first: Any = Redis.from_url(url, decode_responses=True)
        for name, value in (("masterauth", PASSWORD), ("requirepass", PASSWORD), ("port", self.port)):
            first.config_set(name, value)
        first.close()
        self.admin: Any = Redis.from_url(url, password=PASSWORD, decode_responses=True)

    @property
    def pid(self) -> int:
        return int(self.admin.info("server")["process_id"])

    def kill(self) -> None:
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not alive(pid))
        self.server.stop()

    def stop(self) -> None:
        self.admin.close()
        self.server.stop()

    def follow(self, other: "Node") -> None:
        self.admin.replicaof("127.0.0.1", other.port)
        eventually(lambda: self.admin.info("replication").get("master_link_status") == "up")

    def role(self) -> str:
        """Empty while the server ends its connections, as a demotion does."""
        with suppress(RedisError):
            return str(self.admin.role()[0])
        return ""


class SentinelSystem:
    """`primary` is the node that the Sentinels name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.nodes = [Node(folder / str(i), free_port()) for i in range(2)]
        self.nodes[1].follow(self.nodes[0])
        self._sentinels = [self._start_sentinel(i) for i in range(3)]
        self.admins: list[Any] = [
            Redis(port=port, password=SENTINEL_PASSWORD, decode_responses=True) for port, _ in self._sentinels
        ]
        self.sentinel_ports = [port for port, _ in self._sentinels]
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.sentinel_ports)
        self.url = f"redis+sentinel://:{PASSWORD}@{hosts}/mymaster/0?sentinel_password={SENTINEL_PASSWORD}"
        for admin in self.admins:
            # A tenth of its usual times, and patience with a busy machine.
            admin.execute_command(
                *("SENTINEL", "DEBUG", "INFO-PERIOD", 1000, "PUBLISH-PERIOD", 200, "TILT-TRIGGER", 60_000)
            )
        self.wait_until_ready()

    @property
    def primary(self) -> Node:
        return self.node_on(int(self.admins[0].sentinel_get_master_addr_by_name("mymaster")[1]))

    @property
    def replica(self) -> Node:
        primary = self.primary
        return next(node for node in self.nodes if node is not primary)

    def wait_until_ready(self) -> None:
        """All Sentinels know each other, the same primary, and a replica that a failover may promote."""
        self._set_down_after(PATIENT_MS)
        eventually(lambda: all(map(self._is_ready, self.admins)))

    def confirmed(self) -> None:
        """Wait until the replica has all that was written up to now."""
        admin = self.primary.admin
        admin.set("written", 1)
        assert admin.wait(1, 30_000) == 1

    def kill_primary(self) -> None:
        """The Sentinels notice it soon."""
        primary = self.primary
        self._set_down_after(HURRIED_MS)
        primary.kill()

    def switched(self, old: Node) -> bool:
        """Whether all Sentinels name another primary."""
        return all(
            int(admin.sentinel_get_master_addr_by_name("mymaster")[1]) != old.port for admin in self.admins
        )

    def fail_over(self) -> None:
        """SENTINEL FAILOVER: the old primary stays up, and takes writes for a while."""
        self.wait_until_ready()
        old = self.primary
        eventually(self._accepts_failover)
        eventually(lambda: self.switched(old))

    def node_on(self, port: int) -> Node:
        return next(node for node in self.nodes if node.port == port)

    def stop(self) -> None:
        for admin in self.admins:
            admin.close()
        for _, server in self._sentinels:
            server.stop()
        for node in self.nodes:
            node.stop()

    def _set_down_after(self, milliseconds: int) -> None:
        for admin in self.admins:
            admin.sentinel_set("mymaster", "down-after-milliseconds", milliseconds)

    def _accepts_failover(self) -> bool:
        # Refused while one is under way, and after one that has just ended.
        with suppress(RedisError):
            return bool(self.admins[0].execute_command("SENTINEL", "FAILOVER", "mymaster"))
        return False

    def _is_ready(self, admin: Any) -> bool:
        state = admin.sentinel_master("mymaster")
        replicas = admin.sentinel_slaves("mymaster")
        ready = state["is_master"] and not state["is_sdown"] and int(state["num-other-sentinels"]) == 2
        return bool(ready) and [each["master-link-status"] for each in replicas] == ["ok"]

    def _start_sentinel(self, number: int) -> tuple[int, GuardedServer]:
        folder = self._folder / f"sentinel-{number}"
        folder.mkdir()
        port, config = free_port(), folder / "sentinel.conf"
        config.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {folder}\nrequirepass {SENTINEL_PASSWORD}\n"
            f"sentinel sentinel-pass {SENTINEL_PASSWORD}\n"
            f"sentinel monitor mymaster 127.0.0.1 {self.nodes[0].port} 2\n"
            f"sentinel auth-pass mymaster {PASSWORD}\n"
            f"sentinel down-after-milliseconds mymaster {PATIENT_MS}\n"
            "sentinel failover-timeout mymaster 3000\n"
        )
        command = [str(find_redis()), str(config), "--sentinel"]
        server = start_guarded("sentinel", command, folder=folder, stop_signal=signal.SIGTERM)
        admin: Any = Redis(port=port, password=SENTINEL_PASSWORD)
        server.wait_until(lambda: _answers(admin))
        admin.close()
        return port, server


def _answers(admin: Any) -> bool:
    with suppress(RedisError):
        return bool(admin.ping())
    return False


@contextmanager
def sentinel_system() -> Iterator[SentinelSystem]:
    folder = Path(tempfile.mkdtemp(prefix="infinitas-sentinel-"))
    system = SentinelSystem(folder)
    try:
        yield system
    finally:
        system.stop()
        shutil.rmtree(folder, ignore_errors=True)
