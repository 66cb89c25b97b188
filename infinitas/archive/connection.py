"""The connection to Postgres. It raises no psycopg exception, and waits for nothing without a limit."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cached_property
from typing import Any

from infinitas.core.errors import ConfigError, InfinitasError, ServerUnreachable
from infinitas.runtime.masking import mask_text, mask_url
from infinitas.runtime.urls import split_schema

try:
    import psycopg
    from psycopg import AsyncConnection
    from psycopg.conninfo import conninfo_to_dict
    from psycopg.types.string import TextLoader
except ImportError as missing:  # pragma: no cover - a broken install
    raise ConfigError(
        "The archive needs the Postgres driver: pip install 'infinitas[postgres]'."
    ) from missing

from infinitas.archive.faults import is_of_the_data
from infinitas.archive.limits import WRITES, Limits

_KEEPALIVES = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""How the kernel detects a peer that is gone, unless the URL sets it otherwise."""
_RIGHTS = (psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidSchemaName)


class RefusedValue(InfinitasError):
    """Postgres can't store a value; the transaction did not happen, and the connection is usable."""


class MissingRight(ServerUnreachable):
    """The role may not do this, or may not create anything where its search_path leads."""


class Archive:
    """One connection to the archive, opened on first use and again after it broke."""

    def __init__(self, url: str, role: str, limits: Limits = WRITES, *, writes: bool = True) -> None:
        self.url = url
        self._libpq_url, self.schema = split_schema(url)
        self._role = role
        self._limits = limits
        self._writes = writes
        self._connection: AsyncConnection | None = None
        self._one_at_a_time = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self, limits: Limits | None = None) -> AsyncIterator[AsyncConnection]:
        """A transaction: committed when the block ends, rolled back when it raises.

        Raises:
            RefusedValue: a value can't be stored.
            ServerUnreachable: Postgres can't be reached, closed the connection, is silent or can't be used
                now; the transaction did not happen, or (commit reply lost) may have.
        """
        limits = limits or self._limits
        async with self._one_at_a_time:
            deadline = _Deadline()
            try:
                connection = await self._begin(limits, deadline)
                deadline.set(connection, limits.deadline_s)
                yield connection
                await connection.commit()
            except BaseException as error:  # noqa: BLE001 - also a cancellation
                raise await self._end(error, deadline) from None
            finally:
                deadline.clear()

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    @property
    def encoding(self) -> str | None:
        """The database's encoding; None while there is no connection."""
        return self._connection.info.parameter_status("server_encoding") if self._connection else None

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """Parameters of the connection. Raises ConfigError: the URL is not valid."""
        try:
            given = conninfo_to_dict(self._libpq_url)
        except psycopg.ProgrammingError as error:
            raise ConfigError(
                f"postgres_url is {mask_url(self.url)!r}, which is not a Postgres URL: "
                f"{mask_text(str(error), self.url)}"
            ) from None
        primary = {"target_session_attrs": "read-write"} if self._writes else {}
        ours = {"client_encoding": "UTF8", "application_name": f"infinitas:{self._role}"}
        return {**_KEEPALIVES, **primary, **given, **ours}

    async def _begin(self, limits: Limits, deadline: "_Deadline") -> AsyncConnection:
        """Begin a transaction; on a new connection if the open one was closed while it was idle."""
        reused = self._connection is not None
        connection = await self._open(limits)
        deadline.set(connection, limits.answer_s)
        try:
            await connection.execute(limits.begin(self.schema))
        except psycopg.OperationalError:
            if not reused or deadline.passed_s is not None:
                raise
            await self.close()
            return await self._begin(limits, deadline)
        return connection

    async def _open(self, limits: Limits) -> AsyncConnection:
        if self._connection is None or self._connection.closed:
            each_s = limits.answer_s
            hosts = str(self.parameters.get("host", "")).count(",") + 1
            # The driver's own limit is for each host, in whole seconds, and excludes name resolution.
            async with asyncio.timeout(each_s * hosts):
                self._connection = await AsyncConnection.connect(
                    **{**self.parameters, "connect_timeout": max(round(each_s), 2)},
                    autocommit=True,
                    prepare_threshold=None,
                )
            # JSON is text in all records.
            self._connection.adapters.register_loader("json", TextLoader)
        return self._connection

    async def _end(self, error: BaseException, deadline: "_Deadline") -> BaseException:
        """Roll back, or close a connection in an unknown state. Returns the error to raise."""
        if not isinstance(error, Exception):
            await self.close()
            return error
        if deadline.passed_s is not None:
            await self.close()
            return self._unreachable(f"gave no answer within {deadline.passed_s:g} s")
        if isinstance(error, TimeoutError):
            return self._unreachable("accepted no connection in time")
        ours = not isinstance(error, (psycopg.Error, OSError))
        if (ours or is_of_the_data(error)) and await self._roll_back():
            return RefusedValue(f"Postgres refused a value: {_line(error)}") if not ours else error
        await self.close()
        if isinstance(error, psycopg.errors.UndefinedTable):
            return ServerUnreachable(
                f"Postgres at {mask_url(self.url)} has no tables of Infinitas yet: `infinitas archiver` "
                "creates them when it starts, and so does `infinitas migrate`."
            )
        if isinstance(error, _RIGHTS):
            return MissingRight(
                f"Postgres at {mask_url(self.url)} refuses this to the role of postgres_url "
                f"({mask_text(_line(error), self.url)}); docs/postgres.md lists the rights that it needs."
            )
        if isinstance(error, psycopg.Error) and error.sqlstate is not None:
            return self._unreachable(f"can't be used now ({_line(error)})")
        if isinstance(error, (psycopg.Error, OSError)):
            return self._unreachable(f"gave no answer ({_line(error)})")
        return error

    async def _roll_back(self) -> bool:
        with suppress(psycopg.Error, OSError):
            if self._connection is not None:
                await self._connection.rollback()
                return True
        return False

    def _unreachable(self, what: str) -> ServerUnreachable:
        return ServerUnreachable(f"Postgres at {mask_url(self.url)} {mask_text(what, self.url)}.")


class _Deadline:
    """Shuts a connection's socket at the deadline, so that a wait for it ends with an error.

    A cancellation would not end it: the driver then cancels the statement, and waits for the server's
    answer to that.
    """

    def __init__(self) -> None:
        self.passed_s: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def set(self, connection: AsyncConnection, seconds: float) -> None:
        self.clear()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._cut, connection, seconds)

    def clear(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _cut(self, connection: AsyncConnection, seconds: float) -> None:
        self.passed_s = seconds
        if not connection.closed:
            with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as found:
                found.shutdown(socket.SHUT_RDWR)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
