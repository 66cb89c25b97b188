"""FastAPI dependencies of the routes: the server's client, and its access to channels."""

from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection

from infinitas.client.channel_access import ChannelAccess
from infinitas.client.redis_client import RedisClient


def client_of(request: HTTPConnection) -> RedisClient:
    client = request.app.state.client
    assert isinstance(client, RedisClient)
    return client


ClientOf = Annotated[RedisClient, Depends(client_of)]


def channels_of(request: HTTPConnection) -> ChannelAccess:
    channels = request.app.state.channels
    assert isinstance(channels, ChannelAccess)
    return channels


ChannelsOf = Annotated[ChannelAccess, Depends(channels_of)]
