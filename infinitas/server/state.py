"""What every route works with: the one client of this server."""

from typing import Annotated

from fastapi import Depends, Request

from infinitas.client import Client


def _client(request: Request) -> Client:
    client = request.app.state.client
    assert isinstance(client, Client)
    return client


ClientOf = Annotated[Client, Depends(_client)]
