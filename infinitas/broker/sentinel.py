"""Redis Sentinel: which server is the primary, and when that may have changed.

`redis+sentinel://[user:password@]host:port,host:port/service[/number]` names the Sentinels and their service.
User, password and number are those of the servers; TLS options are for both.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Self
from urllib.parse import unquote

from redis.asyncio import Redis
from redis.connection import ConnectionPool as SyncConnectionPool
from redis.exceptions import ReadOnlyError, RedisError

from infinitas.broker.lookup import Check
from infinitas.core.errors import ConfigError, ServerUnreachable

Address = tuple[str, int]
PORT = 26_379
REPLY_TIMEOUT_S = 1.0
"""How long one Sentinel without an answer holds up a search; later searches begin with another."""
CHECK_EVERY_S = 10.0
"""A change whose message was lost is noticed after so long."""
_SUFFIX = "+sentinel"
_LOGIN = "sentinel_"


class Sentinels:
    """The Sentinels of one service. Threads may share it."""

    def __init__(self, urls: Sequence[str], service: str, login: Mapping[str, str]) -> None:
        self._urls = tuple(urls)
        """The first one is asked first."""
        self._service = service
        self._options: Mapping[str, Any] = {
            **login,
            "socket_timeout": REPLY_TIMEOUT_S,
            "socket_connect_timeout": REPLY_TIMEOUT_S,
            "decode_responses": True,
            "protocol": 2,
        }

    @classmethod
    def of(cls, url: str) -> tuple[Self | None, str]:
        """The Sentinels that a checked URL names, if any, and the URL of their servers without an address."""
        scheme, _, rest = url.partition("://")
        if not scheme.endswith(_SUFFIX):
            return None, url
        scheme = scheme.removesuffix(_SUFFIX)
        head, _, query = rest.partition("?")
        authority, service, *number = head.rstrip("/").split("/")
        user, at, hosts = authority.rpartition("@")
        options = query.split("&") if query else []
        own = [option.removeprefix(_LOGIN).partition("=") for option in options if option.startswith(_LOGIN)]
        tls = "&".join(option for option in options if option.startswith("ssl_"))
        others = "&".join(option for option in options if not option.startswith(_LOGIN))
        urls = [f"{scheme}://{_with_port(host)}?{tls}" for host in hosts.split(",")]
        login = {name: unquote(value) for name, _, value in own}
        return cls(urls, service, login), f"{scheme}://{user}{at}/{''.join(number)}?{others}"

    def find(self) -> Address:
        """The address of the primary, from the first Sentinel that knows it.

        Raises:
            ServerUnreachable: no Sentinel gave an answer. ConfigError: they do not know the service.
        """
        failures, answered = [], False
        for url in self._urls:
            try:
                found = self._ask(url)
            except (RedisError, OSError) as error:
                failures.append(f"{_host(url)}: {error}".rstrip("."))
            else:
                if found is not None:
                    return found
                answered = True
            self._ask_last(url)
        if answered:
            raise ConfigError(
                f"redis_url names the service {self._service!r}, which its Sentinels do not know: "
                "SENTINEL MASTERS lists those that they know."
            )
        raise ServerUnreachable(
            f"No Sentinel of redis_url named the primary of {self._service} ({'; '.join(failures)}). Where "
            "Sentinels have a password, the option sentinel_password of the URL has it."
        )

    def distrust(self) -> None:
        """Begin the next search with another Sentinel: the first one named a server that is no primary."""
        self._ask_last(self._urls[0])

    async def watch(self, check: Check) -> None:
        """Call `check` whenever the primary may have changed. Never returns."""
        while True:
            url = self._urls[0]
            try:
                async with Redis.from_url(url, **self._options) as sentinel, sentinel.pubsub() as channel:
                    await channel.subscribe("+switch-master")
                    # The first message confirms the subscription: nothing is missed from here on.
                    await channel.get_message(timeout=REPLY_TIMEOUT_S)
                    await check()
                    await channel.get_message(timeout=CHECK_EVERY_S)
            except (RedisError, OSError):
                self._ask_last(url)
                await asyncio.sleep(REPLY_TIMEOUT_S)

    def _ask(self, url: str) -> Address | None:
        connection: Any = SyncConnectionPool.from_url(url, **self._options).make_connection()
        try:
            connection.connect()
            connection.send_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service)
            found: Any = connection.read_response()
        finally:
            connection.disconnect()
        return (str(found[0]), int(found[1])) if found else None

    def _ask_last(self, url: str) -> None:
        self._urls = (*(each for each in self._urls if each != url), url)


def check_role(role: object) -> None:
    """Check ROLE of a new connection: right after a failover a Sentinel may still name the old primary.

    Raises:
        ReadOnlyError: it is a replica.
    """
    if isinstance(role, list) and role and role[0] not in ("master", b"master"):
        raise ReadOnlyError("This server is a replica, and a Sentinel named it.", status_code="READONLY")


def _with_port(host: str) -> str:
    return host if host.rpartition("]")[2].rpartition(":")[1] else f"{host}:{PORT}"


def _host(url: str) -> str:
    return url.partition("://")[2].partition("?")[0]
