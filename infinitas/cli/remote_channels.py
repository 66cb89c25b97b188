"""The verbs over channels through a server."""

from pydantic import TypeAdapter

from infinitas.client.http import Http, quoted
from infinitas.core.channel_config import ChannelConfig
from infinitas.wire.channels import ChannelView, DeliveryPage, DeliveryView, NewChannelView, QueuedNotice

_CHANNELS, _CHANNEL = TypeAdapter(list[ChannelView]), TypeAdapter(ChannelView)
_NEW, _QUEUED, _PAGE = TypeAdapter(NewChannelView), TypeAdapter(QueuedNotice), TypeAdapter(DeliveryPage)


class RemoteChannels:
    """See `ChannelVerbs`: over the server's HTTP API."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def all(self) -> list[ChannelView]:
        return await self._http.fetch(_CHANNELS, "GET", "/channels")

    async def add(self, name: str, config: ChannelConfig) -> tuple[ChannelView, str | None]:
        body = {"name": name, "config": config.stored}
        made = await self._http.fetch(_NEW, "POST", "/channels", body)
        return made, made.secret

    async def change(self, name: str, config: ChannelConfig) -> ChannelView:
        return await self._http.fetch(_CHANNEL, "PUT", _path(name), {"config": config.stored})

    async def remove(self, name: str) -> None:
        await self._http.request("DELETE", _path(name))

    async def test(self, name: str) -> QueuedNotice:
        return await self._http.fetch(_QUEUED, "POST", f"{_path(name)}/test")

    async def deliveries(self, name: str, notice: str | None, limit: int) -> list[DeliveryView]:
        path = f"{_path(name)}/deliveries"
        return (await self._http.fetch(_PAGE, "GET", path, notice=notice, limit=limit)).items

    async def replay(self, delivery: int) -> QueuedNotice:
        return await self._http.fetch(_QUEUED, "POST", f"/deliveries/{delivery}/replay")


def _path(name: str) -> str:
    return f"/channels/{quoted(name)}"
