"""FastAPI dependencies of the routes: the client, the channels, the readings that equal requests share."""

from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection

from infinitas.client.channel_access import ChannelAccess
from infinitas.client.redis_client import RedisClient
from infinitas.server.shared_reads import SharedReads


def client_of(request: HTTPConnection) -> RedisClient:
    client = request.app.state.client
    assert isinstance(client, RedisClient)
    return client


def reads_of(request: HTTPConnection) -> SharedReads:
    reads = request.app.state.reads
    assert isinstance(reads, SharedReads)
    return reads


ReadsOf = Annotated[SharedReads, Depends(reads_of)]
ClientOf = Annotated[RedisClient, Depends(client_of)]


def channels_of(request: HTTPConnection) -> ChannelAccess:
    channels = request.app.state.channels
    assert isinstance(channels, ChannelAccess)
    return channels


ChannelsOf = Annotated[ChannelAccess, Depends(channels_of)]
