"""`/channels` and `/deliveries`: where messages go, how they fare, tests and replays."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from infinitas.server.audit_trail import note
from infinitas.server.auth import MayAdminister
from infinitas.server.dependencies import ChannelsOf
from infinitas.wire.channels import (
    STATE,
    ChannelBody,
    ChannelView,
    DeliveryPage,
    DeliveryView,
    NewChannelBody,
    NewChannelView,
    QueuedNotice,
)
from infinitas.wire.values import Name

router = APIRouter(tags=["channels"])
DeliveryId = Annotated[int, Path(ge=1, lt=1 << 62)]


@router.get("/channels")
async def list_channels(channels: ChannelsOf, _: MayAdminister) -> list[ChannelView]:
    """All channels by name, those of infinitas.toml included; never their secrets."""
    return [ChannelView.of(info) for info in await channels.all()]


@router.post("/channels", status_code=201)
async def add_channel(
    body: NewChannelBody, channels: ChannelsOf, caller: MayAdminister, request: Request
) -> NewChannelView:
    """Make a channel. A webhook without a `secret` gets one, which this response shows this once."""
    info, secret = await channels.add(body.name, body.config, caller.name)
    note(request, target=info.name, after=ChannelView.of(info), without=STATE)
    return NewChannelView.of(info, secret=secret)


@router.get("/channels/{name}")
async def get_channel(name: Name, channels: ChannelsOf, _: MayAdminister) -> ChannelView:
    """One channel."""
    return ChannelView.of(await channels.find(name))


@router.put("/channels/{name}")
async def put_channel(
    name: Name, body: ChannelBody, channels: ChannelsOf, caller: MayAdminister, request: Request
) -> ChannelView:
    """Replace the values of a channel that was made over the API."""
    before, after = await channels.change(name, body.config, caller.name)
    note(request, before=ChannelView.of(before), after=ChannelView.of(after), without=STATE)
    return ChannelView.of(after)


@router.delete("/channels/{name}", status_code=204)
async def remove_channel(name: Name, channels: ChannelsOf, _: MayAdminister, request: Request) -> None:
    """Remove a channel that was made over the API; messages that wait for it are given up."""
    note(request, before=ChannelView.of(await channels.remove(name)), without=STATE)


@router.post("/channels/{name}/test", status_code=202, name="test_channel")
async def send_test(name: Name, channels: ChannelsOf, _: MayAdminister) -> QueuedNotice:
    """Have a notifier send a test message, at once also while the channel fails."""
    return QueuedNotice(notice=await channels.test(name), channel=name)


@router.get("/channels/{name}/deliveries")
async def list_deliveries(
    name: Name,
    channels: ChannelsOf,
    _: MayAdminister,
    notice: Name | None = None,
    before: Annotated[int | None, Query(ge=1, lt=1 << 62)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> DeliveryPage:
    """Tries to send messages to a channel, newest first, also of one that was removed; kept for 30 days."""
    found = await channels.deliveries(name, notice, before, limit)
    following = found[-1].id if len(found) == limit else None
    return DeliveryPage(items=[DeliveryView.of(each) for each in found], next=following)


@router.post("/deliveries/{id}/replay", status_code=202)
async def replay_delivery(id: DeliveryId, channels: ChannelsOf, _: MayAdminister) -> QueuedNotice:
    """Have a notifier send the message of a delivery again, with the same id."""
    notice, channel = await channels.replay(id)
    return QueuedNotice(notice=notice, channel=channel)
