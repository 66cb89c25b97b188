"""Where WebSockets connect: `/api/v1/worker` and `/api/v1/feed`."""

from typing import Any

from fastapi import APIRouter, WebSocket

from infinitas.server.websocket.asyncapi import describe
from infinitas.server.websocket.gateway import Gateway

router = APIRouter(tags=["system"])


@router.get("/asyncapi.json")
async def asyncapi() -> dict[str, Any]:
    """The socket protocols, described as AsyncAPI 3 with a JSON Schema of every frame."""
    return describe()


@router.websocket("/worker")
async def connect_worker(socket: WebSocket) -> None:
    """Workers in any language: `infinitas.v1` (docs/protocol.md)."""
    gateway = socket.app.state.gateway
    assert isinstance(gateway, Gateway)
    await gateway.serve(socket)


@router.websocket("/feed")
async def connect_page(socket: WebSocket) -> None:
    """Pages that want to hear what happens: `infinitas.feed.v1` (docs/http.md)."""
    gateway = socket.app.state.gateway
    assert isinstance(gateway, Gateway)
    await gateway.serve_page(socket)
