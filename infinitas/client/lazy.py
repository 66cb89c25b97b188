"""The client of one app: configured once, opened on first use, opened again after a fork."""

# redis needs it, and it can't be imported any more once the interpreter is ending.
import concurrent.futures.thread  # noqa: F401
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol
from weakref import WeakKeyDictionary

from infinitas.broker.messages import NewJob
from infinitas.client.portal import Portal
from infinitas.core.task_definition import TaskDefinition

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from infinitas.broker.connection import Connection
    from infinitas.broker.sync_enqueue import SyncEnqueuer
    from infinitas.client.interface import Client
    from infinitas.runtime.config import Settings


class StandIn(Protocol):
    """Takes the place of connections, for tests."""

    client: "Client"

    def send(self, task: TaskDefinition, jobs: Sequence[NewJob]) -> None: ...

    async def asend(self, task: TaskDefinition, jobs: Sequence[NewJob]) -> None: ...


class LazyClient:
    """For sync and async callers of any thread or loop; `portal` runs the client's I/O.

    Args:
        arguments: settings by name, over those of the environment and the file; None is not given.

    Raises:
        ConfigError: a setting is wrong.
    """

    def __init__(self, **arguments: object) -> None:
        self.portal = Portal()
        self.connect: Callable[[str, str], Connection] | None = None
        """Makes the connection to Redis; the testing kit has another."""
        self.stand_in: StandIn | None = None
        """In place of connections; `infinitas.testing.inline` sets it."""
        self._arguments = arguments
        self._settings: Settings | None = None
        self._clients: WeakKeyDictionary[AbstractEventLoop, Client] = WeakKeyDictionary()
        """By the loop in which its connections are. A child keeps its parent's, and never closes them."""
        self._direct: SyncEnqueuer | None = None
        self.app_name = self._load_settings().app_name
        """The app's name, fixed from here on: its tasks have it in their names."""

    @property
    def settings(self) -> "Settings":
        """The settings, with the URLs filled in; read on first use."""
        if self._settings is None:
            from infinitas.devservers.urls import fill_urls

            self._settings = fill_urls(self._load_settings())
        return self._settings

    def configure(self, **arguments: object) -> None:
        """Set settings as arguments do, over everything else; None is not given."""
        self._arguments.update({name: v for name, v in arguments.items() if v is not None})
        self._settings = None
        self.close()

    def arguments(self) -> dict[str, object]:
        """The settings that were given as arguments; `reset` sets them again."""
        return dict(self._arguments)

    def reset(self, arguments: dict[str, object]) -> None:
        """Set just these arguments, and connect anew."""
        self._arguments = dict(arguments)
        self._settings = None
        self.close()

    def open(self) -> "Client":
        """The client of the running loop, the portal's. A forked child has a loop of its own."""
        from asyncio import get_running_loop

        if self.stand_in is not None:
            return self.stand_in.client
        loop = get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            # Imported here: redis alone takes a tenth of a second, and much code only declares tasks.
            from infinitas.client.open import open_client

            client = self._clients[loop] = open_client(self.settings, self.connect)
        return client

    @property
    def direct(self) -> "SyncEnqueuer | None":
        """Enqueues from the caller's own thread, without an event loop; None through a server."""
        if self.stand_in is not None:
            return None
        if self._direct is None and self.settings.server is None and self.connect is None:
            from infinitas.broker.sync_send import open_checked
            from infinitas.runtime.config import DEFAULT_REDIS

            self._direct = open_checked(self.settings.redis_url or DEFAULT_REDIS)
        return self._direct

    def send(self, task: TaskDefinition, jobs: Sequence[NewJob]) -> None:
        """`Client.send` for sync code."""
        direct = self.direct
        if self.stand_in is not None:
            self.stand_in.send(task, jobs)
        elif direct is None:
            self.portal.wait(self._send(task, jobs))
        else:
            from infinitas.broker.sync_send import send

            send(direct, task, jobs)

    async def asend(self, task: TaskDefinition, jobs: Sequence[NewJob]) -> None:
        """`send` for async code."""
        if self.stand_in is not None:
            await self.stand_in.asend(task, jobs)
            return
        await self.portal.join(self._send(task, jobs))

    def close(self) -> None:
        """Close the client's connections. They open again on next use."""
        self.portal.stop(self._close_client)
        if direct := self._direct:
            self._direct = None
            direct.close()

    async def _close_client(self) -> None:
        from asyncio import get_running_loop

        if client := self._clients.pop(get_running_loop(), None):
            await client.close()

    async def _send(self, task: TaskDefinition, jobs: Sequence[NewJob]) -> None:
        await self.open().send(task, jobs)

    def _load_settings(self) -> "Settings":
        # Imported here, with pydantic's models: `import infinitas` is to take a moment.
        from infinitas.runtime.config import load_settings

        return load_settings(self._arguments)
