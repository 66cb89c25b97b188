"""FastAPI dependencies of the routes: the server's client."""

from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection

from infinitas.client.redis_client import RedisClient


def client_of(request: HTTPConnection) -> RedisClient:
    client = request.app.state.client
    assert isinstance(client, RedisClient)
    return client


ClientOf = Annotated[RedisClient, Depends(client_of)]
