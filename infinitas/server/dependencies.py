"""FastAPI dependencies of the routes: the server's client."""

from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection

from infinitas.client.redis_client import Client


def client_of(request: HTTPConnection) -> Client:
    client = request.app.state.client
    assert isinstance(client, Client)
    return client


ClientOf = Annotated[Client, Depends(client_of)]
