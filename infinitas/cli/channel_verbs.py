"""The verbs over channels on the command line: through a server, or on Postgres itself."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import click
from pydantic_core import to_json

from infinitas.cli.context import ask, settings
from infinitas.cli.incidents import actor
from infinitas.client.channel_access import ChannelAccess
from infinitas.client.interface import Client
from infinitas.client.redis_client import RedisClient
from infinitas.core.changes import changes
from infinitas.core.channel_config import ChannelConfig
from infinitas.wire.channels import (
    STATE,
    ChannelView,
    DeliveryView,
    QueuedNotice,
)

T = TypeVar("T")
QUEUE = "default"


class ChannelVerbs(Protocol):
    """What both ways can do."""

    async def all(self) -> list[ChannelView]: ...

    async def add(self, name: str, config: ChannelConfig) -> tuple[ChannelView, str | None]: ...

    async def change(self, name: str, config: ChannelConfig) -> ChannelView: ...

    async def remove(self, name: str) -> None: ...

    async def test(self, name: str) -> QueuedNotice: ...

    async def deliveries(self, name: str, notice: str | None, limit: int) -> list[DeliveryView]: ...

    async def replay(self, delivery: int) -> QueuedNotice: ...


def ask_channels(ctx: click.Context, question: Callable[[ChannelVerbs], Awaitable[T]]) -> T:
    """Run `question` with the verbs. Raises what they raise."""
    found = settings(ctx)

    async def put(client: Client) -> T:
        if not isinstance(client, RedisClient):
            # Imported here: it needs the extra `remote`, which the client of a server has found already.
            from infinitas.cli.remote_channels import RemoteChannels
            from infinitas.client.http import Http

            assert found.server is not None
            http = Http(found.server, found.token_text, found.certificates)
            try:
                return await question(RemoteChannels(http))
            finally:
                await http.close()
        access = ChannelAccess(found.postgres_url, "client")
        try:
            return await question(_Direct(access, client))
        finally:
            await access.close()

    return ask(ctx, put)


class _Direct:
    """On Postgres; changes are recorded in the audit, as the server does."""

    def __init__(self, access: ChannelAccess, client: RedisClient) -> None:
        self._access = access
        self._client = client
        self._actor = actor()

    async def all(self) -> list[ChannelView]:
        return [ChannelView.of(info) for info in await self._access.all()]

    async def add(self, name: str, config: ChannelConfig) -> tuple[ChannelView, str | None]:
        info, secret = await self._access.add(name, config, self._actor)
        view = ChannelView.of(info)
        await self._record("add_channel", name, None, view)
        return view, secret

    async def change(self, name: str, config: ChannelConfig) -> ChannelView:
        before, after = await self._access.change(name, config, self._actor)
        view = ChannelView.of(after)
        await self._record("put_channel", name, ChannelView.of(before), view)
        return view

    async def remove(self, name: str) -> None:
        await self._record("remove_channel", name, ChannelView.of(await self._access.remove(name)), None)

    async def test(self, name: str) -> QueuedNotice:
        queued = QueuedNotice(notice=await self._access.test(name), channel=name)
        await self._record("test_channel", name)
        return queued

    async def deliveries(self, name: str, notice: str | None, limit: int) -> list[DeliveryView]:
        found = await self._access.deliveries(name, notice, None, limit)
        return [DeliveryView.of(each) for each in found]

    async def replay(self, delivery: int) -> QueuedNotice:
        notice, channel = await self._access.replay(delivery)
        await self._record("replay_delivery", str(delivery))
        return QueuedNotice(notice=notice, channel=channel)

    async def _record(
        self, action: str, target: str, before: ChannelView | None = None, after: ChannelView | None = None
    ) -> None:
        shown = [each.model_dump(mode="json", exclude=set(STATE)) if each else {} for each in (before, after)]
        await (await self._client.broker(QUEUE)).audit(
            action=action,
            actor=self._actor,
            target=target,
            reason="",
            origin="command line",
            changes=to_json(changes(*shown)).decode() if before or after else "",
        )
